package vixdisklib

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/cgo"
	"strings"
)

// Connection is a connection, from Library.Connect to Close. Paths are those of local files, or
// "[datastore] folder/disk.vmdk" on a server.
type Connection struct {
	children[*Disk]
	library *Library
	number  C.uintptr_t
}

// Connect makes a connection. A server may show its faults at the first Open only.
func (l *Library) Connect(params ConnectParams) (*Connection, error) {
	var strs cStrings
	defer strs.free()
	connection := &Connection{library: l}
	snapshot, modes := strs.optional(params.Snapshot), strs.optional(strings.Join(params.TransportModes, ":"))
	if l.closed() {
		return nil, fmt.Errorf("library: %w", os.ErrClosed)
	}
	if err := params.with(&strs, func(struc *C.VixDiskLibConnectParams) C.VixError {
		return C.shim_connect(struc, cBool(params.ReadOnly), snapshot, modes, &connection.number)
	}); err != nil {
		return nil, err
	}
	if err := l.add(connection); err != nil {
		_ = connection.Close()
		return nil, err
	}
	return connection, nil
}

// Close ends the connection, with the disks that are still open. A second call does nothing. The error is that of the
// first disk that did not end well; all of them are closed nevertheless.
func (c *Connection) Close() error {
	err := c.closeAll()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	c.library.remove(c)
	return firstOf(err, call(func() C.VixError { return C.shim_disconnect(c.number) }))
}

// use makes a call of C with the connection, while that is open.
func (c *Connection) use(function func(texts []*C.char) C.VixError, texts ...string) error {
	if c.closed() {
		return fmt.Errorf("connection: %w", os.ErrClosed)
	}
	return withStrings(function, texts...)
}

// DiskType is a kind of virtual disk.
type DiskType int

// The kinds.
const (
	MonolithicSparse DiskType = C.VIXDISKLIB_DISK_MONOLITHIC_SPARSE // one growing file
	MonolithicFlat   DiskType = C.VIXDISKLIB_DISK_MONOLITHIC_FLAT   // a descriptor and one file of the full size
	SplitSparse      DiskType = C.VIXDISKLIB_DISK_SPLIT_SPARSE      // growing files of at most 2 GB
	SplitFlat        DiskType = C.VIXDISKLIB_DISK_SPLIT_FLAT        // files of at most 2 GB in full size
	VmfsFlat         DiskType = C.VIXDISKLIB_DISK_VMFS_FLAT         // ESX, all space reserved
	StreamOptimized  DiskType = C.VIXDISKLIB_DISK_STREAM_OPTIMIZED  // compressed, written from front to end
	VmfsThin         DiskType = C.VIXDISKLIB_DISK_VMFS_THIN         // ESX, space taken as it is written
	VmfsSparse       DiskType = C.VIXDISKLIB_DISK_VMFS_SPARSE       // ESX redo log
	UnknownDisk      DiskType = C.VIXDISKLIB_DISK_UNKNOWN           // none of the above
)

// AdapterType is an adapter that a disk can be attached to.
type AdapterType int

// The adapters.
const (
	IDE            AdapterType = C.VIXDISKLIB_ADAPTER_IDE
	BusLogic       AdapterType = C.VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC
	LSILogic       AdapterType = C.VIXDISKLIB_ADAPTER_SCSI_LSILOGIC
	UnknownAdapter AdapterType = C.VIXDISKLIB_ADAPTER_UNKNOWN
)

// CreateParams are what a new disk is to be.
type CreateParams struct {
	// Type is its kind; 0 for MonolithicSparse.
	Type DiskType
	// Adapter decides its geometry; 0 for LSILogic.
	Adapter AdapterType
	// Hardware is its virtual hardware version; 0 for that of ESXi 6.5.
	Hardware uint16
	// Capacity is its capacity in sectors of 512 bytes; that of a clone is its source's.
	Capacity uint64
}

func (p CreateParams) inC() C.VixDiskLibCreateParams {
	if p.Type == 0 {
		p.Type = MonolithicSparse
	}
	if p.Adapter == 0 {
		p.Adapter = LSILogic
	}
	if p.Hardware == 0 {
		p.Hardware = C.VIXDISKLIB_HWVERSION_CURRENT
	}
	return C.VixDiskLibCreateParams{
		diskType:    C.VixDiskLibDiskType(p.Type),
		adapterType: C.VixDiskLibAdapterType(p.Adapter),
		hwVersion:   C.uint16_t(p.Hardware),
		capacity:    C.VixDiskLibSectorType(p.Capacity),
	}
}

// Create makes an empty local disk. Nothing is overwritten, and nothing is left behind by a failure.
func (c *Connection) Create(path string, params CreateParams, progress ProgressFunc) error {
	inC := params.inC()
	return c.useWithProgress(progress, func(texts []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_create(c.number, texts[0], &inC, told)
	}, path)
}

// CloneOptions say more of a clone.
type CloneOptions struct {
	// From is the connection of the source, nil for the one of the clone.
	From *Connection
	// Overwrite replaces a disk that is there, once the copy is whole.
	Overwrite bool
	// Progress is told the per cent that are done, and cancels when it returns false.
	Progress ProgressFunc
}

// Clone copies a disk with all its links into a new one. Zeros take no space where the kind allows it. It ends with
// the error of the context when that is done; what was made is removed then.
func (c *Connection) Clone(
	ctx context.Context, source, target string, params CreateParams, options CloneOptions,
) error {
	from := options.From
	if from == nil {
		from = c
	}
	if from.closed() {
		return fmt.Errorf("connection: %w", os.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	goOn := func(percent int) bool {
		return (options.Progress == nil || options.Progress(percent)) && ctx.Err() == nil
	}
	inC := params.inC()
	err := c.useWithProgress(goOn, func(texts []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_clone(c.number, texts[1], from.number, texts[0], &inC, told, cBool(options.Overwrite))
	}, source, target)
	if errors.Is(err, ErrCancelled) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Grow gives a local disk that nobody has open a larger capacity, in sectors; what is new reads as zeros. With
// updateGeometry the geometry follows.
func (c *Connection) Grow(path string, capacity uint64, updateGeometry bool, progress ProgressFunc) error {
	return c.useWithProgress(progress, func(texts []*C.char, told C.uintptr_t) C.VixError {
		return C.shim_grow(c.number, texts[0], C.uint64_t(capacity), cBool(updateGeometry), told)
	}, path)
}

func (c *Connection) useWithProgress(
	progress ProgressFunc, function func(texts []*C.char, told C.uintptr_t) C.VixError, texts ...string,
) error {
	var strs cStrings
	defer strs.free()
	made := make([]*C.char, len(texts))
	for i, text := range texts {
		made[i] = strs.required(text)
	}
	if strs.err != nil {
		return strs.err
	}
	if c.closed() {
		return fmt.Errorf("connection: %w", os.ErrClosed)
	}
	return withProgress(progress, func(told C.uintptr_t) C.VixError { return function(made, told) })
}

// finding is how a line of the log begins that is about a check.
const finding = "DISKLIB-CHECK : "

// Check checks one link of a local disk, and repairs it if told so. It returns what was found, a line each, the last
// with the counts; they come from the log, so a configuration without its level 3 leaves none.
func (c *Connection) Check(path string, repair bool) ([]string, error) {
	var heard []string
	listener := cgo.NewHandle(&heard)
	defer listener.Delete()
	err := c.use(func(texts []*C.char) C.VixError {
		return C.shim_check_repair(c.number, texts[0], cBool(repair), C.uintptr_t(listener))
	}, path)
	var found []string
	for _, line := range heard {
		if strings.HasPrefix(line, finding) {
			found = append(found, strings.TrimPrefix(line, finding))
		}
	}
	return found, err
}

// Unlink deletes every file of one link. Its parents stay; its children lose theirs.
func (c *Connection) Unlink(path string) error {
	return c.use(func(texts []*C.char) C.VixError { return C.shim_unlink(c.number, texts[0]) }, path)
}
