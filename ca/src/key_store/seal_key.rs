//! The key that seals the authority's file. Owns its secrecy in memory; where it comes from is the caller's.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// 32 bytes that open and seal one authority's file. Wiped from memory when dropped, hidden from `Debug`.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Takes the key, and wipes the copy that was handed in.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::SealKey;

    // G4
    #[test]
    fn debug_shows_no_byte_of_the_key() {
        assert_eq!(format!("{:?}", SealKey::from_bytes([7; 32])), "SealKey(..)");
    }
}
