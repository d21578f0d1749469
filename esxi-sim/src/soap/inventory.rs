//! The managed objects of the host with their properties.

use crate::config::Kind;
use crate::host::{Host, now};
use crate::soap::xml::Node;
use crate::vm::{Snapshot, State, Vm, VmDisk};

/// Ids of what every host has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) root: &'static str,
    pub(crate) datacenter: &'static str,
    pub(crate) vms: &'static str,
    pub(crate) hosts: &'static str,
    pub(crate) stores: &'static str,
    pub(crate) networks: &'static str,
    pub(crate) compute: &'static str,
    pub(crate) host: &'static str,
    pub(crate) pool: &'static str,
    store: &'static str,
}

const VCENTER: Names = Names {
    root: "group-d1",
    datacenter: "datacenter-2",
    vms: "group-v3",
    hosts: "group-h4",
    stores: "group-s5",
    networks: "group-n6",
    compute: "domain-s7",
    host: "host-13000",
    pool: "resgroup-8",
    store: "datastore-1",
};

const ESXI: Names = Names {
    root: "ha-folder-root",
    datacenter: "ha-datacenter",
    vms: "ha-folder-vm",
    hosts: "ha-folder-host",
    stores: "ha-folder-datastore",
    networks: "ha-folder-network",
    compute: "ha-compute-res",
    host: "ha-host",
    pool: "ha-root-pool",
    store: "ha-datastore-",
};

impl Names {
    pub(crate) fn of(host: &Host) -> &'static Self {
        match host.config.kind {
            Kind::Vcenter => &VCENTER,
            Kind::Esxi => &ESXI,
        }
    }

    pub(crate) fn store(&self, index: usize) -> String {
        format!("{}{}", self.store, index + 1)
    }
}

/// The name of the datacenter.
pub(crate) const DATACENTER: &str = "ha-datacenter";

/// A managed object with its properties as children; `None` when there is none of this name.
pub(crate) fn object(host: &Host, kind: &str, id: &str) -> Option<Node> {
    let names = Names::of(host);
    let folder = |name: &str, parent: Option<(&str, &str)>, children: Vec<(&str, &str)>| {
        entity("Folder", name, parent, vec![Node::objects("childEntity", &children)])
    };
    let datacenter = Some(("Datacenter", names.datacenter));
    let vms: Vec<(&str, &str)> = host.vms.iter().map(|vm| ("VirtualMachine", vm.id.as_str())).collect();
    let store_ids: Vec<String> = (0..host.config.datastore.len()).map(|index| names.store(index)).collect();
    let stores: Vec<(&str, &str)> = store_ids.iter().map(|id| ("Datastore", id.as_str())).collect();
    Some(match kind {
        "Folder" if id == names.root => folder("Datacenters", None, vec![("Datacenter", names.datacenter)]),
        "Folder" if id == names.vms => folder("vm", datacenter, vms),
        "Folder" if id == names.hosts => folder("host", datacenter, vec![("ComputeResource", names.compute)]),
        "Folder" if id == names.stores => folder("datastore", datacenter, stores),
        "Folder" if id == names.networks => folder("network", datacenter, vec![]),
        "Datacenter" if id == names.datacenter => entity(
            "Datacenter",
            DATACENTER,
            Some(("Folder", names.root)),
            vec![
                Node::object("vmFolder", ("Folder", names.vms)),
                Node::object("hostFolder", ("Folder", names.hosts)),
                Node::object("datastoreFolder", ("Folder", names.stores)),
                Node::object("networkFolder", ("Folder", names.networks)),
                Node::objects("datastore", &stores),
                Node::objects("network", &[]),
            ],
        ),
        "ComputeResource" if id == names.compute => entity(
            "ComputeResource",
            &host.config.listen,
            Some(("Folder", names.hosts)),
            vec![
                Node::objects("host", &[("HostSystem", names.host)]),
                Node::objects("datastore", &stores),
                Node::object("resourcePool", ("ResourcePool", names.pool)),
            ],
        ),
        "ResourcePool" if id == names.pool => entity(
            "ResourcePool",
            "Resources",
            Some(("ComputeResource", names.compute)),
            vec![Node::objects("vm", &vms), Node::object("owner", ("ComputeResource", names.compute))],
        ),
        "HostSystem" if id == names.host => host_system(host, &vms, &stores),
        "Datastore" => {
            let index = store_ids.iter().position(|store| store == id)?;
            let store = host.config.datastore.get(index)?;
            datastore(host, id, &store.name, &vms)
        }
        "VirtualMachine" => virtual_machine(host, host.vms.iter().find(|vm| vm.id == id)?),
        "VirtualMachineSnapshot" => snapshot(host, id)?,
        _ => return host.soap.lock().ok().and_then(|memory| memory.object(kind, id)),
    })
}

fn entity(kind: &str, name: &str, parent: Option<(&str, &str)>, more: Vec<Node>) -> Node {
    let mut properties = vec![Node::text("name", name)];
    properties.extend(parent.map(|parent| Node::object("parent", parent)));
    properties.push(Node::scalar("overallStatus", "ManagedEntityStatus", "green"));
    properties.extend(more);
    Node::data("object", kind, properties)
}

fn host_system(host: &Host, vms: &[(&str, &str)], stores: &[(&str, &str)]) -> Node {
    let names = Names::of(host);
    let maintenance = host.faults.is_planned(&crate::fault::Fault::Maintenance);
    let runtime = vec![
        Node::scalar("connectionState", "HostSystemConnectionState", "connected"),
        Node::scalar("powerState", "HostSystemPowerState", "poweredOn"),
        Node::flag("inMaintenanceMode", maintenance),
    ];
    let more = vec![
        Node::objects("vm", vms),
        Node::objects("datastore", stores),
        Node::data("runtime", "HostRuntimeInfo", runtime),
    ];
    entity("HostSystem", &host.config.listen, Some(("ComputeResource", names.compute)), more)
}

fn datastore(host: &Host, id: &str, name: &str, vms: &[(&str, &str)]) -> Node {
    let names = Names::of(host);
    let url = format!("ds:///vmfs/volumes/{name}/");
    let summary = vec![
        Node::object("datastore", ("Datastore", id)),
        Node::text("name", name),
        Node::text("url", &url),
        Node::long("capacity", 1_u64 << 40),
        Node::long("freeSpace", 1_u64 << 39),
        Node::flag("accessible", true),
        Node::text("type", "VMFS"),
    ];
    let info = vec![
        Node::text("name", name),
        Node::text("url", &url),
        Node::long("freeSpace", 1_u64 << 39),
        Node::long("maxFileSize", 1_u64 << 46),
    ];
    let more = vec![
        Node::data("info", "DatastoreInfo", info),
        Node::data("summary", "DatastoreSummary", summary),
        Node::objects("vm", vms),
    ];
    entity("Datastore", name, Some(("Folder", names.stores)), more)
}

/// The backing of a link and, inside of it, those of its parents.
fn backing(vm: &Vm, uuid: &str, chain: &[std::path::PathBuf], change_id: Option<String>) -> Vec<Node> {
    let Some((leaf, parents)) = chain.split_last() else { return Vec::new() };
    let mut nodes = vec![
        Node::text("fileName", vm.datastore_path(leaf)),
        Node::text("diskMode", "persistent"),
        Node::flag("thinProvisioned", true),
        Node::text("uuid", uuid),
    ];
    nodes.extend(change_id.map(|id| Node::text("changeId", id)));
    if !parents.is_empty() {
        let below = backing(vm, uuid, parents, None);
        nodes.push(Node::data("parent", "VirtualDiskFlatVer2BackingInfo", below));
    }
    nodes
}

fn disk_device(vm: &Vm, index: usize, disk: &VmDisk, depth: usize, change_id: Option<String>) -> Node {
    let chain = disk.chain.get(..depth.min(disk.chain.len())).unwrap_or_default();
    let kib = disk.capacity / 2;
    let description = vec![
        Node::text("label", format!("Hard disk {}", index + 1)),
        Node::text("summary", format!("{kib} KB")),
    ];
    Node::data(
        "device",
        "VirtualDisk",
        vec![
            Node::int("key", disk.key),
            Node::data("deviceInfo", "Description", description),
            Node::data(
                "backing",
                "VirtualDiskFlatVer2BackingInfo",
                backing(vm, &disk.uuid, chain, change_id),
            ),
            Node::int("controllerKey", 1000),
            Node::int("unitNumber", disk.unit),
            Node::long("capacityInKB", kib),
            Node::long("capacityInBytes", disk.capacity * 512),
        ],
    )
}

/// The configuration of a machine, as it is or as it was at a snapshot.
fn config(vm: &Vm, state: &State, snapshot: Option<&Snapshot>) -> Node {
    let keys: Vec<i32> = state.disks.iter().map(|disk| disk.key).collect();
    let mut controller = vec![Node::int("key", 1000), Node::int("busNumber", 0)];
    controller.extend(keys.iter().map(|key| Node::int("device", key)));
    controller.push(Node::scalar("sharedBus", "VirtualSCSISharing", "noSharing"));
    let mut devices = vec![Node::data("device", "ParaVirtualSCSIController", controller)];
    for (index, disk) in state.disks.iter().enumerate() {
        let (depth, change_id) = match snapshot {
            Some(snapshot) => (snapshot.depth, snapshot.change_ids.get(index).cloned().flatten()),
            None => (disk.chain.len(), disk.change_id().filter(|_| state.tracked)),
        };
        devices.push(disk_device(vm, index, disk, depth, change_id));
    }
    let hardware = vec![
        Node::int("numCPU", 1),
        Node::int("numCoresPerSocket", 1),
        Node::int("memoryMB", 1024),
        Node::array("device", "VirtualDevice", devices),
    ];
    let folder =
        state.disks.first().and_then(|disk| disk.chain.first()?.parent().map(std::path::Path::to_owned));
    let vmx = folder.unwrap_or_default().join(format!("{}.vmx", vm.name));
    Node::data(
        "config",
        "VirtualMachineConfigInfo",
        vec![
            Node::text("changeVersion", "1"),
            Node::time("modified", now()),
            Node::text("name", &vm.name),
            Node::text("guestFullName", "Other Linux (64-bit)"),
            Node::text("version", "vmx-19"),
            Node::text("uuid", &vm.uuid),
            Node::text("instanceUuid", &vm.uuid),
            Node::flag("template", false),
            Node::text("guestId", "otherLinux64Guest"),
            Node::text("alternateGuestName", ""),
            Node::data(
                "files",
                "VirtualMachineFileInfo",
                vec![Node::text("vmPathName", vm.datastore_path(&vmx))],
            ),
            Node::data("flags", "VirtualMachineFlagInfo", vec![]),
            Node::data("defaultPowerOps", "VirtualMachineDefaultPowerOpInfo", vec![]),
            Node::data("hardware", "VirtualHardware", hardware),
            Node::flag("changeTrackingEnabled", state.tracked),
        ],
    )
}

fn runtime(host: &Host, vm: &Vm) -> Node {
    let power = if vm.powered_on { "poweredOn" } else { "poweredOff" };
    Node::data(
        "runtime",
        "VirtualMachineRuntimeInfo",
        vec![
            Node::object("host", ("HostSystem", Names::of(host).host)),
            Node::scalar("connectionState", "VirtualMachineConnectionState", "connected"),
            Node::scalar("powerState", "VirtualMachinePowerState", power),
            Node::flag("toolsInstallerMounted", false),
            Node::int("numMksConnections", 0),
            Node::flag("consolidationNeeded", false),
        ],
    )
}

fn snapshot_tree(vm: &Vm, snapshots: &[Snapshot]) -> Vec<Node> {
    let Some((first, rest)) = snapshots.split_first() else { return Vec::new() };
    let number: String = first.id.chars().filter(char::is_ascii_digit).collect();
    let mut fields = vec![
        Node::object("snapshot", ("VirtualMachineSnapshot", &first.id)),
        Node::object("vm", ("VirtualMachine", &vm.id)),
        Node::text("name", &first.name),
        Node::text("description", &first.description),
        Node::int("id", number.get(..9.min(number.len())).unwrap_or("1")),
        Node::time("createTime", first.created),
        Node::scalar(
            "state",
            "VirtualMachinePowerState",
            if vm.powered_on { "poweredOn" } else { "poweredOff" },
        ),
        Node::flag("quiesced", false),
    ];
    fields.push(Node::array("childSnapshotList", "VirtualMachineSnapshotTree", snapshot_tree(vm, rest)));
    vec![Node::data("snapshot", "VirtualMachineSnapshotTree", fields)]
}

fn virtual_machine(host: &Host, vm: &Vm) -> Node {
    let names = Names::of(host);
    let state = vm.state();
    let store = host.config.datastore.iter().position(|store| store.name == vm.datastore).unwrap_or(0);
    let store = names.store(store);
    let config = config(vm, &state, None);
    let files = config.find("files.vmPathName").cloned();
    let mut summary = vec![
        Node::text("name", &vm.name),
        Node::flag("template", false),
        Node::text("uuid", &vm.uuid),
        Node::text("instanceUuid", &vm.uuid),
    ];
    summary.extend(files);
    let summary = vec![
        Node::object("vm", ("VirtualMachine", &vm.id)),
        runtime(host, vm),
        Node::data("config", "VirtualMachineConfigSummary", summary),
        Node::scalar("overallStatus", "ManagedEntityStatus", "green"),
    ];
    let disabled = state.disabled.iter().map(|(method, _)| Node::text("disabledMethod", method)).collect();
    let mut more = vec![
        config,
        Node::objects("network", &[]),
        runtime(host, vm),
        Node::data("summary", "VirtualMachineSummary", summary),
        Node::objects("datastore", &[("Datastore", &store)]),
        Node::object("resourcePool", ("ResourcePool", names.pool)),
        Node::array("disabledMethod", "string", disabled),
    ];
    let ids: Vec<(&str, &str)> =
        state.snapshots.iter().map(|snapshot| ("VirtualMachineSnapshot", snapshot.id.as_str())).collect();
    more.push(Node::objects("rootSnapshot", ids.get(..1.min(ids.len())).unwrap_or_default()));
    if let Some(last) = ids.last() {
        let tree = snapshot_tree(vm, &state.snapshots);
        let info = vec![
            Node::object("currentSnapshot", *last),
            Node::array("rootSnapshotList", "VirtualMachineSnapshotTree", tree),
        ];
        more.push(Node::data("snapshot", "VirtualMachineSnapshotInfo", info));
    }
    entity("VirtualMachine", &vm.name, Some(("Folder", names.vms)), more)
}

fn snapshot(host: &Host, id: &str) -> Option<Node> {
    host.vms.iter().find_map(|vm| {
        let state = vm.state();
        let place = state.snapshots.iter().position(|snapshot| snapshot.id == id)?;
        let snapshot = state.snapshots.get(place)?;
        let below: Vec<(&str, &str)> = state
            .snapshots
            .get(place + 1)
            .map(|next| ("VirtualMachineSnapshot", next.id.as_str()))
            .into_iter()
            .collect();
        let properties = vec![
            Node::object("vm", ("VirtualMachine", &vm.id)),
            config(vm, &state, Some(snapshot)),
            Node::objects("childSnapshot", &below),
        ];
        Some(Node::data("object", "VirtualMachineSnapshot", properties))
    })
}
