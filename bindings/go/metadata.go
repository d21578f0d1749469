package vixdisklib

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// MetadataKeys lists the names of the disk's metadata, such as adapterType and uuid.
func (d *Disk) MetadataKeys() ([]string, error) {
	names, err := d.ask(nil)
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(names, func(character rune) bool { return character == 0 }), nil
}

// ReadMetadata returns the value of a name; ErrDiskKeyNotfound when there is none.
func (d *Disk) ReadMetadata(name string) (string, error) {
	var strs cStrings
	defer strs.free()
	key := strs.required(name)
	if strs.err != nil {
		return "", strs.err
	}
	value, err := d.ask(key)
	return strings.TrimRight(value, "\x00"), err
}

// Metadata returns all names with their values.
func (d *Disk) Metadata() (map[string]string, error) {
	names, err := d.MetadataKeys()
	if err != nil {
		return nil, err
	}
	metadata := make(map[string]string, len(names))
	for _, name := range names {
		if metadata[name], err = d.ReadMetadata(name); err != nil {
			return nil, fmt.Errorf("metadata %q: %w", name, err)
		}
	}
	return metadata, nil
}

// WriteMetadata adds a name or replaces its value; it is durable at once. A name cannot be removed, "" empties it.
func (d *Disk) WriteMetadata(name, value string) error {
	var strs cStrings
	defer strs.free()
	key, text := strs.required(name), strs.required(value)
	if strs.err != nil {
		return strs.err
	}
	return d.use(func() C.VixError { return C.shim_write_metadata(d.number, key, text) })
}

// ask returns the answer of a call that wants to know the size of the buffer: a value, or the names for no key.
func (d *Disk) ask(key *C.char) (string, error) {
	for size := C.size_t(256); ; {
		buffer := make([]byte, size)
		var needed C.size_t
		err := d.use(func() C.VixError {
			return C.shim_read_metadata(d.number, key, (*C.char)(unsafe.Pointer(&buffer[0])), size, &needed)
		})
		if errors.Is(err, ErrBufferToosmall) && needed > size {
			size = needed
			continue
		}
		if err != nil {
			return "", err
		}
		return string(buffer[:needed]), nil
	}
}
