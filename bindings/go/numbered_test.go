package vixdisklib

// The numbered tests, which C and Python have too; docs/bindings.md lists them.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

const (
	// large is 40 GiB in sectors: more chunks than one question may cover.
	large  = 40 << 21
	window = maxChunks * MinChunk
)

// ---- init

func Test01TheLibraryStartsEndsAndStartsAgain(t *testing.T) {
	var library *Library
	for round := 0; round < 2; round++ {
		var err error
		library, err = Init(Options{})
		require(t, err)
		check(t, strings.Contains(strings.Join(library.TransportModes(), ":"), "file"), "no transport mode file")
		require(t, library.Close())
	}
	_, err := library.Connect(ConnectParams{})
	check(t, errors.Is(err, os.ErrClosed), "connecting after the end: %v", err)
}

func Test02StartsAreCounted(t *testing.T) {
	first, second := start(t), start(t)
	require(t, second.Close())
	require(t, second.Close())
	connection, err := first.Connect(ConnectParams{})
	require(t, err)
	require(t, connection.Close())
}

func Test03AMissingConfigurationIsRefused(t *testing.T) {
	enter(t)
	_, err := Init(Options{ConfigFile: "missing.conf"})
	check(t, errors.Is(err, ErrFileNotFound), "%v", err)
}

// ---- connect

func Test04LocalDisksNeedNoParameters(t *testing.T) {
	library := start(t)
	for _, params := range []ConnectParams{{}, {TransportModes: []string{"file"}}} {
		connection, err := library.Connect(params)
		require(t, err)
		require(t, connection.Close())
	}
}

func Test05AReadOnlyConnectionChangesNothing(t *testing.T) {
	writable := local(t)
	require(t, newDisk(t, writable, "disk.vmdk", small).Close())
	connection, err := writable.library.Connect(ConnectParams{ReadOnly: true})
	require(t, err)
	err = connection.Create("new.vmdk", CreateParams{Capacity: small}, nil)
	check(t, errors.Is(err, ErrFileReadOnly), "%v", err)
	disk := openDisk(t, connection, "disk.vmdk", OpenOptions{})
	err = disk.WriteSectors(make([]byte, SectorSize), 0)
	check(t, errors.Is(err, ErrFileReadOnly), "%v", err)
}

func Test06AServerThatIsNotThereIsAnError(t *testing.T) {
	connection, err := start(t).Connect(ConnectParams{
		Server: "127.0.0.1", User: "user", Password: "password", VM: "vm-1", Port: 1, NFCPort: 1,
		Thumbprint: strings.Repeat("00:", 19) + "00", Snapshot: "snapshot-1", TransportModes: []string{"nbdssl", "nbd"},
		ReadOnly: true,
	})
	if err == nil { // a server may show its faults at the first open only
		_, err = connection.Open("[ds] vm/vm.vmdk", OpenOptions{ReadOnly: true})
	}
	var failed *Error
	check(t, errors.As(err, &failed) && failed.Code != 0, "%v", err)
}

// ---- open and info

func Test07ANewDiskTellsWhatItIs(t *testing.T) {
	disk := smallDisk(t)
	info, err := disk.Info()
	require(t, err)
	check(t, info.Capacity == small && info.Links == 1 && info.ParentHint == "", "%+v", info)
	check(t, info.Adapter == LSILogic && info.UUID != "" && info.Physical.Heads > 0, "%+v", info)
	check(t, info.LogicalSectorSize == SectorSize && info.PhysicalSectorSize == SectorSize, "%+v", info)
	check(t, disk.Capacity() == small && disk.Size() == small*SectorSize, "%d", disk.Size())
	check(t, disk.TransportMode() == "file", "%s", disk.TransportMode())
}

func Test08AMissingDiskIsNotFound(t *testing.T) {
	disk, err := local(t).Open("missing.vmdk", OpenOptions{ReadOnly: true})
	check(t, disk == nil && errors.Is(err, ErrFileNotFound) && errors.Is(err, os.ErrNotExist), "%v", err)
}

func Test09AChildNamesItsParent(t *testing.T) {
	connection := local(t)
	parent := newDisk(t, connection, "disk.vmdk", small)
	require(t, parent.CreateChild("child.vmdk", 0, nil))
	require(t, parent.Close())
	info, err := openDisk(t, connection, "child.vmdk", OpenOptions{}).Info()
	require(t, err)
	check(t, info.Links == 2 && info.Capacity == small, "%+v", info)
	check(t, strings.Contains(info.ParentHint, "disk.vmdk"), "%+v", info)
}

// ---- read and write

func Test10WhatWasNeverWrittenIsZeros(t *testing.T) {
	buffer := bytes.Repeat([]byte{0xA5}, 2*SectorSize)
	require(t, smallDisk(t).ReadSectors(buffer, small-2))
	check(t, bytes.Equal(buffer, make([]byte, 2*SectorSize)), "not zeros")
}

func Test11NothingIsReadPastTheEnd(t *testing.T) {
	disk := smallDisk(t)
	for _, place := range []uint64{small - 1, small} {
		err := disk.ReadSectors(make([]byte, 2*SectorSize), place)
		check(t, errors.Is(err, ErrDiskOutofrange), "%v", err)
	}
	count, err := disk.ReadAt(make([]byte, 10), small*SectorSize-3)
	check(t, count == 3 && err == io.EOF, "%d, %v", count, err)
}

func Test12WhatWasWrittenIsThereAfterReopening(t *testing.T) {
	connection := local(t)
	disk := newDisk(t, connection, "disk.vmdk", small)
	require(t, disk.WriteSectors(pattern(1000, 300), 1000))
	require(t, disk.Flush())
	require(t, disk.Close())
	disk = openDisk(t, connection, "disk.vmdk", OpenOptions{ReadOnly: true})
	buffer := make([]byte, 300*SectorSize)
	require(t, disk.ReadSectors(buffer, 1000))
	check(t, bytes.Equal(buffer, pattern(1000, 300)), "other data")
}

func Test13AReadOnlyDiskTakesNoWrite(t *testing.T) {
	connection := local(t)
	require(t, newDisk(t, connection, "disk.vmdk", small).Close())
	disk := openDisk(t, connection, "disk.vmdk", OpenOptions{ReadOnly: true})
	count, err := disk.WriteAt(make([]byte, 7), 3)
	check(t, count == 0 && errors.Is(err, ErrFileReadOnly), "%d, %v", count, err)
}

// ---- metadata

func Test14ValuesAreListedChangedAndKept(t *testing.T) {
	connection := local(t)
	disk := newDisk(t, connection, "disk.vmdk", small)
	require(t, disk.WriteMetadata("toolsVersion", "1"))
	require(t, disk.WriteMetadata("toolsVersion", "12352"))
	require(t, disk.Close())
	metadata, err := openDisk(t, connection, "disk.vmdk", OpenOptions{ReadOnly: true}).Metadata()
	require(t, err)
	check(t, metadata["toolsVersion"] == "12352" && metadata["adapterType"] == "lsilogic", "%v", metadata)
}

func Test15AnUnknownNameHasNoValue(t *testing.T) {
	_, err := smallDisk(t).ReadMetadata("nothing")
	check(t, errors.Is(err, ErrDiskKeyNotfound), "%v", err)
}

func Test16LongValuesComeBackWhole(t *testing.T) {
	disk := smallDisk(t)
	require(t, disk.WriteMetadata("comment", strings.Repeat("x", 2999)))
	value, err := disk.ReadMetadata("comment")
	check(t, err == nil && value == strings.Repeat("x", 2999), "%d bytes, %v", len(value), err)
}

// ---- blocks

func Test17WrittenChunksAreListed(t *testing.T) {
	disk := smallDisk(t)
	for _, sector := range []uint64{130, 256, small - 1} {
		require(t, disk.WriteSectors(bytes.Repeat([]byte{1}, SectorSize), sector))
	}
	blocks, err := disk.AllocatedBlocks(0, small, 0)
	require(t, err)
	wanted := []Block{{128, 256}, {small / 128 * 128, small % 128}}
	check(t, len(blocks) == 2 && blocks[0] == wanted[0] && blocks[1] == wanted[1], "%v", blocks)
}

func Test18TheMapOfALargeDiskIsWhole(t *testing.T) {
	disk := newDisk(t, local(t), "large.vmdk", large)
	require(t, disk.WriteSectors(bytes.Repeat([]byte{1}, 256*SectorSize), window-128))
	require(t, disk.WriteSectors(bytes.Repeat([]byte{1}, SectorSize), large-1))
	blocks, err := disk.AllocatedBlocks(0, large, 0)
	require(t, err)
	// A run over the border of two questions is one run of the disk.
	check(t, len(blocks) == 2 && blocks[0] == Block{window - 128, 256} && blocks[1] == Block{large - 128, 128},
		"%v", blocks)
}

func Test19AChunkOfAForbiddenSizeIsRefused(t *testing.T) {
	disk := smallDisk(t)
	for _, chunk := range []uint64{1, MaxChunk + 1} {
		_, err := disk.AllocatedBlocks(0, small, chunk)
		check(t, errors.Is(err, ErrInvalidArg), "%v", err)
	}
}

// ---- async

func Test20ManyRequestsEndOnceEach(t *testing.T) {
	// A request that ended twice would close its channel twice, which panics.
	disk := smallDisk(t)
	var requests []*Request
	for i := 0; i < 64; i++ {
		requests = append(requests, disk.WriteAsync(pattern(i*100, 100), uint64(i*100)))
	}
	for _, request := range requests {
		_, err := request.Wait(context.Background())
		require(t, err)
	}
	for i := range requests {
		requests[i] = disk.ReadAsync(uint64(i*100), 100)
	}
	require(t, disk.WaitAll())
	for i, request := range requests {
		select {
		case <-request.Done():
		default:
			t.Errorf("request %d goes on after WaitAll", i)
		}
		data, err := request.Wait(context.Background())
		check(t, err == nil && bytes.Equal(data, pattern(i*100, 100)), "request %d: %v", i, err)
	}
}

func Test21ARequestPastTheEndFails(t *testing.T) {
	disk := smallDisk(t)
	_, err := disk.WriteAsync(make([]byte, SectorSize), small).Wait(context.Background())
	var failed *Error
	check(t, errors.As(err, &failed) && failed.Code == ErrDiskOutofrange, "%v", err)
	check(t, strings.Contains(failed.Detail, "disk.vmdk"), "%v", failed)
	_, err = disk.ReadAsync(small, 1).Wait(context.Background())
	check(t, errors.Is(err, ErrDiskOutofrange), "%v", err)
}

func Test22WaitingEndsWhenAllRequestsHave(t *testing.T) {
	disk := smallDisk(t)
	require(t, disk.WaitAll()) // for nothing
	request := disk.WriteAsync(bytes.Repeat([]byte{1}, 8000*SectorSize), 0)
	require(t, disk.WaitAll())
	select {
	case <-request.Done():
	default:
		t.Error("the request goes on")
	}
}

// ---- errors

func Test23TheTextSaysWhatFailed(t *testing.T) {
	_, err := local(t).Open("23.vmdk", OpenOptions{ReadOnly: true})
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatal(err)
	}
	check(t, failed.Code.String() == "VIX_E_FILE_NOT_FOUND", "%v", failed.Code)
	check(t, strings.HasPrefix(failed.Detail, "VixDiskLib_Open: "), "%q", failed.Detail)
	check(t, strings.Contains(failed.Detail, "23.vmdk") && strings.Contains(failed.Detail, "No such file"), "%v", failed)
	check(t, strings.HasSuffix(err.Error(), failed.Detail), "%v", err)
}

func Test24EveryCodeHasANameAndAText(t *testing.T) {
	check(t, len(codeNames) > 150, "%d codes", len(codeNames))
	for code, name := range codeNames {
		text := errorOfCode(code).Text
		check(t, strings.HasPrefix(name, "VIX_E_") && code.Error() == name && len(text) > 5, "%d: %s", code, text)
	}
	check(t, Code(65535).String() == "VixError(65535)" && len(errorOfCode(65535).Text) > 5, "%v", Code(65535))
}

func Test25AClosedDiskIsRefused(t *testing.T) {
	disk := smallDisk(t)
	require(t, disk.Close())
	require(t, disk.Close())
	_, info := disk.Info()
	_, read := disk.ReadAt(make([]byte, 1), 0)
	_, async := disk.ReadAsync(0, 1).Wait(context.Background())
	_, value := disk.ReadMetadata("uuid")
	for _, err := range []error{info, read, async, value, disk.Flush(), disk.Shrink(nil), disk.Attach(disk)} {
		check(t, errors.Is(err, os.ErrClosed), "%v", err)
	}
}

// ---- whole disks

func Test26NothingIsCreatedOverADisk(t *testing.T) {
	connection := local(t)
	require(t, newDisk(t, connection, "disk.vmdk", small).Close())
	err := connection.Create("disk.vmdk", CreateParams{Capacity: small}, nil)
	check(t, errors.Is(err, ErrFileAlreadyExists) && errors.Is(err, os.ErrExist), "%v", err)
}

func cloneOf(t *testing.T, ctx context.Context, progress ProgressFunc) (*Connection, error) {
	t.Helper()
	connection := local(t)
	disk := newDisk(t, connection, "disk.vmdk", small)
	require(t, disk.WriteSectors(bytes.Repeat([]byte{7}, 4*4096*SectorSize), 0))
	require(t, disk.Close())
	params := CreateParams{Type: MonolithicFlat}
	return connection, connection.Clone(ctx, "disk.vmdk", "clone.vmdk", params, CloneOptions{Progress: progress})
}

func Test27ACloneTellsItsProgress(t *testing.T) {
	var heard []int
	connection, err := cloneOf(t, context.Background(), func(percent int) bool {
		heard = append(heard, percent)
		return true
	})
	require(t, err)
	check(t, heard[0] == 0 && heard[len(heard)-1] == 100, "%v", heard)
	buffer := make([]byte, SectorSize)
	require(t, openDisk(t, connection, "clone.vmdk", OpenOptions{ReadOnly: true}).ReadSectors(buffer, 4096))
	check(t, bytes.Equal(buffer, bytes.Repeat([]byte{7}, SectorSize)), "other data")
}

func Test28ACloneCanBeCancelled(t *testing.T) {
	last := 0
	_, err := cloneOf(t, context.Background(), func(percent int) bool {
		last = percent
		return percent < 20
	})
	check(t, errors.Is(err, ErrCancelled) && last < 100, "%d, %v", last, err)
	for _, path := range []string{"clone.vmdk", "clone-flat.vmdk"} {
		_, err := os.Stat(path)
		check(t, errors.Is(err, os.ErrNotExist), "%s: %v", path, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = cloneOf(t, ctx, func(percent int) bool {
		if percent >= 20 {
			cancel()
		}
		return true
	})
	check(t, err == context.Canceled, "%v", err)
}
