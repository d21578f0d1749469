//! How sectors are reached: [`file`](mod@file) for local disks, [`nfc`] for disks of hosts.

pub mod file;
pub mod nfc;
pub mod tcp;
pub mod tls;
mod trust;

/// The transport modes of this build, best first, as clients name them.
pub const MODES: &[&str] = &[FILE, NBDSSL, NBD];

/// Files of this host.
pub const FILE: &str = "file";

/// A host's disk service, everything in TLS.
pub const NBDSSL: &str = "nbdssl";

/// A host's disk service, the data in clear.
pub const NBD: &str = "nbd";

/// Whether a client's list (modes separated by colons) names a mode; an empty list names all.
pub fn lists(list: &str, mode: &str) -> bool {
    list.is_empty() || list.split(':').any(|word| word.trim().eq_ignore_ascii_case(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whatever_their_case() {
        assert!(lists("", "file"));
        assert!(lists("nbdssl: File :nbd", "file"));
        assert!(!lists("nbdssl:nbd", "file"));
    }
}
