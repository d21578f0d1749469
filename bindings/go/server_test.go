//go:build server

package vixdisklib

// Disks of a server: esxi-sim, or a host of one's own. scripts/with-simulator.sh runs them with a simulator.
//
//	VIXDISKLIB_HOST=... VIXDISKLIB_USER=... VIXDISKLIB_PASSWORD=... VIXDISKLIB_THUMBPRINT=... VIXDISKLIB_VM=... \
//	VIXDISKLIB_DISK='[datastore] vm/vm.vmdk' go test -tags server -run Server
//
// VIXDISKLIB_PORT and VIXDISKLIB_NFC_PORT name other ports than 443 and 902, VIXDISKLIB_SNAPSHOT a snapshot.
// VIXDISKLIB_CONTENT is a file with the bytes of the disk: only where it is named is the disk written to.
//
// Python has the same tests, by the same numbers.

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

func port(t *testing.T, name string) uint16 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseUint(text, 10, 16)
	require(t, err)
	return uint16(number)
}

func server(t *testing.T) ConnectParams {
	t.Helper()
	return ConnectParams{
		Server:     os.Getenv("VIXDISKLIB_HOST"),
		User:       os.Getenv("VIXDISKLIB_USER"),
		Password:   os.Getenv("VIXDISKLIB_PASSWORD"),
		Thumbprint: os.Getenv("VIXDISKLIB_THUMBPRINT"),
		VM:         os.Getenv("VIXDISKLIB_VM"),
		Snapshot:   os.Getenv("VIXDISKLIB_SNAPSHOT"),
		Port:       port(t, "VIXDISKLIB_PORT"),
		NFCPort:    port(t, "VIXDISKLIB_NFC_PORT"),
	}
}

// eachMode runs a test with each transport mode, and what opens the disk by it.
func eachMode(t *testing.T, test func(t *testing.T, open func(readOnly bool) *Disk)) {
	for _, mode := range []string{"nbdssl", "nbd"} {
		t.Run(mode, func(t *testing.T) {
			library := start(t)
			test(t, func(readOnly bool) *Disk {
				params := server(t)
				params.TransportModes, params.ReadOnly = []string{mode}, readOnly
				connection, err := library.Connect(params)
				require(t, err)
				disk := openDisk(t, connection, os.Getenv("VIXDISKLIB_DISK"), OpenOptions{ReadOnly: readOnly})
				check(t, disk.TransportMode() == mode, "%s", disk.TransportMode())
				return disk
			})
		})
	}
}

// content are the bytes of the disk; without them the disk is that of a real host, which is not written to.
func content(t *testing.T) []byte {
	t.Helper()
	path := os.Getenv("VIXDISKLIB_CONTENT")
	if path == "" {
		t.Skip("the disk of a real host is not written to")
	}
	bytes, err := os.ReadFile(path)
	require(t, err)
	return bytes
}

// refused checks that a server is refused in this way, with these words, and without the password.
func refused(t *testing.T, params ConnectParams, disk string, code Code, words ...string) {
	t.Helper()
	connection, err := start(t).Connect(params)
	require(t, err)
	_, err = connection.Open(disk, OpenOptions{ReadOnly: true})
	check(t, errors.Is(err, code), "%v", err)
	for _, word := range words {
		check(t, err != nil && strings.Contains(err.Error(), word), "%s is not in: %v", word, err)
	}
	check(t, err == nil || !strings.Contains(err.Error(), os.Getenv("VIXDISKLIB_PASSWORD")), "the password is told")
}

func TestServer01ADiskTellsWhatItIs(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(true)
		info, err := disk.Info()
		require(t, err)
		check(t, info.Capacity == disk.Capacity() && info.LogicalSectorSize == SectorSize, "%+v", info)
	})
}

func TestServer02EveryWayOfReadingGivesTheSame(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(true)
		count := disk.Capacity()
		if count > 8192 {
			count = 8192
		}
		data := make([]byte, count*SectorSize)
		require(t, disk.ReadSectors(data, 0))
		again, err := disk.ReadAsync(0, int(count)).Wait(context.Background())
		check(t, err == nil && bytes.Equal(data, again), "asynchronously other data: %v", err)
		again, err = io.ReadAll(io.NewSectionReader(disk, 100, 1000))
		check(t, err == nil && bytes.Equal(data[100:1100], again), "at any byte other data: %v", err)
		if path := os.Getenv("VIXDISKLIB_CONTENT"); path != "" {
			all := make([]byte, disk.Size())
			require(t, disk.ReadSectors(all, 0))
			check(t, bytes.Equal(all, content(t)), "other data")
		}
	})
}

func TestServer03WhatIsNotAllocatedIsZeros(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(true)
		blocks, err := disk.AllocatedBlocks(0, disk.Capacity(), 0)
		require(t, err)
		position := uint64(0)
		for _, block := range append(blocks, Block{disk.Capacity(), 0}) {
			count := block.Offset - position
			if count > 2048 {
				count = 2048
			}
			data := make([]byte, count*SectorSize)
			if count > 0 {
				require(t, disk.ReadSectors(data, position))
			}
			check(t, len(bytes.Trim(data, "\000")) == 0, "data from sector %d on", position)
			position = block.Offset + block.Length
		}
	})
}

func TestServer04NothingIsReadPastTheEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(true)
		err := disk.ReadSectors(make([]byte, 2*SectorSize), disk.Capacity()-1)
		check(t, errors.Is(err, ErrDiskOutofrange), "%v", err)
		_, err = disk.ReadAsync(disk.Capacity(), 1).Wait(context.Background())
		check(t, errors.Is(err, ErrDiskOutofrange), "%v", err)
	})
}

func TestServer05AReadOnlyDiskTakesNoWrite(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		err := open(true).WriteSectors(make([]byte, SectorSize), 0)
		check(t, errors.Is(err, ErrFileReadOnly), "%v", err)
	})
}

func TestServer06MetadataIsRead(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(true)
		value, err := disk.ReadMetadata("adapterType")
		check(t, err == nil && value != "", "%q, %v", value, err)
		_, err = disk.ReadMetadata("nothing")
		check(t, errors.Is(err, ErrDiskKeyNotfound), "%v", err)
		keys, err := disk.MetadataKeys()
		check(t, err == nil && strings.Contains(strings.Join(keys, " "), "adapterType"), "%v, %v", keys, err)
	})
}

func TestServer07WhatWasWrittenIsThereAfterReopening(t *testing.T) {
	before := content(t)[3000*SectorSize : 6000*SectorSize]
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(false)
		data := pattern(3000, 3000)
		require(t, disk.WriteSectors(data, 3000))
		require(t, disk.Flush())
		require(t, disk.Close())
		again := make([]byte, len(data))
		require(t, open(true).ReadSectors(again, 3000))
		check(t, bytes.Equal(data, again), "other data")
		disk = open(false)
		require(t, disk.WriteSectors(before, 3000))
		require(t, disk.Close())
	})
}

func TestServer08ManyRequestsAreUnderWay(t *testing.T) {
	before := content(t)[:6400*SectorSize]
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		disk := open(false)
		var requests []*Request
		for i := 0; i < 64; i++ {
			requests = append(requests, disk.WriteAsync(pattern(i*100, 100), uint64(i*100)))
		}
		require(t, disk.WaitAll())
		for i, request := range requests {
			_, err := request.Wait(context.Background())
			require(t, err)
			requests[i] = disk.ReadAsync(uint64(i*100), 100)
		}
		for i, request := range requests {
			data, err := request.Wait(context.Background())
			check(t, err == nil && bytes.Equal(data, pattern(i*100, 100)), "request %d: %v", i, err)
		}
		require(t, disk.WriteSectors(before, 0))
	})
}

func TestServer09MetadataIsNotWritten(t *testing.T) {
	eachMode(t, func(t *testing.T, open func(bool) *Disk) {
		err := open(true).WriteMetadata("toolsVersion", "1")
		check(t, errors.Is(err, ErrNotSupported) || errors.Is(err, ErrFileReadOnly), "%v", err)
	})
}

func TestServer10AWrongPasswordIsRefused(t *testing.T) {
	params := server(t)
	params.Password = "wrong"
	refused(t, params, os.Getenv("VIXDISKLIB_DISK"), ErrHostUserPermissions, params.Server, "InvalidLogin")
}

func TestServer11AWrongThumbprintIsRefused(t *testing.T) {
	params := server(t)
	params.Thumbprint = strings.Repeat("00:", 19) + "00"
	refused(t, params, os.Getenv("VIXDISKLIB_DISK"), ErrNetHttpSslSecurity, "thumbprint")
}

func TestServer12AnUnknownMachineIsNotFound(t *testing.T) {
	params := server(t)
	params.VM = "vm-99999"
	refused(t, params, os.Getenv("VIXDISKLIB_DISK"), ErrVmNotFound, "vm-99999")
}

func TestServer13AnUnknownDiskIsRefused(t *testing.T) {
	missing := strings.Replace(os.Getenv("VIXDISKLIB_DISK"), ".vmdk", "-missing.vmdk", 1)
	// A ticket is for the disks of the machine: the host says that it does not cover this one.
	refused(t, server(t), missing, ErrFileAccessError, missing)
}

func TestServer14AClosedPortIsTold(t *testing.T) {
	params := server(t)
	params.Server, params.Port = "127.0.0.1", 1
	refused(t, params, os.Getenv("VIXDISKLIB_DISK"), ErrHostNetworkConnRefused, "127.0.0.1:1:")
}
