//! Passwords, cookies, session ids: wiped when they go, never shown.

use std::fmt;

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

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Some(Secret::new(b"hunter2"))), "Some(Secret(..))");
    }
}
