//! What is sealed: the epoch, the two authorities with their keys, and a bound on the svids that exist. Owns the mapping
//! to and from JSON; the sealing itself is the key store's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kith_identity::TrustDomain;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::authority::{Authority, AuthorityError};
use crate::key_store::{KeyError, SigningKey};
use crate::lifetimes::MAX_SVID;
use crate::validity::LAST_SECOND;

const VERSION: u32 = 1;
/// Larger than the state ever is, so that the buffer with the keys is never moved while it is written.
const ROOM: usize = 16 * 1024;

/// Why a state cannot be used although its seal held.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not the JSON that we write.
    #[error("the sealed state cannot be read")]
    Json(#[source] serde_json::Error),
    /// Written by another version.
    #[error("the sealed state has version {found}, this build reads {VERSION}; use the build that wrote it")]
    Version {
        /// The version it says.
        found: u32,
    },
    /// The state of another trust domain (C23).
    #[error("the sealed state belongs to trust domain {found:?}, not to {wanted}; use another file")]
    TrustDomain {
        /// The trust domain it says.
        found: String,
        /// The trust domain that was asked for.
        wanted: TrustDomain,
    },
    /// A key or a certificate is not base64.
    #[error("the {role} authority in the sealed state is not base64")]
    Base64 {
        /// Whose it is.
        role: &'static str,
        /// What the decoder said.
        #[source]
        source: base64::DecodeError,
    },
    /// An authority's key or certificate is wrong.
    #[error("the {role} authority in the sealed state cannot be used")]
    Authority {
        /// Which.
        role: &'static str,
        /// What is wrong with it.
        #[source]
        source: AuthorityError,
    },
    /// An authority's key cannot be written.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Everything that survives a restart.
pub(crate) struct State {
    pub(crate) epoch: u64,
    pub(crate) svids: Svids,
    pub(crate) root: Authority,
    pub(crate) issuing: Authority,
}

/// What bounds the svids that exist, none of which is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Svids {
    /// How long those live that are issued since the authority was opened last.
    pub(crate) lifetime: Duration,
    /// Until when one may hold that was issued before; `None` when there was no before.
    pub(crate) earlier_until: Option<SystemTime>,
}

/// The same, borrowed for writing: the running `Ca` shares its authorities with those who sign.
pub(crate) struct StateRef<'a> {
    pub(crate) trust_domain: &'a TrustDomain,
    pub(crate) epoch: u64,
    pub(crate) svids: Svids,
    pub(crate) root: &'a Authority,
    pub(crate) issuing: &'a Authority,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    trust_domain: String,
    epoch: u64,
    /// Missing in states of builds that did not keep it: then an svid may have the longest life that there is.
    #[serde(default = "longest_svid_seconds")]
    svid_seconds: u64,
    /// Since 1970.
    #[serde(default)]
    earlier_svids_until_seconds: Option<u64>,
    root: KeyAndCertificate,
    issuing: KeyAndCertificate,
}

/// Both in base64; the key is PKCS#8.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyAndCertificate {
    key: String,
    certificate: String,
}

impl StateRef<'_> {
    /// The JSON to seal, wiped from memory when dropped.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, StateError> {
        let document = Document {
            version: VERSION,
            trust_domain: self.trust_domain.to_string(),
            epoch: self.epoch,
            svid_seconds: seconds_up(self.svids.lifetime),
            earlier_svids_until_seconds: self.svids.earlier_until.map(seconds_of),
            root: KeyAndCertificate::of(self.root)?,
            issuing: KeyAndCertificate::of(self.issuing)?,
        };
        let mut json = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *json, &document).map_err(StateError::Json)?;
        Ok(json)
    }
}

impl State {
    /// Reads what `encode` wrote, for one trust domain.
    pub(crate) fn decode(json: &[u8], wanted: &TrustDomain) -> Result<Self, StateError> {
        let document: Document = serde_json::from_slice(json).map_err(StateError::Json)?;
        if document.version != VERSION {
            return Err(StateError::Version { found: document.version });
        }
        if document.trust_domain != wanted.as_str() {
            let found = document.trust_domain.clone();
            return Err(StateError::TrustDomain { found, wanted: wanted.clone() });
        }
        Ok(Self {
            epoch: document.epoch,
            svids: document.svids(),
            root: document.root.authority("root", wanted)?,
            issuing: document.issuing.authority("issuing", wanted)?,
        })
    }
}

impl Document {
    /// A time beyond what the clock can name is as late as one that it can.
    fn svids(&self) -> Svids {
        let until = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND));
        Svids {
            lifetime: Duration::from_secs(self.svid_seconds).min(MAX_SVID),
            earlier_until: self.earlier_svids_until_seconds.map(until),
        }
    }
}

impl Svids {
    /// What is so once the authority is opened again: whatever it issued was issued before now.
    pub(crate) fn reopened(self, lifetime: Duration, now: SystemTime) -> Self {
        let latest = now + self.lifetime;
        let earlier_until = self.earlier_until.map_or(latest, |until| until.max(latest));
        Self { lifetime, earlier_until: Some(earlier_until) }
    }
}

fn longest_svid_seconds() -> u64 {
    MAX_SVID.as_secs()
}

/// Rounded up: a bound may only be too late.
fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Nothing was issued that ended before 1970.
fn seconds_of(time: SystemTime) -> u64 {
    seconds_up(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl KeyAndCertificate {
    fn of(authority: &Authority) -> Result<Self, StateError> {
        let key = authority.key().to_pkcs8()?;
        Ok(Self { key: STANDARD.encode(key.as_ref()), certificate: STANDARD.encode(authority.der()) })
    }

    fn authority(&self, role: &'static str, trust_domain: &TrustDomain) -> Result<Authority, StateError> {
        let not_base64 = |source| StateError::Base64 { role, source };
        let unusable = |source| StateError::Authority { role, source };
        let key = Zeroizing::new(STANDARD.decode(&self.key).map_err(not_base64)?);
        let key = SigningKey::from_pkcs8(&key).map_err(|error| unusable(error.into()))?;
        let certificate = STANDARD.decode(&self.certificate).map_err(not_base64)?;
        Authority::new(certificate, key, trust_domain).map_err(unusable)
    }
}

#[cfg(test)]
mod tests;
