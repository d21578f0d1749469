// Command rawcopy copies a disk into a raw image. Unallocated parts stay holes; an interrupt ends it.
//
//	rawcopy DISK IMAGE
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"vixdisklib"
)

// step is the number of sectors of one read, 4 MiB.
const step = 8192

// depth is how many reads are under way at once.
const depth = 4

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: rawcopy DISK IMAGE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := copyDisk(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "rawcopy:", err)
		os.Exit(1)
	}
}

func copyDisk(ctx context.Context, path, image string) error {
	library, err := vixdisklib.Init(vixdisklib.Options{})
	if err != nil {
		return err
	}
	defer library.Close() // closes what is open
	connection, err := library.Connect(vixdisklib.ConnectParams{ReadOnly: true})
	if err != nil {
		return err
	}
	disk, err := connection.Open(path, vixdisklib.OpenOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(image, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(disk.Size()); err != nil {
		return err
	}
	if err := disk.WalkAllocatedBlocks(0, disk.Capacity(), 0, func(block vixdisklib.Block) error {
		return copyBlock(ctx, disk, block, file)
	}); err != nil {
		return err
	}
	return file.Close()
}

// piece is a read under way and where it began.
type piece struct {
	request *vixdisklib.Request
	sector  uint64
}

func copyBlock(ctx context.Context, disk *vixdisklib.Disk, block vixdisklib.Block, file *os.File) error {
	var pieces []piece
	next, end := block.Offset, block.Offset+block.Length
	for next < end || len(pieces) > 0 {
		for next < end && len(pieces) < depth {
			count := step
			if end-next < step {
				count = int(end - next)
			}
			pieces = append(pieces, piece{disk.ReadAsync(next, count), next})
			next += uint64(count)
		}
		data, err := pieces[0].request.Wait(ctx)
		if err != nil {
			return err
		}
		if _, err := file.WriteAt(data, int64(pieces[0].sector*vixdisklib.SectorSize)); err != nil {
			return err
		}
		pieces = pieces[1:]
	}
	return nil
}
