//! The running authority of one trust domain: opened from its sealed file, then shared by everything that mints.
//!
//! Owns the order of things: what is on disk before it is used, and which issuing authority signs now. Signing
//! takes no lock but the short one that fetches the current issuing authority. It does not decide when to
//! replace that one; its owner asks it regularly.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use kith_identity::{Bundle, BundleError, SpiffeId, TrustDomain};

use crate::authority::{Authority, AuthorityError, issuing, root};
use crate::issue::{self, IssueError, Issued, KeyMemory, SubjectKey};
use crate::key_store::{SealKey, SealedFile, SealedFileError};
use crate::lifetimes::{Lifetimes, LifetimesError};
use crate::pem;
use crate::state::{State, StateError, StateRef, Svids};

/// What it takes to open an authority.
#[derive(Debug)]
pub struct OpenOptions {
    /// The sealed file. Created, together with a new root, only if nothing at all stands there.
    pub path: PathBuf,
    /// The key that opens and seals it.
    pub key: SealKey,
    /// Whose authority it is; a file of another trust domain is refused.
    pub trust_domain: TrustDomain,
    /// The lifetimes of what will be minted.
    pub lifetimes: Lifetimes,
    /// The time.
    pub now: SystemTime,
}

/// Why an authority does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The lifetimes make no sense.
    #[error(transparent)]
    Lifetimes(#[from] LifetimesError),
    /// The sealed file is refused.
    #[error(transparent)]
    File(#[from] SealedFileError),
    /// What was sealed is refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// An authority could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The root is no anchor.
    #[error("the root cannot be published")]
    Bundle(#[source] BundleError),
    /// It was opened 2^64 times.
    #[error("the epochs of this authority are used up")]
    Epoch,
}

/// Why an issuing authority was not replaced; the one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The new one could not be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The new state could not be written down.
    #[error(transparent)]
    State(#[from] StateError),
    /// The new state could not be sealed.
    #[error(transparent)]
    File(#[from] SealedFileError),
}

/// A trust domain's certificate authority. Share it as `Arc<Ca>`.
pub struct Ca {
    trust_domain: TrustDomain,
    lifetimes: Lifetimes,
    epoch: u64,
    svids: Svids,
    root: Authority,
    bundle: Bundle,
    issuing: RwLock<Arc<Authority>>,
    /// Also serializes replacements of `issuing`.
    file: Mutex<SealedFile>,
    keys: KeyMemory,
}

impl Ca {
    /// Opens the authority, or makes a new one where no file stands. The new epoch is durable on return.
    pub fn open(options: OpenOptions) -> Result<Self, OpenError> {
        let OpenOptions { path, key, trust_domain, lifetimes, now } = options;
        let lifetimes = lifetimes.checked()?;
        let file = SealedFile::lock(path, key)?;
        let mut state = match file.read()? {
            Some(sealed) => {
                let state = State::decode(&sealed, &trust_domain)?;
                State { svids: state.svids.reopened(lifetimes.svid, now), ..state }
            }
            None => create(&trust_domain, lifetimes, now)?,
        };
        state.epoch = state.epoch.checked_add(1).ok_or(OpenError::Epoch)?;
        if issuing::is_due(state.issuing.validity(), state.root.validity(), lifetimes.issuing, now) {
            state.issuing = issuing::create(&state.root, &trust_domain, lifetimes.issuing, now)?;
        }
        let State { epoch, svids, root, issuing } = state;
        let state = StateRef { trust_domain: &trust_domain, epoch, svids, root: &root, issuing: &issuing };
        file.write(&state.encode()?)?;
        let bundle = Bundle::parse(trust_domain.clone(), &[root.der()]).map_err(OpenError::Bundle)?;
        let keys = KeyMemory::new([root.key().key_hash(), issuing.key().key_hash()]);
        let (issuing, file) = (RwLock::new(Arc::new(issuing)), Mutex::new(file));
        Ok(Self { trust_domain, lifetimes, epoch, svids, root, bundle, issuing, file, keys })
    }

    /// How often this authority was opened, this time included.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Until when an svid may hold that was issued before this opening, whatever lifetime svids had then. `None` for a
    /// new authority.
    pub fn earlier_svids_until(&self) -> Option<SystemTime> {
        self.svids.earlier_until
    }

    /// The trust domain's anchors.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The same as text: what is published for those who have to verify the control plane before they hold an svid.
    pub fn roots_pem(&self) -> String {
        self.bundle.authorities().iter().map(|authority| pem::certificate(authority.der())).collect()
    }

    /// SHA-256 of the root's DER certificate, in hexadecimal.
    pub fn root_sha256(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.root.der());
        digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The last second at which the root holds.
    pub fn root_not_after(&self) -> SystemTime {
        self.root.validity().not_after()
    }

    /// The last second at which the current issuing authority holds.
    pub fn issuing_not_after(&self) -> SystemTime {
        self.issuing().validity().not_after()
    }

    /// Mints an svid for an identity that attestation has proven. Never the reserved one.
    pub fn issue(
        &self,
        identity: &SpiffeId,
        key: &SubjectKey,
        now: SystemTime,
    ) -> Result<Issued, IssueError> {
        if identity.is_reserved() {
            return Err(IssueError::Reserved { identity: identity.clone() });
        }
        self.mint(identity, key, now)
    }

    /// Mints the control plane's own svid. For the control plane's process itself, never on anybody's request.
    pub fn issue_reserved(&self, key: &SubjectKey, now: SystemTime) -> Result<Issued, IssueError> {
        self.mint(&SpiffeId::control_plane(&self.trust_domain), key, now)
    }

    /// Replaces the issuing authority when half of its life is over, or when it begins in the future. Says
    /// whether it did. Svids that the old one signed stay valid: they chain to the same root. Writes the sealed
    /// file, so it blocks for as long as the disk takes to sync.
    pub fn renew_issuing_if_due(&self, now: SystemTime) -> Result<bool, RenewError> {
        // A poisoned lock protects nothing half done: file and authority are replaced whole, or not at all.
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let lifetime = self.lifetimes.issuing;
        if !issuing::is_due(self.issuing().validity(), self.root.validity(), lifetime, now) {
            return Ok(false);
        }
        let next = issuing::create(&self.root, &self.trust_domain, lifetime, now)?;
        let (trust_domain, epoch, svids, root) = (&self.trust_domain, self.epoch, self.svids, &self.root);
        // Sealed before it signs: an authority that signed something is never forgotten by a crash.
        file.write(&StateRef { trust_domain, epoch, svids, root, issuing: &next }.encode()?)?;
        self.keys.add_authority(next.key().key_hash());
        *self.issuing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(true)
    }

    fn mint(&self, identity: &SpiffeId, key: &SubjectKey, now: SystemTime) -> Result<Issued, IssueError> {
        if *identity.trust_domain() != self.trust_domain {
            let (identity, ours) = (identity.clone(), self.trust_domain.clone());
            return Err(IssueError::Foreign { identity, ours });
        }
        if identity.path().is_empty() {
            return Err(IssueError::NoPath { identity: identity.clone() });
        }
        self.keys.claim(key.key_hash(), identity)?;
        let signers = issue::Signers { root: &self.root, issuing: &self.issuing() };
        issue::sign(signers, identity, key, self.lifetimes.svid, now)
    }

    fn issuing(&self) -> Arc<Authority> {
        self.issuing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trust_domain, epoch) = (&self.trust_domain, self.epoch);
        f.debug_struct("Ca")
            .field("trust_domain", trust_domain)
            .field("epoch", &epoch)
            .finish_non_exhaustive()
    }
}

fn create(
    trust_domain: &TrustDomain,
    lifetimes: Lifetimes,
    now: SystemTime,
) -> Result<State, AuthorityError> {
    let root = root::create(trust_domain, lifetimes.root, now)?;
    let issuing = issuing::create(&root, trust_domain, lifetimes.issuing, now)?;
    let svids = Svids { lifetime: lifetimes.svid, earlier_until: None };
    Ok(State { epoch: 0, svids, root, issuing })
}

#[cfg(test)]
mod tests;
