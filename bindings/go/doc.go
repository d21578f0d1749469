// Package vixdisklib works on virtual disks of VMware products, local and on vSphere, through the VixDiskLib library.
//
// A program calls Init, then Library.Connect, then Connection.Open, and closes them in the opposite order; closing one
// closes what was opened through it. A Disk is an io.ReaderAt and io.WriterAt at any byte, and knows its sectors, its
// metadata and which parts of it are allocated. A sector is 512 bytes, also on disks that report larger ones.
//
// Everything may be called by any number of goroutines. Errors of the library are of type *Error; errors.Is compares
// them with the codes:
//
//	if errors.Is(err, vixdisklib.ErrFileNotFound) { ... }
//
// The library is found by pkg-config, under the name vixDiskLib.
package vixdisklib
