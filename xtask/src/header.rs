//! `include/vixDiskLib.h`, by cbindgen with the rules of `cbindgen.toml`.

use std::path::Path;

use crate::{Generated, interface_files};

/// Generates the header.
pub fn generate(root: &Path) -> Generated {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml"))?;
    let builder = interface_files(root)?
        .into_iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, path| builder.with_src(path));
    let bindings = builder.generate().map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).map_err(|error| error.to_string())?;
    Ok((root.join("include/vixDiskLib.h"), text))
}
