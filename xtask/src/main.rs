//! tmp
use std::{env, path::Path};
fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut config = cbindgen::Config::from_root_or_default(root);
    config.line_length = 110;
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in env::args().skip(1) {
        builder = builder.with_src(root.join(file));
    }
    builder.generate().unwrap().write_to_file(root.join("include/vixDiskLib.h"));
}
