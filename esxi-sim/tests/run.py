#!/usr/bin/env python3
"""The simulator, driven by pyVmomi and by the client of nfc_client.py: `run.py ESXI-SIM`."""

import json
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import SoapStubAdapter, VmomiSupport, vim, vmodl

import nfc_client as nfc

PROGRAM = os.path.abspath(sys.argv.pop(1))
MIB = 1 << 20

# The service of tickets is in no public list of types, so it is added to those of pyVmomi.
VERSION = "vim.version.version9"
VmomiSupport.CreateDataType(
    "vim.HostServiceTicket", "HostServiceTicket", "vmodl.DynamicData", VERSION,
    [("host", "string", VERSION, 1), ("port", "int", VERSION, 1), ("sslThumbprint", "string", VERSION, 1),
     ("service", "string", VERSION, 0), ("serviceVersion", "string", VERSION, 0), ("sessionId", "string", VERSION, 0)],
) if not hasattr(vim, "HostServiceTicket") else None
PARAMETERS = (("vm", "vim.VirtualMachine", VERSION, 0, None), ("diskDeviceKey", "int", VERSION, 0, None),
              ("hostForAccess", "vim.HostSystem", VERSION, 1, None))
VmomiSupport.CreateManagedType(
    "vim.NfcService", "NfcService", "vmodl.ManagedObject", VERSION, [], [
        ("getVmFiles", "NfcGetVmFiles", VERSION, PARAMETERS[:1], (0, "vim.HostServiceTicket", "vim.HostServiceTicket"), None, None),
        ("randomAccessOpen", "NfcRandomAccessOpenDisk", VERSION, PARAMETERS, (0, "vim.HostServiceTicket", "vim.HostServiceTicket"), None, None),
        ("randomAccessOpenReadonly", "NfcRandomAccessOpenReadonly", VERSION, PARAMETERS, (0, "vim.HostServiceTicket", "vim.HostServiceTicket"), None, None),
        ("getServerNfcLibVersion", "NfcGetServerNfcLibVersion", VERSION, PARAMETERS[2:], (0, "int", "int"), None, None),
    ])


def make_disk(folder, name="t", mib=64):
    """A flat disk of zeros."""
    os.makedirs(os.path.join(folder, name))
    flat = os.path.join(folder, name, f"{name}-flat.vmdk")
    with open(flat, "wb") as file:
        file.truncate(mib * MIB)
    path = os.path.join(folder, name, f"{name}.vmdk")
    with open(path, "w") as file:
        file.write('# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=12345678\nparentCID=ffffffff\n'
                   f'createType="monolithicFlat"\n\nRW {mib * 2048} FLAT "{name}-flat.vmdk" 0\n\n'
                   f'ddb.adapterType = "lsilogic"\nddb.geometry.cylinders = "{mib * 2048 // (255 * 63)}"\n'
                   'ddb.geometry.heads = "255"\nddb.geometry.sectors = "63"\n'
                   'ddb.uuid = "60 00 C2 90 00 00 00 00-00 00 00 00 00 00 00 01"\nddb.virtualHWVersion = "19"\n')
    return path


class Simulator:
    def __init__(self, *arguments, disks=("t",), mib=64):
        self.folder = tempfile.TemporaryDirectory()
        paths = [make_disk(self.folder.name, name, mib) for name in disks]
        flags = [flag for path in paths for flag in ("--vm-disk", path)]
        begin = time.monotonic()
        self.process = subprocess.Popen([PROGRAM, *flags, *arguments], stdout=subprocess.PIPE)
        self.told = json.loads(self.process.stdout.readline())
        self.start = time.monotonic() - begin
        self.disk = self.told["vms"][0]["disks"][0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(10)
        self.process.stdout.close()
        self.folder.cleanup()

    def connect(self, password="vmware"):
        return SmartConnect(host="127.0.0.1", port=self.told["soap_port"], user="root", pwd=password,
                            disableSslCertValidation=True)

    def control(self, **command):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self.told["control"])
            control.sendall(json.dumps(command).encode() + b"\n")
            answer = json.loads(control.makefile().readline())
        assert answer == {"ok": True}, answer

    def inject(self, fault, **more):
        self.control(command="inject", fault={"fault": fault, **more})

    def ticket(self, service, writable=True, vm=0):
        stub = service._stub
        name = "nfcService" if service.content.about.apiType == "VirtualCenter" else "ha-nfc-service"
        tickets = vim.NfcService(name, stub)
        machine = vim.VirtualMachine(self.told["vms"][vm]["id"], stub)
        if writable:
            ticket = tickets.RandomAccessOpen(machine, 2000, machine.runtime.host)
        else:
            ticket = tickets.GetVmFiles(machine)
        ticket.host = ticket.host or "127.0.0.1"
        return ticket

    def open(self, service, writable=True, **more):
        return nfc.Disk(self.ticket(service, writable), self.disk, writable=writable, **more)


class Management(unittest.TestCase):
    def test_login_and_properties(self):
        for kind in ("--vcenter", "--esxi"):
            with self.subTest(kind), Simulator(kind) as simulator:
                with self.assertRaises(vim.fault.InvalidLogin):
                    simulator.connect("wrong")
                service = simulator.connect()
                content = service.RetrieveContent()
                self.assertEqual(content.about.apiType, "VirtualCenter" if kind == "--vcenter" else "HostAgent")
                self.assertEqual(content.sessionManager.currentSession.userName, "root")
                datacenter, = content.rootFolder.childEntity
                vm, = datacenter.vmFolder.childEntity
                self.assertEqual((vm.name, vm.config.name), ("t", "t"))
                disk, = [d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)]
                self.assertEqual((disk.key, disk.backing.fileName, disk.capacityInKB), (2000, simulator.disk, 65536))
                self.assertEqual(vm.runtime.powerState, "poweredOff")
                self.assertIsNone(vm.snapshot)
                self.assertEqual(content.searchIndex.FindByUuid(None, vm.config.uuid, True), vm)
                self.assertIsNone(content.searchIndex.FindByUuid(None, "no-such", True))
                self.assertEqual(content.searchIndex.FindByInventoryPath("ha-datacenter/vm/t"), vm)
                view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
                self.assertEqual(list(view.view), [vm])
                traverse = vmodl.query.PropertyCollector.TraversalSpec(path="view", skip=False, type=vim.view.ContainerView)
                spec = vmodl.query.PropertyCollector.FilterSpec(
                    objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=view, skip=True, selectSet=[traverse])],
                    propSet=[vmodl.query.PropertyCollector.PropertySpec(
                        type=vim.VirtualMachine, pathSet=["name", "config.hardware.device", "runtime.host"])])
                options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=1)
                result = content.propertyCollector.RetrievePropertiesEx([spec], options)
                values = {p.name: p.val for p in result.objects[0].propSet}
                self.assertEqual(values["name"], "t")
                self.assertEqual(values["config.hardware.device"][1].key, 2000)
                view.DestroyView()
                simulator.control(command="expire_sessions")
                with self.assertRaises(vim.fault.NotAuthenticated):
                    vm.name
                service = simulator.connect()
                Disconnect(service)

    def test_pages(self):
        with Simulator(disks=("a", "b", "c")) as simulator:
            content = simulator.connect().RetrieveContent()
            view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
            spec = vmodl.query.PropertyCollector.FilterSpec(
                objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=vm) for vm in view.view],
                propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])])
            names, collector = [], content.propertyCollector
            page = collector.RetrievePropertiesEx([spec], vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=2))
            names += [o.propSet[0].val for o in page.objects]
            self.assertEqual(len(names), 2)
            page = collector.ContinueRetrievePropertiesEx(page.token)
            names += [o.propSet[0].val for o in page.objects]
            self.assertEqual(sorted(names), ["a", "b", "c"])
            self.assertIsNone(page.token)

    def test_snapshots_and_changes(self):
        with Simulator() as simulator:
            service = simulator.connect()
            vm = service.content.rootFolder.childEntity[0].vmFolder.childEntity[0]
            WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
            self.assertTrue(vm.config.changeTrackingEnabled)

            def put(sector, text):
                disk = simulator.open(service)
                disk.write(sector, text.ljust(512))
                disk.close()

            def snapshot(name):
                WaitForTask(vm.CreateSnapshot_Task(name, "", False, False))
                made = vm.snapshot.currentSnapshot
                simulator.disk = vm.config.hardware.device[1].backing.fileName
                return made, made.config.hardware.device[1].backing

            put(0, b"one")
            first, backing = snapshot("first")
            self.assertEqual(backing.fileName, "[datastore1] t/t.vmdk")
            put(7777, b"two")
            second, later = snapshot("second")
            put(0, b"three")
            self.assertEqual(later.fileName, "[datastore1] t/t-000001.vmdk")
            self.assertEqual([s.name for s in vm.snapshot.rootSnapshotList], ["first"])
            self.assertEqual([s.name for s in vm.snapshot.rootSnapshotList[0].childSnapshotList], ["second"])

            changed = vm.QueryChangedDiskAreas(second, 2000, 0, backing.changeId)
            self.assertEqual([(a.start, a.length) for a in changed.changedArea], [(3932160, 65536)])
            self.assertEqual(changed.length, 64 * MIB)
            since = vm.QueryChangedDiskAreas(None, 2000, 0, backing.changeId)
            self.assertEqual([(a.start, a.length) for a in since.changedArea], [(0, 65536), (3932160, 65536)])
            with self.assertRaises(vmodl.fault.InvalidArgument):
                vm.QueryChangedDiskAreas(second, 2000, 0, "nonsense/1")

            def get(path, sector):
                disk = nfc.Disk(simulator.ticket(service, False), path)
                data = disk.read(sector, 1).rstrip()
                disk.close()
                return data

            self.assertEqual(get("[datastore1] t/t.vmdk", 0), b"one")
            self.assertEqual(get(simulator.disk, 0), b"three")
            WaitForTask(first.RemoveSnapshot_Task(False))
            self.assertEqual(sorted(os.listdir(os.path.join(simulator.folder.name, "t"))),
                             ["t-000002.vmdk", "t-flat.vmdk", "t.vmdk"])
            self.assertEqual(get("[datastore1] t/t.vmdk", 7777), b"two")
            self.assertEqual(get(simulator.disk, 0), b"three")
            WaitForTask(second.RemoveSnapshot_Task(False))
            self.assertIsNone(vm.snapshot)
            self.assertEqual(get("[datastore1] t/t.vmdk", 0), b"three")
            self.assertEqual(get("[datastore1] t/t.vmdk", 7777), b"two")
            self.assertEqual(sorted(os.listdir(os.path.join(simulator.folder.name, "t"))), ["t-flat.vmdk", "t.vmdk"])

    def test_tickets(self):
        with Simulator(disks=("t", "u")) as simulator:
            service = simulator.connect()
            version = vim.NfcService("nfcService", service._stub).GetServerNfcLibVersion(vim.HostSystem("host-13000", service._stub))
            self.assertEqual(version, 11)
            with self.assertRaises(vmodl.fault.ManagedObjectNotFound):
                vim.NfcService("ha-nfc", service._stub).GetVmFiles(vim.VirtualMachine("vm-13001", service._stub))
            ticket = simulator.ticket(service)
            self.assertEqual((ticket.port, ticket.sslThumbprint), (simulator.told["authd_port"], simulator.told["thumbprint_sha1"]))
            nfc.Disk(ticket, simulator.disk, writable=True).close()
            with self.assertRaisesRegex(nfc.NfcError, "530"):
                nfc.Disk(ticket, simulator.disk)
            with self.assertRaises(nfc.NfcError) as refused:
                nfc.Disk(simulator.ticket(service, False), simulator.disk, writable=True)
            self.assertEqual(refused.exception.code, 11)
            with self.assertRaisesRegex(nfc.NfcError, "permission check failed") as refused:
                nfc.Disk(simulator.ticket(service, True), "[datastore1] u/u.vmdk")
            self.assertEqual(refused.exception.code, 11)


class Disks(unittest.TestCase):
    SIZES = [(0, 1), (0, 2), (1, 1), (8, 8), (0, 128), (0, 129), (256, 64), (3, 2 * MIB // 512 + 1)]

    def test_rounds(self):
        """Every size with each compression, both ways of transport and several buffers."""
        dice = random.Random(1)
        for kind, profile in (("--vcenter", "8.0"), ("--esxi", "7.0"), ("--esxi", "6.7"), ("--vcenter", "7.0.3")):
            with Simulator(kind, "--profile", profile, mib=5000) as simulator:
                service = simulator.connect()
                for encrypted in (False, True):
                    for size, count in ((65536, 1), (MIB, 1), (2 * MIB, 4)):
                        disk = simulator.open(service, encrypted=encrypted, size=size, count=count)
                        for method in range(4):
                            for sector, sectors in self.SIZES:
                                sector += dice.choice((0, 9_000_000))
                                data = b"".join(dice.choice((bytes(512), dice.randbytes(512), b"text" * 128)) for _ in range(sectors))
                                disk.write(sector, data, method)
                                for back in range(4):
                                    with self.subTest(kind=kind, encrypted=encrypted, size=size, method=method, back=back):
                                        self.assertTrue(disk.read(sector, sectors, back) == data)
                        disk.close()

    def test_strict_host(self):
        """Message 36 after 51, the newest read first, odd fragments."""
        with Simulator("--strict") as simulator:
            service = simulator.connect()
            disk = simulator.open(service, encrypted=True, vectura=True)
            data = random.Random(2).randbytes(4 * MIB)
            disk.write(0, data)
            asked = {disk.ask(index * 256, 256): 256 * 512 for index in range(32)}
            back = disk.collect(asked)
            self.assertEqual(b"".join(back[operation] for operation in sorted(back)), data)
            self.assertNotEqual([entry[0] for entry in disk.order], sorted(entry[0] for entry in disk.order))
            self.assertTrue(any(entry[2] % 512 for entry in disk.order))
            disk.close(vectura=True)

    def test_golden_transcript(self):
        with Simulator() as simulator:
            disk = simulator.open(simulator.connect())
            handle = struct.pack("<Q", disk.handle)
            disk.write(1, bytes(range(256)) * 2)
            text = b"".join(data for side, data in disk.transcript if side == "S").hex()
            z = bytes.hex(bytes(4))
            expected = [
                nfc.classic(36, struct.pack("<IIII", 0, 0, 0, 1)).hex(), nfc.classic(51, struct.pack("<I", 11)).hex(),
                nfc.classic(52).hex(),
                "7ada00a1020000001000000000000000" + z * 4,
                "7ada00a1090000000c00000001000000" + "00000400" "00000400" "01000000",
                "7ada00a1160000000400000002000000" + z,
                "7ada00a1040000003c00000003000000" + z * 2 + handle.hex() + "020000001a00000000000000" "0000000400000000"
                "00020000" "08000000" "ff000000" "3f000000" + z * 2,
                "7ada00a1070000002c00000004000000" + z * 4 + "0002000000000000" "00020000" "00000000" "00020000" "00020000" + z,
            ]
            self.assertEqual(text, "".join(expected))
            self.assertEqual(disk.handle >> 31, 0x1FFFFFFFF)
            self.assertEqual(disk.metadata("adapterType"), "lsilogic")
            self.assertEqual(disk.metadata("geometry.heads"), "255")
            self.assertEqual(disk.metadata("no.such.key"), "")
            disk.close()

    def test_allocated_blocks(self):
        with Simulator() as simulator:
            service = simulator.connect()
            vm = service.content.rootFolder.childEntity[0].vmFolder.childEntity[0]
            WaitForTask(vm.CreateSnapshot_Task("s", "", False, False))
            simulator.disk = vm.config.hardware.device[1].backing.fileName
            disk = simulator.open(service)
            disk.write(1024, b"x" * 512)
            disk.close()
            disk = simulator.open(service)
            self.assertIn(8, disk.allocated(0, 128, 1024))
            with self.assertRaises(nfc.NfcError):
                disk.allocated(1, 128, 2)

    def test_buffers(self):
        with Simulator() as simulator:
            service = simulator.connect()
            for size in (16 * MIB, 32 * MIB):
                with self.assertRaises(nfc.NfcError):
                    simulator.open(service, size=size)


class Faults(unittest.TestCase):
    def test_each(self):
        with Simulator() as simulator:
            service = simulator.connect()

            def attempt(fault, **more):
                simulator.inject(fault, **more)
                disk = simulator.open(service, timeout=3)
                disk.allocated(0, 128, 8)
                return disk.read(0, 129, nfc.NONE)

            for fault in ("bad_greeting", "maintenance", "silent_greeting", "expired_ticket", "proxy_mismatch", "refuse",
                          "locked", "no_permission", "no_memory", "status", "out_of_range", "overlap", "wrong_length",
                          "corrupt_zlib", "skipz_overrun", "wrong_operation", "bad_magic", "expired_session"):
                with self.subTest(fault):
                    with self.assertRaises(Exception):
                        attempt(fault)
                    self.assertEqual(simulator.open(simulator.connect()).read(0, 1), bytes(512))
                    service = simulator.connect()
            with self.assertRaises((EOFError, OSError)):
                attempt("cut", bytes=60000)
            self.assertNotEqual(attempt("corrupt"), bytes(129 * 512))
            begin = time.monotonic()
            attempt("slow_blocks", millis=300)
            attempt("stall", millis=300)
            self.assertGreater(time.monotonic() - begin, 0.6)
            simulator.inject("greeting_without_sha256")
            disk = simulator.open(service, False)
            self.assertIsNone(disk.sha256)
            simulator.inject("other_certificate")
            disk = simulator.open(service, False, encrypted=True)
            self.assertNotEqual(disk.tls.certificate(), disk.stream.certificate())
            simulator.inject("wrong_thumbprint")
            self.assertNotEqual(simulator.ticket(service).sslThumbprint, simulator.told["thumbprint_sha1"])
            simulator.inject("wrong_sha256")
            self.assertNotEqual(simulator.open(service, False).sha256, simulator.told["thumbprint_sha256"])

    def test_latency_is_no_queue(self):
        with Simulator("--latency-ms", "100") as simulator:
            disk = simulator.open(simulator.connect())
            begin = time.monotonic()
            disk.collect({disk.ask(index, 1): 512 for index in range(16)})
            took = time.monotonic() - begin
            self.assertGreater(took, 0.1)
            self.assertLess(took, 1.6)

    def test_memory_of_the_host(self):
        with Simulator() as simulator:
            disk = simulator.open(simulator.connect())
            disk.ask(0, 49 * 2048)
            with self.assertRaises(nfc.NfcError) as refused:
                disk.answer()
            self.assertEqual(refused.exception.code, 5)
            self.assertIn("Failed to allocate the requested", refused.exception.text)


class Program(unittest.TestCase):
    def test_start_and_stop(self):
        starts = []
        for _ in range(5):
            with Simulator() as simulator:
                starts.append(simulator.start)
                control = simulator.told["control"]
                held = socket.create_connection(("127.0.0.1", simulator.told["authd_port"]))
            self.assertEqual(simulator.status, 0)
            self.assertFalse(os.path.exists(control))
            held.close()
        print(f"start: {min(starts) * 1000:.0f} ms", file=sys.stderr)

    def test_bad_configuration(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("no_such_key = 1\n")
            file.flush()
            done = subprocess.run([PROGRAM, "--config", file.name], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("no_such_key", done.stderr)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
