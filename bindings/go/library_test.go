package vixdisklib

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

func TestTheLogReachesItsFunction(t *testing.T) {
	enter(t)
	var mutex sync.Mutex
	var heard []string
	library, err := Init(Options{Log: func(level LogLevel, message string) {
		mutex.Lock()
		defer mutex.Unlock()
		heard = append(heard, level.String()+" "+message)
	}})
	require(t, err)
	connection, err := library.Connect(ConnectParams{})
	require(t, err)
	disk := newDisk(t, connection, "100%s %d.vmdk", small)
	check(t, disk.ReadSectors(make([]byte, SectorSize), small) != nil, "no error")
	require(t, library.Close())
	all := strings.Join(heard, "\n")
	for _, wanted := range []string{"info VMware VixDiskLib (", "'100%s %d.vmdk'", "warning VixDiskLib_Read: "} {
		check(t, strings.Contains(all, wanted), "no %q in %s", wanted, all)
	}
	for _, line := range heard {
		check(t, !strings.HasSuffix(line, "\n"), "%q", line)
	}
}

func TestAConfigurationHasTheLastWord(t *testing.T) {
	enter(t)
	require(t, os.WriteFile("own.conf", []byte("vixen.progressCancels = 0\n"), 0o600))
	library, err := Init(Options{ConfigFile: "own.conf"})
	require(t, err)
	defer library.Close()
	connection, err := library.Connect(ConnectParams{})
	require(t, err)
	require(t, newDisk(t, connection, "disk.vmdk", small).Close())
	never := CloneOptions{Progress: func(int) bool { return false }}
	require(t, connection.Clone(context.Background(), "disk.vmdk", "clone.vmdk", CreateParams{}, never))
}

func TestAPanicOfAProgressFunctionGoesOnBehindTheCall(t *testing.T) {
	connection := local(t)
	require(t, newDisk(t, connection, "disk.vmdk", small).Close())
	func() {
		defer func() {
			panicked := recover()
			check(t, panicked == "stop", "%v", panicked)
		}()
		stop := CloneOptions{Progress: func(int) bool { panic("stop") }}
		_ = connection.Clone(context.Background(), "disk.vmdk", "clone.vmdk", CreateParams{}, stop)
		t.Error("no panic")
	}()
	_, err := os.Stat("clone.vmdk")
	check(t, errors.Is(err, os.ErrNotExist), "%v", err)
	require(t, openDisk(t, connection, "disk.vmdk", OpenOptions{}).Close())
}

func TestTheCallsForServersDoNothingForLocalDisks(t *testing.T) {
	library := start(t)
	require(t, library.PrepareForAccess(ConnectParams{}, "tests"))
	require(t, library.EndAccess(ConnectParams{}, "tests"))
	cleaned, remaining, err := library.Cleanup(ConnectParams{})
	check(t, cleaned == 0 && remaining == 0 && err == nil, "%d, %d, %v", cleaned, remaining, err)
	err = library.PrepareForAccess(ConnectParams{}, strings.Repeat("x", 51))
	check(t, errors.Is(err, ErrInvalidArg), "%v", err)
}

func TestStringsThatCWouldCutAreRefused(t *testing.T) {
	connection := local(t)
	_, err := connection.Open("disk\x00.vmdk", OpenOptions{})
	check(t, err != nil && strings.Contains(err.Error(), "NUL"), "%v", err)
	err = connection.Create("disk\x00.vmdk", CreateParams{Capacity: 1}, nil)
	check(t, err != nil && strings.Contains(err.Error(), "NUL"), "%v", err)
	_, err = connection.library.Connect(ConnectParams{Server: "host", Password: "a\x00b"})
	check(t, err != nil && strings.Contains(err.Error(), "NUL") && !strings.Contains(err.Error(), "host"), "%v", err)
}

func TestNoSecretIsShown(t *testing.T) {
	params := ConnectParams{Server: "host", Password: "s3cret", Cookie: "c00kie", VM: "vm-1"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{params, &params} {
			shown := fmt.Sprintf(format, value)
			check(t, strings.Contains(shown, "moref=vm-1"), "%s", shown)
			check(t, !strings.Contains(shown, "s3cret") && !strings.Contains(shown, "c00kie"), "%s", shown)
		}
	}
}

func TestEveryKindOfDiskIsMadeAndCloned(t *testing.T) {
	connection := local(t)
	for _, kind := range []DiskType{MonolithicSparse, MonolithicFlat, SplitSparse, SplitFlat, VmfsFlat, VmfsThin} {
		name := fmt.Sprintf("%d.vmdk", kind)
		require(t, connection.Create(name, CreateParams{Type: kind, Capacity: small}, nil))
		disk := openDisk(t, connection, name, OpenOptions{})
		require(t, disk.WriteSectors(pattern(3000, 9), 3000))
		space, err := disk.SpaceForClone(StreamOptimized)
		check(t, err == nil && 0 < space && space < small*SectorSize, "%d, %v", space, err)
		require(t, disk.Close())
		stream := CreateParams{Type: StreamOptimized}
		overwrite := CloneOptions{Overwrite: true}
		require(t, connection.Clone(context.Background(), name, "stream.vmdk", stream, overwrite))
		buffer := make([]byte, 9*SectorSize)
		disk = openDisk(t, connection, "stream.vmdk", OpenOptions{ReadOnly: true})
		require(t, disk.ReadSectors(buffer, 3000))
		require(t, disk.Close())
		check(t, bytes.Equal(buffer, pattern(3000, 9)), "other data in a clone of kind %d", kind)
	}
}

func TestADiskIsGrownShrunkCheckedRenamedAndDeleted(t *testing.T) {
	connection := local(t)
	disk := newDisk(t, connection, "disk.vmdk", small)
	require(t, disk.WriteSectors(pattern(0, 2000), 0))
	require(t, disk.WriteSectors(make([]byte, 1000*SectorSize), 500))
	whole := 0
	progress := func(percent int) bool {
		whole += percent / 100
		return false // means nothing to these
	}
	require(t, disk.Shrink(progress))
	require(t, disk.Defragment(progress))
	err := connection.Grow("disk.vmdk", 2*small, true, nil)
	check(t, errors.Is(err, ErrFileAlreadyLocked), "%v", err)
	require(t, disk.Close())
	require(t, connection.Grow("disk.vmdk", 2*small, true, progress))
	check(t, whole == 3, "%d calls told of their end", whole)
	found, err := connection.Check("disk.vmdk", false)
	check(t, err == nil && len(found) == 1 && strings.Contains(found[0], "0 findings"), "%q, %v", found, err)
	require(t, connection.library.Rename("disk.vmdk", "other.vmdk"))
	disk = openDisk(t, connection, "other.vmdk", OpenOptions{ReadOnly: true})
	check(t, disk.Capacity() == 2*small, "%d", disk.Capacity())
	require(t, disk.Close())
	require(t, connection.Unlink("other.vmdk"))
	err = connection.Unlink("other.vmdk")
	check(t, errors.Is(err, ErrFileNotFound), "%v", err)
}

func TestAChildIsAttached(t *testing.T) {
	connection := local(t)
	base := newDisk(t, connection, "base.vmdk", small)
	require(t, base.WriteSectors(pattern(0, 1), 0))
	require(t, base.CreateChild("child.vmdk", SplitSparse, nil))
	require(t, base.Close())
	parent := openDisk(t, connection, "base.vmdk", OpenOptions{ReadOnly: true})
	child := openDisk(t, connection, "child.vmdk", OpenOptions{SingleLink: true})
	err := child.CheckAttach(parent)
	check(t, errors.Is(err, ErrDiskAttachRootlink), "%v", err)
	require(t, parent.CheckAttach(child))
	require(t, parent.Attach(child))
	buffer := make([]byte, SectorSize)
	require(t, child.ReadSectors(buffer, 0))
	check(t, bytes.Equal(buffer, pattern(0, 1)), "the parent's data is not there")
}

func TestNothingIsLeftOfCallbacks(t *testing.T) {
	setLogger(nil, nil)
	loggers.RLock()
	defer loggers.RUnlock()
	check(t, len(loggers.functions) == 0, "%d loggers", len(loggers.functions))
}
