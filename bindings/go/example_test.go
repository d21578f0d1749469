package vixdisklib_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"vixdisklib"
)

// local starts the library and connects to local disks, with a folder for them.
func local() (connection *vixdisklib.Connection, folder string, end func()) {
	library, err := vixdisklib.Init(vixdisklib.Options{})
	if err != nil {
		log.Fatal(err)
	}
	connection, err = library.Connect(vixdisklib.ConnectParams{})
	if err != nil {
		log.Fatal(err)
	}
	folder, err = os.MkdirTemp("", "vixdisklib-")
	if err != nil {
		log.Fatal(err)
	}
	return connection, folder, func() {
		library.Close()
		os.RemoveAll(folder)
	}
}

func Example() {
	library, err := vixdisklib.Init(vixdisklib.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer library.Close() // closes what is open
	connection, err := library.Connect(vixdisklib.ConnectParams{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	_, err = connection.Open("missing.vmdk", vixdisklib.OpenOptions{ReadOnly: true})
	fmt.Println(errors.Is(err, vixdisklib.ErrFileNotFound))
	// Output: true
}

func ExampleDisk_ReadAt() {
	connection, folder, end := local()
	defer end()
	path := filepath.Join(folder, "disk.vmdk")
	if err := connection.Create(path, vixdisklib.CreateParams{Capacity: 2048}, nil); err != nil {
		log.Fatal(err)
	}
	disk, err := connection.Open(path, vixdisklib.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := disk.WriteAt([]byte("any bytes"), 1000); err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(disk, 1004, 5))
	fmt.Println(string(text), err)
	// Output: bytes <nil>
}

func ExampleDisk_AllocatedBlocks() {
	connection, folder, end := local()
	defer end()
	path := filepath.Join(folder, "disk.vmdk")
	if err := connection.Create(path, vixdisklib.CreateParams{Capacity: 2048}, nil); err != nil {
		log.Fatal(err)
	}
	disk, err := connection.Open(path, vixdisklib.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := disk.WriteAt([]byte("x"), 500*vixdisklib.SectorSize); err != nil {
		log.Fatal(err)
	}
	blocks, err := disk.AllocatedBlocks(0, disk.Capacity(), vixdisklib.MinChunk)
	fmt.Println(blocks, err)
	// Output: [{384 128}] <nil>
}

func ExampleRequest_Wait() {
	connection, folder, end := local()
	defer end()
	path := filepath.Join(folder, "disk.vmdk")
	if err := connection.Create(path, vixdisklib.CreateParams{Capacity: 2048}, nil); err != nil {
		log.Fatal(err)
	}
	disk, err := connection.Open(path, vixdisklib.OpenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := disk.WriteAsync(make([]byte, 4096), 8).Wait(ctx); err != nil {
		log.Fatal(err)
	}
	data, err := disk.ReadAsync(8, 2).Wait(ctx)
	fmt.Println(len(data), err)
	// Output: 1024 <nil>
}
