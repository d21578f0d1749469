// Command linked calls the library as a Go client with cgo of its own does: linked by name, with the header's names,
// "" for everything that is absent, parameters of its own for each call that are never freed, and the end of a disk
// found by an error. It runs in an empty folder; CGO_CFLAGS and CGO_LDFLAGS say where the library is.
package main

// #cgo LDFLAGS: -lvixDiskLib
// #include "linked.h"
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"unsafe"
)

const capacity = 20000

func must(what string, code C.VixError) {
	if code != C.VIX_OK {
		fmt.Fprintf(os.Stderr, "%s: error %d\n", what, uint64(code))
		os.Exit(1)
	}
}

func want(what string, code, wanted C.VixError) {
	if code != wanted {
		fmt.Fprintf(os.Stderr, "%s: error %d, not %d\n", what, uint64(code), uint64(wanted))
		os.Exit(1)
	}
}

func params() *C.VixDiskLibConnectParams {
	text := func() *C.char { return C.CString("") }
	return C.params_of(text(), text(), text(), text(), text(), text(), text(), text())
}

func main() {
	folder := C.CString("/usr/local/vmware-vix-disklib-distrib")
	must("Init", C.VixDiskLib_Init(7, 0, nil, nil, nil, folder))
	must("InitEx", C.VixDiskLib_InitEx(7, 0, nil, nil, nil, folder, C.CString("/dev/null")))
	identity := C.CString("astrolabe")
	must("PrepareForAccess", C.VixDiskLib_PrepareForAccess(params(), identity))
	reader := C.connect_with(params(), 1, C.CString(""), C.CString(""))
	must("ConnectEx", reader.error)
	writer := C.connect_with(params(), 0, C.CString(""), C.CString(""))
	must("Connect", writer.error)
	fmt.Println("modes", C.GoString(C.VixDiskLib_ListTransportModes()))

	wholeDisk(writer.connection)
	readAndWrite(reader.connection, writer.connection)
	metadataAndBlocks(writer.connection)
	chains(writer.connection)

	var cleaned, remaining C.uint32
	must("Disconnect", C.VixDiskLib_Disconnect(reader.connection))
	must("Disconnect", C.VixDiskLib_Disconnect(writer.connection))
	must("EndAccess", C.VixDiskLib_EndAccess(params(), identity))
	must("Cleanup", C.VixDiskLib_Cleanup(params(), &cleaned, &remaining))
	C.VixDiskLib_Exit()
	C.VixDiskLib_Exit()
	fmt.Println("done")
}

func wholeDisk(connection C.VixDiskLibConnection) {
	var percent C.int
	must("Create", C.create_with(connection, C.CString("disk.vmdk"), capacity/2, &percent))
	must("Grow", C.grow_with(connection, C.CString("disk.vmdk"), capacity, &percent))
	must("CheckRepair", C.VixDiskLib_CheckRepair(connection, C.CString("disk.vmdk"), 0))
	must("Clone", C.clone_with(connection, C.CString("disk.vmdk"), C.CString("clone.vmdk"), &percent))
	must("Rename", C.VixDiskLib_Rename(C.CString("clone.vmdk"), C.CString("renamed.vmdk")))
	must("Unlink", C.VixDiskLib_Unlink(connection, C.CString("renamed.vmdk")))
	if percent != 100 {
		must("progress", C.VixError(percent))
	}
}

// readAndWrite does so from many goroutines, which move between threads as they like.
func readAndWrite(reader, writer C.VixDiskLibConnection) {
	out := C.open_with(writer, C.CString("disk.vmdk"), C.VIXDISKLIB_FLAG_OPEN_UNBUFFERED)
	must("Open", out.error)
	data := bytes.Repeat([]byte{7}, 100*C.VIXDISKLIB_SECTOR_SIZE)
	for sector := C.VixDiskLibSectorType(0); sector < 3200; sector += 100 {
		must("Write", C.VixDiskLib_Write(out.disk, sector, 100, (*C.uint8)(unsafe.Pointer(&data[0]))))
	}
	var percent C.int
	must("Shrink and Defragment", C.tidy_with(out.disk, &percent))
	must("Close", C.VixDiskLib_Close(out.disk))

	in := C.open_with(reader, C.CString("disk.vmdk"),
		C.VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ|C.VIXDISKLIB_FLAG_OPEN_READ_ONLY)
	must("Open", in.error)
	fmt.Println("mode", C.GoString(C.VixDiskLib_GetTransportMode(in.disk)))
	var group sync.WaitGroup
	for index := 0; index < 32; index++ {
		sector := C.VixDiskLibSectorType(index * 100)
		group.Add(1)
		go func() {
			defer group.Done()
			buffer := make([]byte, len(data))
			must("Read", C.VixDiskLib_Read(in.disk, sector, 100, (*C.uint8)(unsafe.Pointer(&buffer[0]))))
			if !bytes.Equal(buffer, data) {
				must("data", 1)
			}
		}()
	}
	group.Wait()
	sector := make([]byte, C.VIXDISKLIB_SECTOR_SIZE)
	end := C.VixDiskLib_Read(in.disk, capacity, 1, (*C.uint8)(unsafe.Pointer(&sector[0])))
	want("the end of the disk", end, C.VIX_E_DISK_OUTOFRANGE)
	must("Close", C.VixDiskLib_Close(in.disk))
}

func metadataAndBlocks(connection C.VixDiskLibConnection) {
	opened := C.open_with(connection, C.CString("disk.vmdk"), 0)
	must("Open", opened.error)
	var info *C.VixDiskLibInfo
	must("GetInfo", C.VixDiskLib_GetInfo(opened.disk, &info))
	fmt.Println("capacity", info.capacity)
	C.VixDiskLib_FreeInfo(info)

	var needed C.size_t
	want("GetMetadataKeys", C.VixDiskLib_GetMetadataKeys(opened.disk, nil, 0, &needed), C.VIX_E_BUFFER_TOOSMALL)
	names := (*C.char)(C.malloc(needed))
	must("GetMetadataKeys", C.VixDiskLib_GetMetadataKeys(opened.disk, names, needed, nil))
	fmt.Println("first name", C.GoString(names))
	must("WriteMetadata", C.VixDiskLib_WriteMetadata(opened.disk, C.CString("comment"), C.CString("x")))
	value := (*C.char)(C.malloc(16))
	must("ReadMetadata", C.VixDiskLib_ReadMetadata(opened.disk, C.CString("comment"), value, 16, nil))

	var list *C.VixDiskLibBlockList
	chunks := C.VixDiskLibSectorType(C.VIXDISKLIB_MIN_CHUNK_SIZE)
	if chunks > C.VIXDISKLIB_MAX_CHUNK_SIZE || capacity/chunks > C.VIXDISKLIB_MAX_CHUNK_NUMBER {
		must("limits", 1)
	}
	must("QueryAllocatedBlocks", C.VixDiskLib_QueryAllocatedBlocks(opened.disk, 0, capacity/chunks*chunks, chunks, &list))
	for _, block := range unsafe.Slice(&list.blocks[0], list.numBlocks) {
		fmt.Println("block", block.offset, block.length)
	}
	must("FreeBlockList", C.VixDiskLib_FreeBlockList(list))
	var space C.uint64
	must("SpaceNeededForClone", C.VixDiskLib_SpaceNeededForClone(opened.disk, C.VIXDISKLIB_DISK_UNKNOWN, &space))
	must("Close", C.VixDiskLib_Close(opened.disk))
}

func chains(connection C.VixDiskLibConnection) {
	parent := C.open_with(connection, C.CString("disk.vmdk"), C.VIXDISKLIB_FLAG_OPEN_READ_ONLY)
	must("Open", parent.error)
	must("CreateChild", C.child_with(parent.disk, C.CString("child.vmdk")))
	child := C.open_with(connection, C.CString("child.vmdk"), C.VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
	must("Open", child.error)
	must("Attach", C.VixDiskLib_Attach(parent.disk, child.disk))
	must("Close", C.VixDiskLib_Close(child.disk))
	must("Close", C.VixDiskLib_Close(parent.disk))
	unknown := C.open_with(connection, C.CString("disk.vmdk"), C.ALL_FLAGS)
	must("Open with every flag", unknown.error)
	must("Close", C.VixDiskLib_Close(unknown.disk))
}
