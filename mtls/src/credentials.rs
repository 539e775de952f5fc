//! What a process proves itself with and trusts, live. Owns the reading at the start of each handshake, and what all
//! handshakes by it share: the choice of key exchanges, the memory of verified chains, and the keys of tickets. Who writes the
//! other ends of the channels is for the caller.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::BundleSet;
use rustls::NamedGroup;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::ClientHello;
use tokio::sync::watch;

use crate::accept::Accept;
use crate::chain::ChainError;
use crate::chain_memory::ChainMemory;
use crate::error::{HandshakeError, Refusal};
use crate::key_exchange::KeyExchange;
use crate::now::Now;
use crate::path::Role;
use crate::provider;
use crate::resumption::{Resumption, Tickets};
use crate::svid::Svid;
use crate::verified_chain::VerifiedChain;
use crate::verified_peer::Expectation;
use crate::verifier::Outcome;

/// The newest svid and bundles. A change takes effect at the next handshake; sessions that exist keep what
/// proved them, and their end (`Session::ends_at`).
#[derive(Debug, Clone)]
pub struct Credentials {
    svid: watch::Receiver<Option<Arc<Svid>>>,
    bundles: watch::Receiver<Arc<BundleSet>>,
    now: Now,
    key_exchange: KeyExchange,
    memory: ChainMemory,
    resumption: Arc<Resumption>,
}

impl Credentials {
    /// Reads both channels anew at each handshake.
    pub fn new(
        svid: watch::Receiver<Option<Arc<Svid>>>,
        bundles: watch::Receiver<Arc<BundleSet>>,
        now: Now,
    ) -> Self {
        let (key_exchange, memory, resumption) = Default::default();
        Self { svid, bundles, now, key_exchange, memory, resumption }
    }

    /// With another choice of key exchanges than [`KeyExchange::PreferPq`].
    #[must_use]
    pub fn with_key_exchange(self, key_exchange: KeyExchange) -> Self {
        Self { key_exchange, ..self }
    }

    /// The newest svid, whether or not it still holds.
    pub fn svid(&self) -> Option<Arc<Svid>> {
        self.svid.borrow().clone()
    }

    /// The newest bundles.
    pub fn bundles(&self) -> Arc<BundleSet> {
        self.bundles.borrow().clone()
    }

    /// The time that certificates are judged at.
    pub fn now(&self) -> &Now {
        &self.now
    }

    /// Judges a chain (DER, the end certificate first) as a handshake that begins now would, with what is remembered. Nobody
    /// has proved to have its key by that, so this adds nothing to it.
    pub fn verify_chain(
        &self,
        chain: &[Vec<u8>],
        accept: &Accept,
        role: Role,
    ) -> Result<Arc<VerifiedChain>, Refusal> {
        let certificates: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let (end_entity, intermediates) = certificates.split_first().ok_or(ChainError::Empty)?;
        let (bundles, now) = (self.bundles(), self.now.get());
        let chain = self.memory.verify(end_entity, intermediates, &bundles, role, now)?;
        chain.check_expected(accept)?;
        Ok(chain)
    }

    /// What a handshake that begins now holds its peer against. All that share these credentials share what they remember.
    pub(crate) fn expectation(&self, accept: Accept, role: Role) -> Expectation {
        Expectation { bundles: self.bundles(), memory: self.memory.clone(), accept, role }
    }

    /// Tickets for a foreign client whom `outcome` judges. All that share these credentials open each other's.
    pub(crate) fn tickets(
        &self,
        own: &Arc<Svid>,
        bundles: &Arc<BundleSet>,
        epoch: u64,
        outcome: Outcome,
    ) -> Result<Arc<Tickets>, rustls::Error> {
        let sealer = self.resumption.sealer(own, bundles, epoch)?;
        Ok(Arc::new(Tickets::new(sealer, own, outcome, self.now.clone())))
    }

    /// The cryptography of each handshake that we open.
    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        provider::provider_for(self.key_exchange)
    }

    /// That of one which begins with this hello. The library would follow the client's order of groups; ours counts, so
    /// whoever knows the hybrid at all is asked for it.
    pub(crate) fn provider_to_answer(&self, hello: &ClientHello<'_>) -> Arc<CryptoProvider> {
        let groups = hello.named_groups().unwrap_or_default();
        let is_known = groups.contains(&NamedGroup::X25519MLKEM768);
        provider::provider_for(if is_known { KeyExchange::RequirePq } else { self.key_exchange })
    }

    /// The newest svid.
    pub(crate) fn own_svid(&self) -> Result<Arc<Svid>, HandshakeError> {
        self.svid().ok_or(HandshakeError::NoOwnSvid)
    }

    /// The newest svid if it holds now: a client with any other does not even begin.
    pub(crate) fn current_svid(&self) -> Result<Arc<Svid>, HandshakeError> {
        let svid = self.own_svid()?;
        self.check_time(&svid)?;
        Ok(svid)
    }

    /// Whether an own svid holds now.
    pub(crate) fn check_time(&self, svid: &Svid) -> Result<(), HandshakeError> {
        match position_of(self.now.get(), svid) {
            Position::Within => Ok(()),
            Position::Before(ahead) => {
                Err(HandshakeError::OwnSvidNotYetValid { identity: svid.identity().clone(), ahead })
            }
            Position::After(ago) => {
                Err(HandshakeError::OwnSvidExpired { identity: svid.identity().clone(), ago })
            }
        }
    }
}

/// Where a time lies relative to an svid's validity.
enum Position {
    Before(Duration),
    Within,
    After(Duration),
}

fn position_of(now: SystemTime, svid: &Svid) -> Position {
    match (svid.not_before().duration_since(now), now.duration_since(svid.not_after())) {
        (Ok(ahead), _) if !ahead.is_zero() => Position::Before(ahead),
        (_, Ok(ago)) if !ago.is_zero() => Position::After(ago),
        _ => Position::Within,
    }
}
