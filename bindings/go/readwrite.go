package vixdisklib

// #include "shim.h"
import "C"

import (
	"fmt"
	"io"
	"unsafe"
)

// ReadSectors fills p, whole sectors, from a sector on.
func (d *Disk) ReadSectors(p []byte, sector uint64) error {
	count, err := sectorsOf(p)
	if err != nil || count == 0 {
		return err
	}
	// C has the memory for the time of the call.
	return d.use(func() C.VixError {
		return C.shim_read(d.number, C.uint64_t(sector), count, unsafe.Pointer(&p[0]))
	})
}

// WriteSectors writes p, whole sectors, from a sector on. They are durable after Flush or Close.
func (d *Disk) WriteSectors(p []byte, sector uint64) error {
	count, err := sectorsOf(p)
	if err != nil || count == 0 {
		return err
	}
	return d.use(func() C.VixError {
		return C.shim_write(d.number, C.uint64_t(sector), count, unsafe.Pointer(&p[0]))
	})
}

func sectorsOf(p []byte) (C.uint64_t, error) {
	if len(p)%SectorSize != 0 {
		return 0, fmt.Errorf("%d bytes are not a whole number of sectors", len(p))
	}
	return C.uint64_t(len(p) / SectorSize), nil
}

// ReadAt reads bytes from any place, as io.ReaderAt: fewer than asked for come with an error, io.EOF at the end of the
// disk. Whole sectors go straight into p.
func (d *Disk) ReadAt(p []byte, place int64) (int, error) {
	return d.eachPart(p, place, io.EOF, d.ReadSectors, func(part []byte, sector uint64, skip int) error {
		var whole [SectorSize]byte
		err := d.ReadSectors(whole[:], sector)
		copy(part, whole[skip:])
		return err
	})
}

// WriteAt writes bytes to any place, as io.WriterAt: fewer than given come with an error, io.ErrShortWrite at the end
// of the disk. The rest of a sector that is written in part stays as it is.
func (d *Disk) WriteAt(p []byte, place int64) (int, error) {
	return d.eachPart(p, place, io.ErrShortWrite, d.WriteSectors, func(part []byte, sector uint64, skip int) error {
		d.part.Lock()
		defer d.part.Unlock()
		var whole [SectorSize]byte
		if err := d.ReadSectors(whole[:], sector); err != nil {
			return err
		}
		copy(whole[skip:], part)
		return d.WriteSectors(whole[:], sector)
	})
}

// eachPart cuts what is within the disk into whole sectors in the middle and parts of sectors at the ends. It returns
// how many bytes were done, and atEnd when the disk ends before p.
func (d *Disk) eachPart(
	p []byte, place int64, atEnd error,
	whole func(sectors []byte, sector uint64) error,
	part func(bytes []byte, sector uint64, skip int) error,
) (int, error) {
	if place < 0 {
		return 0, fmt.Errorf("place %d is before the start of the disk", place)
	}
	length := len(p)
	if place > d.Size() {
		length = 0
	} else if rest := d.Size() - place; int64(length) > rest {
		length = int(rest)
	}
	for done := 0; done < length; {
		sector, skip := uint64(place+int64(done))/SectorSize, int(uint64(place+int64(done))%SectorSize)
		size := (length - done) / SectorSize * SectorSize
		var err error
		if skip == 0 && size > 0 {
			err = whole(p[done:done+size], sector)
		} else {
			size = SectorSize - skip
			if size > length-done {
				size = length - done
			}
			err = part(p[done:done+size], sector, skip)
		}
		if err != nil {
			return done, err
		}
		done += size
	}
	if length < len(p) {
		return length, atEnd
	}
	return length, nil
}
