//go:build server

package vixdisklib

// Disks of a server: esxi-sim, or a host of one's own. Not among the tests that run by themselves.
//
//	VIXDISKLIB_HOST=... VIXDISKLIB_USER=... VIXDISKLIB_PASSWORD=... VIXDISKLIB_THUMBPRINT=... VIXDISKLIB_VM=... \
//	VIXDISKLIB_DISK='[datastore] vm/vm.vmdk' go test -tags server -run Server
//
// VIXDISKLIB_PORT and VIXDISKLIB_NFC_PORT name other ports than 443 and 902, VIXDISKLIB_SNAPSHOT a snapshot.

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"
)

func port(t *testing.T, name string) uint16 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseUint(text, 10, 16)
	require(t, err)
	return uint16(number)
}

func TestServerGivesTheSameInEveryWay(t *testing.T) {
	connection, err := start(t).Connect(ConnectParams{
		Server:         os.Getenv("VIXDISKLIB_HOST"),
		User:           os.Getenv("VIXDISKLIB_USER"),
		Password:       os.Getenv("VIXDISKLIB_PASSWORD"),
		Thumbprint:     os.Getenv("VIXDISKLIB_THUMBPRINT"),
		VM:             os.Getenv("VIXDISKLIB_VM"),
		Snapshot:       os.Getenv("VIXDISKLIB_SNAPSHOT"),
		Port:           port(t, "VIXDISKLIB_PORT"),
		NFCPort:        port(t, "VIXDISKLIB_NFC_PORT"),
		TransportModes: []string{"nbdssl", "nbd"},
		ReadOnly:       true,
	})
	require(t, err)
	disk := openDisk(t, connection, os.Getenv("VIXDISKLIB_DISK"), OpenOptions{ReadOnly: true})
	data := make([]byte, 128*SectorSize)
	require(t, disk.ReadSectors(data, 0))
	again, err := disk.ReadAsync(0, 128).Wait(context.Background())
	require(t, err)
	check(t, bytes.Equal(data, again), "asynchronously other data")
	_, err = disk.AllocatedBlocks(0, disk.Capacity(), 0)
	require(t, err)
}
