package vixdisklib

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Options are how the library is started.
type Options struct {
	// Folder is the one above lib64 of VDDK; Vixen needs none.
	Folder string
	// ConfigFile is the path of a configuration file.
	ConfigFile string
	// Log gets what the library logs.
	Log LogFunc
	// Major and Minor are the generation of the interface to ask for; 0 for 8.0.
	Major, Minor uint32
}

// Library is the library, from Init to Close. Starts are counted: the library ends with the last one.
type Library struct {
	children[*Connection]
}

// maxConfig is the length of the longest configuration file that the library reads, in bytes.
const maxConfig = 1 << 20

// ownConfig comes before what a client's file has, so that the file has the last word: a progress function may cancel.
const ownConfig = "vixen.progressCancels = 1\n"

// Init starts the library. The configuration of the first start is in force until the last Close.
func Init(options Options) (*Library, error) {
	major, minor := options.Major, options.Minor
	if major == 0 {
		major, minor = 8, 0
	}
	config, remove, err := configFile(options.ConfigFile)
	if err != nil {
		return nil, err
	}
	defer remove()
	var strs cStrings
	defer strs.free()
	folder, configPath := strs.optional(options.Folder), strs.optional(config)
	if strs.err != nil {
		return nil, strs.err
	}
	library := &Library{}
	setLogger(library, options.Log)
	if err := call(func() C.VixError {
		return C.shim_init(C.uint32_t(major), C.uint32_t(minor), folder, configPath)
	}); err != nil {
		setLogger(library, nil)
		return nil, err
	}
	return library, nil
}

// configFile returns a file with the lines of the client's and our own, and what removes it.
func configFile(path string) (string, func(), error) {
	var given []byte
	if path != "" {
		status, err := os.Stat(path)
		if err != nil || !status.Mode().IsRegular() || status.Size() > maxConfig-int64(len(ownConfig)) {
			return path, func() {}, nil // the library tells what is wrong with it
		}
		if given, err = os.ReadFile(path); err != nil {
			return path, func() {}, nil
		}
	}
	file, err := os.CreateTemp("", "vixdisklib-*.conf")
	if err != nil {
		return "", nil, fmt.Errorf("making a configuration file: %w", err)
	}
	remove := func() { _ = os.Remove(file.Name()) }
	_, err = file.Write(append([]byte(ownConfig), given...))
	if err = firstOf(err, file.Close()); err != nil {
		remove()
		return "", nil, fmt.Errorf("writing a configuration file: %w", err)
	}
	return file.Name(), remove, nil
}

// Close ends the library, with the connections and disks that are still open. A second call does nothing. The error is
// that of the first disk or connection that did not end well; all of them are closed nevertheless.
func (l *Library) Close() error {
	err := l.closeAll()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	C.VixDiskLib_Exit()
	setLogger(l, nil)
	return err
}

// TransportModes returns the transport modes that the library has, best first.
func (l *Library) TransportModes() []string {
	return strings.Split(C.GoString(C.VixDiskLib_ListTransportModes()), ":")
}

// Rename renames every file of a local disk that nobody has open, also across folders. Its children still name the old
// one.
func (l *Library) Rename(source, target string) error {
	if l.closed() {
		return fmt.Errorf("library: %w", os.ErrClosed)
	}
	return withStrings(func(s []*C.char) C.VixError { return C.VixDiskLib_Rename(s[0], s[1]) }, source, target)
}

// closer is what can be open.
type closer interface {
	comparable
	Close() error
}

// children are what was opened through something, for as long as that is open.
type children[T closer] struct {
	mutex sync.Mutex
	open  map[T]struct{}
	ended bool
}

func (c *children[T]) add(child T) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.ended {
		return os.ErrClosed
	}
	if c.open == nil {
		c.open = map[T]struct{}{}
	}
	c.open[child] = struct{}{}
	return nil
}

func (c *children[T]) remove(child T) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.open, child)
}

func (c *children[T]) closed() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.ended
}

// closeAll closes every child, and lets none come any more; os.ErrClosed when that has been done before.
func (c *children[T]) closeAll() error {
	c.mutex.Lock()
	if c.ended {
		c.mutex.Unlock()
		return os.ErrClosed
	}
	c.ended = true
	open := c.open
	c.open = nil
	c.mutex.Unlock()
	var err error
	for child := range open {
		err = firstOf(err, child.Close())
	}
	return err
}

func firstOf(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
