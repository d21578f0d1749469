//! Bytes that leave no trace: not in a core dump, and not in memory that has been given back.

use std::ops::Deref;
use std::ptr::NonNull;

use zeroize::{Zeroize, Zeroizing};

use super::system;

/// Bytes in pages of their own, which a core dump leaves out, and which are wiped before they are given back.
#[derive(Debug)]
pub struct Guarded(Place);

#[derive(Debug)]
enum Place {
    /// Pages from the system.
    Mapped { start: NonNull<u8>, length: usize },
    /// Memory as any other, where there are no pages or nothing to keep.
    Heap(Zeroizing<Vec<u8>>),
}

// SAFETY: the pages belong to this value alone, and are only read as long as it lives.
unsafe impl Send for Guarded {}
// SAFETY: as above.
unsafe impl Sync for Guarded {}

impl Guarded {
    /// A copy of `bytes`; the caller wipes its own.
    pub fn new(bytes: &[u8]) -> Self {
        match system::map_undumped(bytes.len()) {
            Some(start) => {
                // SAFETY: the mapping is new, and has at least as many bytes.
                unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
                Self(Place::Mapped { start, length: bytes.len() })
            }
            None => Self(Place::Heap(Zeroizing::new(bytes.to_vec()))),
        }
    }
}

impl Deref for Guarded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            // SAFETY: the mapping has these bytes, which were written in `new`, until `drop`.
            Place::Mapped { start, length } => unsafe { std::slice::from_raw_parts(start.as_ptr(), *length) },
            Place::Heap(bytes) => bytes,
        }
    }
}

impl Clone for Guarded {
    fn clone(&self) -> Self {
        Self::new(self)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Place::Mapped { start, length } = self.0 {
            // SAFETY: as for `deref`; nobody else looks at them any more.
            let bytes = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) };
            bytes.zeroize();
            // SAFETY: `map_undumped` gave this place with this length, and nothing refers to it from here on.
            unsafe { system::unmap(start, length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags that the system has for the mapping at an address.
    fn flags(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            if let Some((start, end)) = line.split(' ').next().and_then(|range| range.split_once('-')) {
                let number = |text| usize::from_str_radix(text, 16);
                if let (Ok(start), Ok(end)) = (number(start), number(end)) {
                    inside = (start..end).contains(&address);
                }
            }
            if inside && line.starts_with("VmFlags:") {
                return line.to_owned();
            }
        }
        panic!("nothing is mapped at {address:#x}");
    }

    #[test]
    fn a_core_dump_leaves_secrets_out() {
        let secret = Guarded::new(b"hunter2");
        let copy = secret.clone();
        let ordinary = Box::new([1u8; 64]);
        for (place, left_out) in [(secret.as_ptr(), true), (copy.as_ptr(), true), (ordinary.as_ptr(), false)]
        {
            let flags = flags(place.addr());
            assert_eq!(flags.split(' ').any(|flag| flag == "dd"), left_out, "{flags}");
        }
        assert_eq!((&*secret, &*copy), (&b"hunter2"[..], &b"hunter2"[..]));
        assert!(!std::ptr::eq(secret.as_ptr(), copy.as_ptr()));
    }

    #[test]
    fn any_length_is_kept() {
        for length in [0, 1, 4095, 4096, 4097, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            assert!(*Guarded::new(&bytes) == *bytes, "{length}");
        }
    }
}
