//! `docs/compatibility.md`: every function, since when VDDK has it, what state it is in here, who calls it.
//!
//! The state comes from the sources: a function whose body says `not_yet` is not offered. Versions and clients are
//! facts about others and stand in [`KNOWN`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::{Generated, interface_files};

/// A function and what is known of it.
struct Known {
    name: &'static str,
    since: &'static str,
    clients: &'static str,
}

/// N nbdkit, B Bareos, V virtual-disks (Velero), M ManageIQ, C Coriolis, E open-eBackup.
const KNOWN: &[Known] = &[
    Known { name: "Init", since: "1.0", clients: "V M E" },
    Known { name: "InitEx", since: "1.1", clients: "N B V M C E" },
    Known { name: "Exit", since: "1.0", clients: "N B V M E" },
    Known { name: "ListTransportModes", since: "1.1", clients: "N V M E" },
    Known { name: "Cleanup", since: "1.1", clients: "B V M E" },
    Known { name: "Connect", since: "1.0", clients: "V M E" },
    Known { name: "ConnectEx", since: "1.1", clients: "N B V M C E" },
    Known { name: "Disconnect", since: "1.0", clients: "N B V M C E" },
    Known { name: "PrepareForAccess", since: "5.0", clients: "B V M E" },
    Known { name: "EndAccess", since: "5.0", clients: "B V M E" },
    Known { name: "AllocateConnectParams", since: "6.7", clients: "N B V" },
    Known { name: "FreeConnectParams", since: "5.x", clients: "N B M" },
    Known { name: "GetConnectParams", since: "5.x", clients: "M" },
    Known { name: "Create", since: "1.0", clients: "N B V M" },
    Known { name: "CreateChild", since: "1.0", clients: "V M" },
    Known { name: "Open", since: "1.0", clients: "N B V M C E" },
    Known { name: "Close", since: "1.0", clients: "N B V M C E" },
    Known { name: "GetInfo", since: "1.0", clients: "N B V M E" },
    Known { name: "FreeInfo", since: "1.0", clients: "N B V M E" },
    Known { name: "GetTransportMode", since: "1.1", clients: "N B V M E" },
    Known { name: "Read", since: "1.0", clients: "N B V M C E" },
    Known { name: "Write", since: "1.0", clients: "N B V M E" },
    Known { name: "ReadAsync", since: "6.0", clients: "N" },
    Known { name: "WriteAsync", since: "6.0", clients: "N" },
    Known { name: "Flush", since: "6.0", clients: "N" },
    Known { name: "Wait", since: "6.5", clients: "N" },
    Known { name: "ReadMetadata", since: "1.0", clients: "B V M C" },
    Known { name: "WriteMetadata", since: "1.0", clients: "B V M" },
    Known { name: "GetMetadataKeys", since: "1.0", clients: "B V M C" },
    Known { name: "QueryAllocatedBlocks", since: "6.7", clients: "N B V E" },
    Known { name: "FreeBlockList", since: "6.7", clients: "N B V E" },
    Known { name: "Unlink", since: "1.0", clients: "V M" },
    Known { name: "Grow", since: "1.0", clients: "V M" },
    Known { name: "Shrink", since: "1.0", clients: "V M" },
    Known { name: "Defragment", since: "1.0", clients: "V M" },
    Known { name: "Rename", since: "1.0", clients: "V M" },
    Known { name: "Clone", since: "1.0", clients: "V M" },
    Known { name: "SpaceNeededForClone", since: "1.0", clients: "V M" },
    Known { name: "CheckRepair", since: "1.0", clients: "V M" },
    Known { name: "IsAttachPossible", since: "1.0", clients: "M" },
    Known { name: "Attach", since: "1.0", clients: "V M" },
    Known { name: "GetErrorText", since: "1.0", clients: "N B M C E" },
    Known { name: "FreeErrorText", since: "1.0", clients: "N B M C E" },
];

const START: &str = "\
# Functions

Generated from the sources by `make header`; do not edit.

Every function of the interface is exported. \"Local disks\" means: works on disks that are local files, and answers
VIX_E_NOT_SUPPORTED for a vSphere server. \"Not yet\" means: answers VIX_E_NOT_SUPPORTED.

Clients: N nbdkit (and with it virt-v2v, KubeVirt CDI, Forklift, migratekit, Xen Orchestra), B Bareos,
V vmware/virtual-disks (Velero, Astrolabe), M ManageIQ's ffi-vix_disk_lib, C Coriolis' ctypes binding,
E open-eBackup.

| Function | VDDK since | State | Clients |
|---|---|---|---|
";

const MOUNTING: &str = "
## VixMntapi

`include/vixMntapi.h` has the types and prototypes of the mount interface, so that programs which name them compile.
libvixMntapi, the library behind it, is not built yet; libvixDiskLib exports none of its functions.
";

/// Functions that have nothing to do with where a disk is.
const EVERYWHERE: &[&str] = &[
    "Init",
    "InitEx",
    "Exit",
    "ListTransportModes",
    "AllocateConnectParams",
    "FreeConnectParams",
    "FreeInfo",
    "FreeBlockList",
    "GetErrorText",
    "FreeErrorText",
];

/// Generates the table.
pub fn generate(root: &Path) -> Generated {
    let offered = offered(root)?;
    let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    if let Some(unknown) = offered.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("VixDiskLib_{unknown} is exported but not in the table of known functions"));
    }
    let mut text = START.to_owned();
    let mut counts = [0; 2];
    for Known { name, since, clients } in KNOWN {
        let works = *offered.get(*name).ok_or_else(|| format!("VixDiskLib_{name} is not exported"))?;
        let state = match works {
            false => "not yet",
            true if EVERYWHERE.contains(name) => "yes",
            true => "local disks",
        };
        counts[usize::from(works)] += 1;
        writeln!(text, "| `VixDiskLib_{name}` | {since} | {state} | {clients} |")
            .map_err(|error| error.to_string())?;
    }
    writeln!(text, "\n{} functions work, {} are to come.", counts[1], counts[0])
        .map_err(|error| error.to_string())?;
    text.push_str(MOUNTING);
    Ok((root.join("docs/compatibility.md"), text))
}

/// Every exported function, and whether it does its work.
fn offered(root: &Path) -> Result<BTreeMap<String, bool>, String> {
    let mut found = BTreeMap::new();
    for path in interface_files(root)? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for function in text.split("#[unsafe(no_mangle)]").skip(1) {
            let name: String = function
                .split_once("fn VixDiskLib_")
                .map(|(_, rest)| rest.chars().take_while(char::is_ascii_alphanumeric).collect())
                .ok_or_else(|| format!("{}: an export without a name", path.display()))?;
            let body = function.split("\n}").next().unwrap_or_default();
            found.insert(name, !body.contains("not_yet("));
        }
    }
    Ok(found)
}
