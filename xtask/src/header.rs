//! The headers in `include`, by cbindgen with the rules of `cbindgen.toml` and `cbindgen-mount.toml`.

use std::path::{Path, PathBuf};

use crate::{Generated, interface_files};

/// Generates the header of the disk interface.
pub fn disks(root: &Path) -> Generated {
    generate(root, "cbindgen.toml", interface_files(root)?, "include/vixDiskLib.h")
}

/// Generates the header of the mount interface.
pub fn mounts(root: &Path) -> Generated {
    let sources = vec![root.join("src/ffi/mount_types.rs")];
    generate(root, "cbindgen-mount.toml", sources, "include/vixMntapi.h")
}

fn generate(root: &Path, rules: &str, sources: Vec<PathBuf>, header: &str) -> Generated {
    let config = cbindgen::Config::from_file(root.join(rules))?;
    let builder = sources
        .into_iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, path| builder.with_src(path));
    let bindings = builder.generate().map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Ok((root.join(header), text))
}
