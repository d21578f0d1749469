//! SONAME, `-z nodelete` and the `va_list` shim; nothing else.

fn main() {
    // Programs linked against any generation of the original record this name or are served by a link to it.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvixDiskLib.so.8");
    // A thread of the host that once ran Rust code has a thread-local destructor registered here; unmapping
    // the library before that thread ends would crash it. nbdkit does dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // The host must not be able to interpose our own calls between exported functions.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");

    println!("cargo::rerun-if-changed=src/ffi/shim.c");
    cc::Build::new()
        .file("src/ffi/shim.c")
        .warnings_into_errors(true)
        .extra_warnings(true)
        .compile("vixen_shim");
}
