//! The part of a lifecycle hook's path that nobody can guess. Owns its form and where it comes from; what it is written
//! into is for [`super::probes`].
//!
//! The sidecar answers the kubelet on a port that whoever reaches the pod reaches, too: the kubelet has no identity to
//! prove, and no address of it is believed. A probe is a question, and harmless whoever asks it. A hook is an order (a
//! `preStop` may well be the application's `/shutdown`), so it has to be asked for by a path that stands in the pod
//! alone. Whoever may read the pod knows it; whoever only reaches the port does not.

use std::fmt;

use aws_lc_rs::rand;

const BYTES: usize = 16;

/// 128 random bits, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HookNonce([u8; BYTES]);

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness for the paths of lifecycle hooks; try again")]
pub struct NoRandomness;

impl HookNonce {
    /// A fresh one. Without randomness there is none: a path that can be guessed protects nothing.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(bytes))
    }

    /// One that is known: to compare with, never to write into a pod.
    pub(super) const fn known(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// As it is written into a path.
    pub(super) fn digits(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// Whether this text is one, as it is written.
    pub(super) fn is_one(text: &str) -> bool {
        text.len() == 2 * BYTES && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    }
}

/// Who knows it may run the hooks: it is in no log.
impl fmt::Debug for HookNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookNonce(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_32_digits_which_no_other_has_and_no_log_shows() {
        let nonce = HookNonce::known([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(nonce.digits(), "000102030405060708090a0b0c0d0eff");
        assert!(!format!("{nonce:?}").contains("0001"));
        let (one, other) = (HookNonce::random().unwrap(), HookNonce::random().unwrap());
        assert!(one != other && HookNonce::is_one(&one.digits()));
    }

    #[test]
    fn nothing_else_is_one() {
        for text in [
            "",
            "000102030405060708090a0b0c0d0ef",
            "000102030405060708090a0b0c0d0eff0",
            "000102030405060708090A0B0C0D0EFF",
            "000102030405060708090a0b0c0d0e/f",
            "+00102030405060708090a0b0c0d0eff",
            "ééééééééééééééé0",
        ] {
            assert!(!HookNonce::is_one(text), "{text}");
        }
    }
}
