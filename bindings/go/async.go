package vixdisklib

// #include "shim.h"
import "C"

import (
	"context"
	"fmt"
	"os"
	"runtime/cgo"
	"unsafe"
)

// Request is an asynchronous read or write under way. Nothing stops the library from ending it, so it has memory of
// its own, outside of Go's, which goes when it ends.
type Request struct {
	done   chan struct{}
	memory unsafe.Pointer
	length int
	isRead bool
	data   []byte
	err    error
}

// ReadAsync starts to read sectors from a sector on.
func (d *Disk) ReadAsync(sector uint64, count int) *Request {
	request := &Request{done: make(chan struct{}), isRead: true}
	if count < 0 || sector > d.capacity || uint64(count) > d.capacity-sector {
		// Refused before memory is taken for it.
		text := fmt.Sprintf("%d sectors from sector %d on leave the disk, which has %d", count, sector, d.capacity)
		return request.refuse(&Error{Code: ErrDiskOutofrange, Text: text})
	}
	return request.start(d, count*SectorSize, nil, func(memory unsafe.Pointer, handle C.uintptr_t) C.VixError {
		return C.shim_read_async(d.number, C.uint64_t(sector), C.uint64_t(count), memory, handle)
	})
}

// WriteAsync starts to write p, whole sectors, from a sector on. It copies p, which may be used again at once.
func (d *Disk) WriteAsync(p []byte, sector uint64) *Request {
	request := &Request{done: make(chan struct{})}
	count, err := sectorsOf(p)
	if err != nil {
		return request.refuse(err)
	}
	return request.start(d, len(p), p, func(memory unsafe.Pointer, handle C.uintptr_t) C.VixError {
		return C.shim_write_async(d.number, C.uint64_t(sector), count, memory, handle)
	})
}

// Done is closed when the request has ended.
func (r *Request) Done() <-chan struct{} {
	return r.done
}

// Wait waits until the request has ended or the context is done, and returns the data of a read. A request that was
// not waited for to its end goes on by itself, and can be waited for again.
func (r *Request) Wait(ctx context.Context) ([]byte, error) {
	select {
	case <-r.done:
		return r.data, r.err
	default:
	}
	select {
	case <-r.done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// WaitAll waits until every asynchronous request of the disk has ended.
func (d *Disk) WaitAll() error {
	return d.use(func() C.VixError { return C.shim_wait(d.number) })
}

func (r *Request) refuse(err error) *Request {
	r.err = err
	close(r.done)
	return r
}

// start takes memory with the data of a write, and makes the call of C.
func (r *Request) start(
	d *Disk, length int, data []byte, function func(memory unsafe.Pointer, handle C.uintptr_t) C.VixError,
) *Request {
	if d.ended.Load() {
		return r.refuse(fmt.Errorf("disk: %w", os.ErrClosed))
	}
	// C.malloc never returns nil; a length of 0 wants memory too.
	r.memory, r.length = C.malloc(C.size_t(length+1)), length
	copy(unsafe.Slice((*byte)(r.memory), length), data)
	handle := cgo.NewHandle(r)
	if err := call(func() C.VixError {
		result := function(r.memory, C.uintptr_t(handle))
		if result == C.VIX_ASYNC {
			return C.VIX_OK
		}
		return result
	}); err != nil {
		// The completion function never runs.
		handle.Delete()
		r.end(err)
	}
	return r
}

func (r *Request) end(err error) {
	if err == nil && r.isRead {
		r.data = append([]byte(nil), unsafe.Slice((*byte)(r.memory), r.length)...)
	}
	C.free(r.memory)
	r.memory, r.err = nil, err
	close(r.done)
}

//export goCompleted
func goCompleted(handle C.uintptr_t, result C.VixError, text *C.char) {
	request := cgo.Handle(handle).Value().(*Request)
	cgo.Handle(handle).Delete()
	if result == C.VIX_OK {
		request.end(nil)
		return
	}
	request.end(newError(result, C.GoString(text)))
}
