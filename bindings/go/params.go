package vixdisklib

// #include "shim.h"
import "C"

import (
	"fmt"
	"strings"
)

// ConnectParams are how to reach a server, or, without one, the local host. Formatting them shows no secrets.
type ConnectParams struct {
	// Server is the name or address of a vCenter or an ESXi host; "" for disks that are local files.
	Server string
	// User is the user, with Cookie that of the session.
	User string
	// Password is the password, with Cookie the key of the session.
	Password string
	// Cookie is that of a session that exists, in place of logging in.
	Cookie string
	// Thumbprint is that of the server's certificate, pairs of hexadecimal digits with colons between.
	Thumbprint string
	// VM is a virtual machine, by its reference (vm-123 or moref=vm-123) or by the path of its .vmx file
	// (vm/vm.vmx?dcPath=dc&dsName=ds).
	VM string
	// Disk is a first-class disk, in place of a virtual machine.
	Disk *FirstClassDisk
	// Datastore is a folder of a datastore, in place of a virtual machine.
	Datastore *DatastoreFolder
	// Port is the TCP port of the server, 0 for 443.
	Port uint16
	// NFCPort is the TCP port of the disk service, 0 for 902.
	NFCPort uint16
	// Snapshot is the reference of a snapshot of the virtual machine, such as snapshot-12.
	Snapshot string
	// TransportModes are the modes to try, in their order; none for all, best first.
	TransportModes []string
	// ReadOnly opens every disk of the connection read-only.
	ReadOnly bool
}

// FirstClassDisk is a disk of vSphere that belongs to no virtual machine.
type FirstClassDisk struct {
	// ID is the id of the disk.
	ID string
	// Datastore is the reference of its datastore, such as datastore-12.
	Datastore string
	// Snapshot is the id of a snapshot of the disk, or "".
	Snapshot string
}

// DatastoreFolder is a folder of a datastore.
type DatastoreFolder struct {
	// Datastore is the reference of the datastore, such as datastore-12.
	Datastore string
	// Folder is the folder.
	Folder string
}

// String leaves out password and cookie.
func (p ConnectParams) String() string {
	return fmt.Sprintf("{server %q, user %q, machine %q, snapshot %q, modes %q}",
		p.Server, p.User, machine(p.VM), p.Snapshot, strings.Join(p.TransportModes, ":"))
}

// GoString leaves out password and cookie.
func (p ConnectParams) GoString() string {
	return "vixdisklib.ConnectParams" + p.String()
}

// machine gives a bare reference of a virtual machine its prefix.
func machine(vm string) string {
	if vm == "" || strings.ContainsAny(vm, "=/") {
		return vm
	}
	return "moref=" + vm
}

// with makes a call of C with the parameters; NULL for the local host. The library copies what it needs.
func (p *ConnectParams) with(
	strs *cStrings, function func(params *C.VixDiskLibConnectParams) C.VixError,
) error {
	if p.Server == "" {
		if strs.err != nil {
			return strs.err
		}
		return call(func() C.VixError { return function(nil) })
	}
	// Only structs of the library's own are read to their end. Freeing it leaves the strings, which are ours.
	params := C.VixDiskLib_AllocateConnectParams()
	if params == nil {
		return newError(C.VIX_E_OUT_OF_MEMORY, "no memory for connection parameters")
	}
	defer C.VixDiskLib_FreeConnectParams(params)
	p.fill(params, strs)
	if strs.err != nil {
		return strs.err
	}
	return call(func() C.VixError { return function(params) })
}

func (p *ConnectParams) fill(params *C.VixDiskLibConnectParams, strs *cStrings) {
	params.vmxSpec = strs.optional(machine(p.VM))
	params.serverName = strs.required(p.Server)
	params.thumbPrint = strs.optional(p.Thumbprint)
	params.port = C.uint32_t(p.Port)
	params.nfcHostPort = C.uint32_t(p.NFCPort)
	user, password := strs.required(p.User), strs.required(p.Password)
	if p.Cookie != "" {
		C.shim_set_session(params, strs.required(p.Cookie), user, password)
	} else {
		C.shim_set_user(params, user, password)
	}
	switch {
	case p.Disk != nil:
		C.shim_set_disk(params, strs.required(p.Disk.ID), strs.required(p.Disk.Datastore),
			strs.optional(p.Disk.Snapshot))
	case p.Datastore != nil:
		C.shim_set_folder(params, strs.required(p.Datastore.Datastore), strs.required(p.Datastore.Folder))
	}
}

// PrepareForAccess announces a backup to vCenter, so that the virtual machine is not moved; before its snapshot is
// made. The identity, who announces, has at most 50 bytes.
func (l *Library) PrepareForAccess(params ConnectParams, identity string) error {
	var strs cStrings
	defer strs.free()
	name := strs.required(identity)
	return params.with(&strs, func(params *C.VixDiskLibConnectParams) C.VixError {
		return C.VixDiskLib_PrepareForAccess(params, name)
	})
}

// EndAccess takes back what PrepareForAccess announced, with the same arguments.
func (l *Library) EndAccess(params ConnectParams, identity string) error {
	var strs cStrings
	defer strs.free()
	name := strs.required(identity)
	return params.with(&strs, func(params *C.VixDiskLibConnectParams) C.VixError {
		return C.VixDiskLib_EndAccess(params, name)
	})
}

// Cleanup removes what a client that died left behind, and tells how much was removed and how much remains.
func (l *Library) Cleanup(params ConnectParams) (cleaned, remaining int, err error) {
	var strs cStrings
	defer strs.free()
	var done, left C.uint32_t
	err = params.with(&strs, func(params *C.VixDiskLibConnectParams) C.VixError {
		return C.VixDiskLib_Cleanup(params, &done, &left)
	})
	return int(done), int(left), err
}
