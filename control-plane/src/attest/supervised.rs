//! May this statement of the local supervisor be used? Owns the memory that makes each of them good for one use.
//! The supervisor has checked that the process is its own child and alive; its format is `statement`'s.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kith_identity::svid::KeyHash;
use kith_identity::{SpiffeId, TrustDomain};

use super::statement::{FormatError, INSTANCE_BYTES, LIFETIME, Nonce, Opened, open};

/// A used nonce is kept this much longer than its statement holds, so that a clock set back a little does not
/// make a used statement new.
const MEMORY_MARGIN: Duration = Duration::from_secs(60);
/// At one statement per millisecond the memory is full; nobody honest comes near.
const MAX_REMEMBERED: usize = 65_536;

/// Why a statement attests nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It is not a statement, or not the supervisor's.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It was meant for another start of the control plane.
    #[error("the statement is for another start of the control plane; ask the supervisor for a new one")]
    OtherInstance,
    /// It is too old.
    #[error("the statement expired; ask the supervisor for a new one")]
    Expired,
    /// It claims to hold longer than any statement may.
    #[error("the statement holds for longer than {} seconds", LIFETIME.as_secs())]
    TooLong,
    /// The identity is of another trust domain.
    #[error("{identity} is not of the trust domain {trust_domain}")]
    Foreign {
        /// The identity in the statement.
        identity: SpiffeId,
        /// Ours.
        trust_domain: TrustDomain,
    },
    /// The identity is the control plane's own, which is minted in process and never granted.
    #[error("{0} is reserved for the control plane")]
    Reserved(SpiffeId),
    /// It was used before.
    #[error("the statement was used before; ask the supervisor for a new one")]
    Used,
    /// The memory is full, so a repetition could not be told from a first use.
    #[error("too many statements in the last {} seconds", LIFETIME.as_secs() + MEMORY_MARGIN.as_secs())]
    MemoryFull,
}

/// Verifies statements for one start of the control plane.
#[derive(Debug)]
pub struct StatementVerifier {
    public_key: Vec<u8>,
    instance: [u8; INSTANCE_BYTES],
    trust_domain: TrustDomain,
    used: Mutex<Used>,
}

impl StatementVerifier {
    /// Statements are signed by the holder of `public_key` and name `instance`.
    pub fn new(public_key: Vec<u8>, instance: [u8; INSTANCE_BYTES], trust_domain: TrustDomain) -> Self {
        Self { public_key, instance, trust_domain, used: Mutex::default() }
    }

    /// Uses a statement up: the identity that may have an svid over this key, and over no other. Whether it is one of
    /// the workloads is for the caller to check: the list changes, the statement does not.
    pub fn verify(&self, bytes: &[u8], now: SystemTime) -> Result<(SpiffeId, KeyHash), StatementError> {
        let Opened { claims, nonce } = open(&self.public_key, bytes)?;
        if claims.instance != self.instance {
            return Err(StatementError::OtherInstance);
        }
        if claims.expires <= now {
            return Err(StatementError::Expired);
        }
        if claims.expires > now + LIFETIME {
            return Err(StatementError::TooLong);
        }
        if *claims.identity.trust_domain() != self.trust_domain {
            let trust_domain = self.trust_domain.clone();
            return Err(StatementError::Foreign { identity: claims.identity, trust_domain });
        }
        if claims.identity.is_reserved() {
            return Err(StatementError::Reserved(claims.identity));
        }
        // Last, so that only a statement which would have been accepted takes room in the memory.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.remember(nonce, claims.expires, now, MAX_REMEMBERED)?;
        Ok((claims.identity, claims.key_hash))
    }
}

/// The nonces of statements that could still be repeated.
#[derive(Debug, Default)]
struct Used {
    nonces: HashSet<Nonce>,
    by_expiry: BTreeSet<(SystemTime, Nonce)>,
}

impl Used {
    fn remember(
        &mut self,
        nonce: Nonce,
        expires: SystemTime,
        now: SystemTime,
        most: usize,
    ) -> Result<(), StatementError> {
        self.forget(now);
        if self.nonces.contains(&nonce) {
            return Err(StatementError::Used);
        }
        if self.nonces.len() >= most {
            return Err(StatementError::MemoryFull);
        }
        self.nonces.insert(nonce);
        self.by_expiry.insert((expires, nonce));
        Ok(())
    }

    fn forget(&mut self, now: SystemTime) {
        while let Some(&(expires, nonce)) = self.by_expiry.first() {
            if expires + MEMORY_MARGIN > now {
                return;
            }
            self.by_expiry.pop_first();
            self.nonces.remove(&nonce);
        }
    }
}

#[cfg(test)]
mod tests;
