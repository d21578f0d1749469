package vixdisklib

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var (
	_ io.ReaderAt = (*Disk)(nil)
	_ io.WriterAt = (*Disk)(nil)
	_ io.Closer   = (*Disk)(nil)
)

// Random operations against an array of bytes.
func TestAnyBytesAreReadAndWrittenLikeMemory(t *testing.T) {
	chance := rand.New(rand.NewSource(5))
	model := make([]byte, small*SectorSize)
	disk := smallDisk(t)
	for i := 0; i < 300; i++ {
		place := chance.Intn(200_000)
		part := make([]byte, []int{1, 3, 511, 512, 513, 4096, 10_000}[chance.Intn(7)])
		if chance.Intn(2) == 0 {
			chance.Read(part)
			count, err := disk.WriteAt(part, int64(place))
			check(t, count == len(part) && err == nil, "%d, %v", count, err)
			copy(model[place:], part)
			continue
		}
		count, err := disk.ReadAt(part, int64(place))
		check(t, count == len(part) && err == nil, "%d, %v", count, err)
		check(t, bytes.Equal(part, model[place:place+len(part)]), "other bytes at %d", place)
	}
	all, err := io.ReadAll(io.NewSectionReader(disk, 0, disk.Size()))
	check(t, err == nil && bytes.Equal(all, model), "%v", err)
}

func TestTheEndsOfADiskAreThoseOfAFile(t *testing.T) {
	disk := smallDisk(t)
	for _, test := range []struct {
		length, place int64
		count         int
		err           error
	}{{0, 0, 0, nil}, {1, disk.Size(), 0, io.EOF}, {0, disk.Size(), 0, nil}, {9, disk.Size() - 4, 4, io.EOF},
		{1, 1 << 62, 0, io.EOF}} {
		count, err := disk.ReadAt(make([]byte, test.length), test.place)
		check(t, count == test.count && err == test.err, "%v: %d, %v", test, count, err)
		if test.err == io.EOF {
			count, err = disk.WriteAt(make([]byte, test.length), test.place)
			check(t, count == test.count && err == io.ErrShortWrite, "%v: %d, %v", test, count, err)
		}
	}
	_, err := disk.ReadAt(make([]byte, 1), -1)
	check(t, err != nil && err != io.EOF, "%v", err)
	check(t, disk.ReadSectors(make([]byte, 511), 0) != nil, "a part of a sector was read")
	require(t, disk.ReadSectors(nil, 0))
}

func TestPartsOfOneSectorAreWrittenByManyGoroutines(t *testing.T) {
	disk := smallDisk(t)
	var group sync.WaitGroup
	for index := 0; index < 16; index++ {
		index := index
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 20; round++ {
				_, err := disk.WriteAt(bytes.Repeat([]byte{byte(index), byte(round)}, 8), int64(index*16))
				check(t, err == nil, "%v", err)
			}
		}()
	}
	group.Wait()
	buffer := make([]byte, 256)
	_, err := disk.ReadAt(buffer, 0)
	require(t, err)
	for index := 0; index < 16; index++ {
		check(t, bytes.Equal(buffer[index*16:index*16+16], bytes.Repeat([]byte{byte(index), 19}, 8)), "%d", index)
	}
}

func TestErrorsBelongToTheCallThatFailed(t *testing.T) {
	connection := local(t)
	var group sync.WaitGroup
	for index := 0; index < 16; index++ {
		name := fmt.Sprintf("missing-%d.vmdk", index)
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 50; round++ {
				_, err := connection.Open(name, OpenOptions{})
				check(t, err != nil && strings.Contains(err.Error(), name), "%s: %v", name, err)
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
}

func TestRequestsFromManyGoroutines(t *testing.T) {
	disk := smallDisk(t)
	var group sync.WaitGroup
	for index := 0; index < 16; index++ {
		index := index
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 20; round++ {
				sector := index*1000 + round*40
				data := pattern(sector, 40)
				request := disk.WriteAsync(data, uint64(sector))
				for i := range data {
					data[i] = 0 // it is ours again
				}
				_, err := request.Wait(context.Background())
				check(t, err == nil, "%v", err)
				read, err := disk.ReadAsync(uint64(sector), 40).Wait(context.Background())
				check(t, err == nil && bytes.Equal(read, pattern(sector, 40)), "%v", err)
			}
		}()
	}
	group.Wait()
}

func TestAContextEndsTheWaitingAndNotTheRequest(t *testing.T) {
	disk := smallDisk(t)
	request := disk.WriteAsync(pattern(0, 8000), 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := request.Wait(ctx); err != nil { // it may have ended already
		check(t, err == context.Canceled, "%v", err)
	}
	_, err := request.Wait(context.Background())
	require(t, err)
	data, err := disk.ReadAsync(0, 8000).Wait(context.Background())
	check(t, err == nil && bytes.Equal(data, pattern(0, 8000)), "%v", err)
}

func TestClosingWaitsForRequests(t *testing.T) {
	for _, closed := range []func(*Disk) error{
		func(disk *Disk) error { return disk.Close() },
		func(disk *Disk) error { return disk.connection.Close() },
		func(disk *Disk) error { return disk.connection.library.Close() },
	} {
		disk := smallDisk(t)
		var requests []*Request
		for i := 0; i < 8; i++ {
			requests = append(requests, disk.WriteAsync(make([]byte, 4000*SectorSize), 0))
		}
		require(t, closed(disk))
		for _, request := range requests {
			select {
			case <-request.Done():
			default:
				t.Error("a request goes on")
			}
		}
		_, err := disk.Info()
		check(t, errors.Is(err, os.ErrClosed), "%v", err)
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	disk := smallDisk(t)
	for _, request := range []*Request{
		disk.ReadAsync(0, -1), disk.ReadAsync(1<<63, 1), disk.ReadAsync(0, 1<<50), disk.WriteAsync(make([]byte, 9), 0),
	} {
		_, err := request.Wait(context.Background())
		check(t, err != nil, "no error")
	}
	data, err := disk.ReadAsync(5, 0).Wait(context.Background())
	check(t, len(data) == 0 && err == nil, "%v, %v", data, err)
}

func TestRangesOfBlocks(t *testing.T) {
	disk := smallDisk(t)
	require(t, disk.WriteSectors(bytes.Repeat([]byte{1}, 1280*SectorSize), 1280))
	for _, test := range []struct{ start, count, chunk, offset, length uint64 }{
		{1408, 256, 128, 1408, 256}, {0, small, 1024, 1024, 2048},
	} {
		blocks, err := disk.AllocatedBlocks(test.start, test.count, test.chunk)
		check(t, err == nil && len(blocks) == 1 && blocks[0] == Block{test.offset, test.length}, "%v, %v", blocks, err)
	}
	blocks, err := disk.AllocatedBlocks(5, 0, 0)
	check(t, len(blocks) == 0 && err == nil, "%v, %v", blocks, err)
	_, err = disk.AllocatedBlocks(0, small+1, 0)
	check(t, errors.Is(err, ErrInvalidArg), "%v", err)
	stop := errors.New("enough")
	err = disk.WalkAllocatedBlocks(0, small, 0, func(Block) error { return stop })
	check(t, err == stop, "%v", err)
}
