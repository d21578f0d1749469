package vixdisklib

// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// SectorSize is the number of bytes in a sector.
const SectorSize = C.VIXDISKLIB_SECTOR_SIZE

// Compression is what the transport nbdssl does to the data; others ignore it.
type Compression uint32

// The compressions.
const (
	NoCompression Compression = 0
	Zlib          Compression = C.VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB
	FastLZ        Compression = C.VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ
	SkipZ         Compression = C.VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ
)

// OpenOptions are how a disk is opened.
type OpenOptions struct {
	// ReadOnly allows no writes. Without it other processes cannot open the disk for writing.
	ReadOnly bool
	// Unbuffered lets large transfers go past the host's cache.
	Unbuffered bool
	// SingleLink opens one link of a chain, not its parents.
	SingleLink bool
	// Compression is that on the wire.
	Compression Compression
}

func (o OpenOptions) flags() C.uint32_t {
	flags := C.uint32_t(o.Compression)
	if o.ReadOnly {
		flags |= C.VIXDISKLIB_FLAG_OPEN_READ_ONLY
	}
	if o.Unbuffered {
		flags |= C.VIXDISKLIB_FLAG_OPEN_UNBUFFERED
	}
	if o.SingleLink {
		flags |= C.VIXDISKLIB_FLAG_OPEN_SINGLE_LINK
	}
	return flags
}

// Disk is an open disk, from Connection.Open to Close. It is an io.ReaderAt, an io.WriterAt and an io.Closer.
type Disk struct {
	connection *Connection
	number     C.uintptr_t
	capacity   uint64
	ended      atomic.Bool
	// Held while a part of a sector is written, which reads and writes the whole of it.
	part sync.Mutex
}

// Open opens a disk: the path of its descriptor, or of the only file of a monolithic disk.
func (c *Connection) Open(path string, options OpenOptions) (*Disk, error) {
	disk := &Disk{connection: c}
	if err := c.use(func(texts []*C.char) C.VixError {
		return C.shim_open(c.number, texts[0], options.flags(), &disk.number)
	}, path); err != nil {
		return nil, err
	}
	info, err := disk.Info()
	if err != nil {
		_ = disk.Close()
		return nil, err
	}
	disk.capacity = info.Capacity
	if err := c.add(disk); err != nil {
		_ = disk.Close()
		return nil, err
	}
	return disk, nil
}

// Close waits for asynchronous requests, makes everything that was written durable, and closes the disk. A second call
// does nothing.
func (d *Disk) Close() error {
	if d.ended.Swap(true) {
		return nil
	}
	d.connection.remove(d)
	return call(func() C.VixError { return C.shim_close(d.number) })
}

// use makes a call of C with the disk, while that is open.
func (d *Disk) use(function func() C.VixError) error {
	if d.ended.Load() {
		return fmt.Errorf("disk: %w", os.ErrClosed)
	}
	return call(function)
}

func (d *Disk) useWithProgress(
	progress ProgressFunc, function func(texts []*C.char, told C.uintptr_t) C.VixError, texts ...string,
) error {
	if d.ended.Load() {
		return fmt.Errorf("disk: %w", os.ErrClosed)
	}
	return d.connection.useWithProgress(progress, function, texts...)
}

// Geometry are cylinders, heads of a cylinder and sectors of a track; all 0 when the disk does not name them.
type Geometry struct {
	Cylinders, Heads, Sectors uint32
}

// Info is what an open disk tells of itself.
type Info struct {
	// Capacity is in sectors of 512 bytes.
	Capacity uint64
	// BIOS is the geometry of the BIOS.
	BIOS Geometry
	// Physical is the physical geometry.
	Physical Geometry
	// Adapter is the adapter.
	Adapter AdapterType
	// Links is the number of links of the chain that is open; 1 for a base disk.
	Links int
	// ParentHint is the name of the parent as the disk has it, not resolved; "" when there is none.
	ParentHint string
	// UUID is the identity of the disk; "" when it has none.
	UUID string
	// LogicalSectorSize is in bytes.
	LogicalSectorSize int
	// PhysicalSectorSize is in bytes.
	PhysicalSectorSize int
}

// Info asks the disk what it is.
func (d *Disk) Info() (Info, error) {
	var info *C.VixDiskLibInfo
	if err := d.use(func() C.VixError { return C.shim_info(d.number, &info) }); err != nil {
		return Info{}, err
	}
	defer C.VixDiskLib_FreeInfo(info)
	return Info{
		Capacity:           uint64(info.capacity),
		BIOS:               geometry(info.biosGeo),
		Physical:           geometry(info.physGeo),
		Adapter:            AdapterType(info.adapterType),
		Links:              int(info.numLinks),
		ParentHint:         C.GoString(info.parentFileNameHint),
		UUID:               C.GoString(info.uuid),
		LogicalSectorSize:  int(info.logicalSectorSize),
		PhysicalSectorSize: int(info.physicalSectorSize),
	}, nil
}

func geometry(geometry C.VixDiskLibGeometry) Geometry {
	return Geometry{uint32(geometry.cylinders), uint32(geometry.heads), uint32(geometry.sectors)}
}

// Capacity is the number of sectors.
func (d *Disk) Capacity() uint64 {
	return d.capacity
}

// Size is the number of bytes.
func (d *Disk) Size() int64 {
	return int64(d.capacity * SectorSize)
}

// TransportMode tells how the sectors are reached, such as file or nbdssl; "" when the disk is closed.
func (d *Disk) TransportMode() string {
	if d.ended.Load() {
		return ""
	}
	return C.GoString(C.shim_transport_mode(d.number))
}

// Flush makes everything durable that was written so far. Asynchronous writes count once they have ended.
func (d *Disk) Flush() error {
	return d.use(func() C.VixError { return C.shim_flush(d.number) })
}

// CreateChild makes a child, a sparse link (MonolithicSparse or SplitSparse, 0 for the former) that shows this disk
// until it is written itself. This disk must not be written any more as long as the child is to be used.
func (d *Disk) CreateChild(path string, kind DiskType, progress ProgressFunc) error {
	if kind == 0 {
		kind = MonolithicSparse
	}
	return d.useWithProgress(progress, func(texts []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_create_child(d.number, texts[0], C.int(kind), told)
	}, path)
}

// CheckAttach returns the error that Attach would; it changes nothing.
func (d *Disk) CheckAttach(child *Disk) error {
	if d.ended.Load() {
		return fmt.Errorf("disk: %w", os.ErrClosed)
	}
	return child.use(func() C.VixError { return C.shim_check_attach(d.number, child.number) })
}

// Attach puts a child, opened as a single link, on top of this disk: from then on the child is the whole chain, and
// this one can only be closed. After an error both are as they were.
func (d *Disk) Attach(child *Disk) error {
	if d.ended.Load() {
		return fmt.Errorf("disk: %w", os.ErrClosed)
	}
	return child.use(func() C.VixError { return C.shim_attach(d.number, child.number) })
}

// Shrink gives the space of zeros back to the file system. Flat disks have nothing to give back.
func (d *Disk) Shrink(progress ProgressFunc) error {
	return d.useWithProgress(progress, func(_ []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_shrink(d.number, told)
	})
}

// Defragment puts the grains of a sparse disk into the order of the disk.
func (d *Disk) Defragment(progress ProgressFunc) error {
	return d.useWithProgress(progress, func(_ []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_defragment(d.number, told)
	})
}

// SpaceForClone tells the bytes that a clone takes as that kind, UnknownDisk for the kind the disk has. The whole disk
// is read.
func (d *Disk) SpaceForClone(kind DiskType) (uint64, error) {
	var bytes C.uint64_t
	err := d.use(func() C.VixError { return C.shim_space_for_clone(d.number, C.int(kind), &bytes) })
	return uint64(bytes), err
}
