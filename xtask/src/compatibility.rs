//! `docs/compatibility.md`: every function, since when VDDK has it, what state it is in here, who calls it.
//!
//! The state comes from the sources: a function whose body says `not_yet` is not offered. What works on local disks only
//! stands in `docs/vsphere.md`. Versions and clients are facts about others and stand in [`KNOWN`].

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

Every function of VDDK 8.0's VixDiskLib is exported. Columns:

* **VDDK** by release: ● has the function; for those of 5.x it is not known which release of that line was the first.
* **Local**: disks that are local files. **vSphere**: connections to a vCenter or a host ([vsphere.md](vsphere.md)); \"no\"
  answers VIX_E_NOT_SUPPORTED. \"Not yet\" answers it everywhere. — is for what has nothing to do with where a disk is.
* **Clients** that call it: N nbdkit (and with it virt-v2v, KubeVirt CDI, Forklift, migratekit, Xen Orchestra), B Bareos,
  V vmware/virtual-disks (Velero, Astrolabe), M ManageIQ's ffi-vix_disk_lib, C Coriolis' ctypes binding,
  E open-eBackup.

| Function | Since |";

const CLIENTS: &str = "
## Clients

Each calls InitEx with the version that it was written for; any from 5.0 to 8.x is served by the same file.

| | Client | Asks for | How it is checked here |
|---|---|---|---|
| N | nbdkit's vddk plugin | 6.5 | Debian's build of it, `tests/nbdkit`; nbdkit's own tests for VDDK; its calls, `ctests/clients.c` |
| B | Bareos' vadp_dumper | 6.5 | its calls in their order, `ctests/clients.c` |
| V | virtual-disks, cgo | 6.7, 7.0 | its calls, `ctests/clients.c`; a program with cgo of its own, `bindings/go/clients` |
| M | ffi-vix_disk_lib | what the file's name says, 8.0 | the name of the file; not its calls |
| C | Coriolis, ctypes | 6.0 | its structs and its truncated pointer, `bindings/python/tests/clients/short_structs.py` |
| E | open-eBackup | 6.5 | its calls, `ctests/clients.c` |
";

const MOUNTING: &str = "
## VixMntapi

`include/vixMntapi.h` has the types and prototypes of the mount interface, so that programs which name them compile.
libvixMntapi, the library behind it, is not built yet; libvixDiskLib exports none of its functions.
";

/// Releases of VDDK, the columns of the table.
const RELEASES: [&str; 6] = ["5.x", "6.0", "6.5", "6.7", "7.0", "8.0"];

/// Clients by their letters, the last columns.
const LETTERS: [&str; 6] = ["N", "B", "V", "M", "C", "E"];

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
    let local_only = local_only(root)?;
    let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    if let Some(unknown) = offered.keys().chain(&local_only).find(|name| !known.contains(&name.as_str())) {
        return Err(format!("VixDiskLib_{unknown} is not in the table of known functions"));
    }
    let columns = [&RELEASES[..], &["Local", "vSphere"], &LETTERS].concat();
    let mut text = format!("{START} {} |\n|---|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    let mut counts = [0; 2];
    for function in KNOWN {
        let works = *offered
            .get(function.name)
            .ok_or_else(|| format!("VixDiskLib_{} is not exported", function.name))?;
        counts[usize::from(works)] += 1;
        text.push_str(&function.row(works, &local_only));
    }
    writeln!(text, "\n{} functions work, {} are to come.", counts[1], counts[0])
        .map_err(|error| error.to_string())?;
    text.push_str(CLIENTS);
    text.push_str(MOUNTING);
    Ok((root.join("docs/compatibility.md"), text))
}

impl Known {
    /// Its line of the table.
    fn row(&self, works: bool, local_only: &[String]) -> String {
        let [local, remote] = match works {
            false => ["not yet", "not yet"],
            true if EVERYWHERE.contains(&self.name) => ["—", "—"],
            true if local_only.iter().any(|name| name == self.name) => ["yes", "no"],
            true => ["yes", "yes"],
        };
        // Releases are numbers with one digit before and behind the point, so that texts compare as they do.
        let is_in = |release: &&str| if self.since <= *release { "●" } else { "" };
        let calls =
            |letter: &&str| if self.clients.split(' ').any(|each| each == *letter) { "●" } else { "" };
        let cells: Vec<&str> =
            RELEASES.iter().map(is_in).chain([local, remote]).chain(LETTERS.iter().map(calls)).collect();
        format!("| `VixDiskLib_{}` | {} | {} |\n", self.name, self.since, cells.join(" | "))
    }
}

/// The functions that `docs/vsphere.md` says do not work remotely: the fact stands there.
fn local_only(root: &Path) -> Result<Vec<String>, String> {
    let path = root.join("docs/vsphere.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, section) = text
        .split_once("## What does not work remotely")
        .ok_or_else(|| format!("{}: what does not work remotely is not told", path.display()))?;
    let names = section.split("give").next().unwrap_or_default();
    let words = names.split(|letter: char| !letter.is_ascii_alphanumeric());
    Ok(words.filter(|word| !word.is_empty() && *word != "and").map(str::to_owned).collect())
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
