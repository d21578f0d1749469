// Serves a vCenter or an ESXi host of govmomi's simulator, for tests of a client that another project did not write.
//
//	vcsim vpx|esx [weak]
//
// One line of JSON on standard output tells where. It ends when standard input does.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Told is what a client needs to know, and what it should find.
type Told struct {
	Port             string
	SHA1, SHA256     string
	User, Password   string
	VM, Name         string
	Path, VMX        string
	Datacenter       string
	UUID             string
	InstanceUUID     string
	Snapshot         string
	DiskKeys         []int32
	DiskFiles        []string
	OtherVM, Version string
}

func tell(ctx context.Context, server *simulator.Server) (*Told, error) {
	client, err := govmomi.NewClient(ctx, server.URL, true)
	if err != nil {
		return nil, err
	}
	defer client.Logout(ctx)
	finder := find.NewFinder(client.Client)
	datacenter, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return nil, err
	}
	machines, err := finder.SetDatacenter(datacenter).VirtualMachineList(ctx, "*")
	if err != nil || len(machines) < 2 {
		return nil, fmt.Errorf("%d machines: %w", len(machines), err)
	}
	machine := machines[0]
	task, err := machine.CreateSnapshot(ctx, "backup", "", false, false)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return nil, err
	}
	var has mo.VirtualMachine
	collector := property.DefaultCollector(client.Client)
	if err := collector.RetrieveOne(ctx, machine.Reference(), []string{"config"}, &has); err != nil {
		return nil, err
	}
	raw := server.Certificate().Raw
	told := &Told{
		Port:         server.URL.Port(),
		SHA1:         fmt.Sprintf("%x", sha1.Sum(raw)),
		SHA256:       fmt.Sprintf("%x", sha256.Sum256(raw)),
		User:         server.URL.User.Username(),
		VM:           machine.Reference().Value,
		Name:         machine.Name(),
		Path:         machine.InventoryPath,
		VMX:          has.Config.Files.VmPathName,
		Datacenter:   datacenter.InventoryPath,
		UUID:         has.Config.Uuid,
		InstanceUUID: has.Config.InstanceUuid,
		Snapshot:     info.Result.(types.ManagedObjectReference).Value,
		OtherVM:      machines[1].Reference().Value,
		Version:      client.ServiceContent.About.FullName,
	}
	told.Password, _ = server.URL.User.Password()
	for _, device := range object.VirtualDeviceList(has.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil)) {
		told.DiskKeys = append(told.DiskKeys, device.GetVirtualDevice().Key)
		backing := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		told.DiskFiles = append(told.DiskFiles, backing.FileName)
	}
	return told, nil
}

// selfSigned makes a certificate. The one that comes with the simulator, which "weak" asks for, has 1024 bits: TLS of
// today refuses it.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "vcsim"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func serve() error {
	model := simulator.VPX()
	if len(os.Args) > 1 && os.Args[1] == "esx" {
		model = simulator.ESX()
	}
	if err := model.Create(); err != nil {
		return err
	}
	defer model.Remove()
	model.Service.TLS = new(tls.Config)
	if len(os.Args) < 3 {
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		model.Service.TLS.Certificates = []tls.Certificate{certificate}
	}
	// The one user, whose password XML must escape.
	user := url.UserPassword("administrator@vsphere.local", `pass & <word>"'`)
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: user}
	server := model.Service.NewServer()
	defer server.Close()
	told, err := tell(context.Background(), server)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "vcsim:", err)
		os.Exit(1)
	}
}
