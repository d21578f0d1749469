//! Passwords, cookies, session ids: wiped when they go, never shown.

use std::fmt;

use zeroize::Zeroizing;

use crate::io::guarded::Guarded;

/// A string that is wiped when it goes, left out of core dumps and never shown; its bytes have no NUL at the end.
#[derive(Clone)]
pub struct Secret(Guarded);

impl Secret {
    /// A copy of `bytes`; the caller wipes its own.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Guarded::new(bytes))
    }

    /// The bytes, for whoever sends them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends to bytes among which secrets may be: where they have to move, no copy is left behind.
pub fn append(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let needed = bytes.len().saturating_add(more.len());
    if needed > bytes.capacity() {
        let mut moved = Zeroizing::new(Vec::with_capacity(needed.max(bytes.capacity().saturating_mul(2))));
        moved.extend_from_slice(bytes);
        *bytes = moved; // the old ones are wiped
    }
    bytes.extend_from_slice(more);
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_all_there() {
        let mut bytes = Zeroizing::new(Vec::new());
        for count in 0..100 {
            append(&mut bytes, &vec![count; usize::from(count)]);
        }
        assert_eq!(bytes.len(), 99 * 100 / 2);
        assert!(bytes.is_sorted());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Some(Secret::new(b"hunter2"))), "Some(Secret(..))");
    }
}
