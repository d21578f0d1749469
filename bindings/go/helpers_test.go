package vixdisklib

import (
	"encoding/binary"
	"os"
	"testing"
)

// small is the capacity of most disks, in sectors.
const small = 20000

// start starts the library for a test, in a folder of its own.
func start(t *testing.T) *Library {
	t.Helper()
	enter(t)
	library, err := Init(Options{})
	require(t, err)
	t.Cleanup(func() { require(t, library.Close()) })
	return library
}

// enter makes a new folder the current one, for the time of a test.
func enter(t *testing.T) {
	t.Helper()
	before, err := os.Getwd()
	require(t, err)
	require(t, os.Chdir(t.TempDir()))
	t.Cleanup(func() { require(t, os.Chdir(before)) })
}

func local(t *testing.T) *Connection {
	t.Helper()
	connection, err := start(t).Connect(ConnectParams{})
	require(t, err)
	return connection
}

// newDisk makes a disk, open for writing.
func newDisk(t *testing.T, connection *Connection, path string, capacity uint64) *Disk {
	t.Helper()
	require(t, connection.Create(path, CreateParams{Capacity: capacity}, nil))
	return openDisk(t, connection, path, OpenOptions{})
}

func openDisk(t *testing.T, connection *Connection, path string, options OpenOptions) *Disk {
	t.Helper()
	disk, err := connection.Open(path, options)
	require(t, err)
	return disk
}

func smallDisk(t *testing.T) *Disk {
	t.Helper()
	return newDisk(t, local(t), "disk.vmdk", small)
}

// pattern are bytes that tell their place: no two sectors are the same.
func pattern(sector, count int) []byte {
	data := make([]byte, count*SectorSize)
	for word := 0; word < len(data)/8; word++ {
		value := uint64(sector*SectorSize/8+word+1) * 0x9E3779B97F4A7C15
		binary.LittleEndian.PutUint64(data[word*8:], value)
	}
	return data
}

func require(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, holds bool, message string, arguments ...any) {
	t.Helper()
	if !holds {
		t.Errorf(message, arguments...)
	}
}
