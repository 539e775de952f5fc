//! Who is not whom the other end expects is refused, on whichever end that is, and so are unknown trust domains.

use anyhow::{Context, ensure};
use kith_mtls::VerifiedPeer;
use tempfile::{TempDir, tempdir};

use crate::authority::{Authority, Files, Keys};
use crate::kith_side::{Kith, reason};
use crate::peer::{Peer, Side};

/// Both ends, and whom each expects.
pub(super) struct Ground {
    authority: Authority,
    kith: Kith,
    files: Files,
    expected_of_kith: String,
    expected_of_peer: String,
    pub(super) tls12: bool,
    folder: TempDir,
}

impl Ground {
    /// Two ends that would understand each other. The peer's authority is `other`, unless both have one.
    pub(super) async fn new(other: Option<Authority>) -> anyhow::Result<Self> {
        let (authority, folder) = (Authority::new("interop.example", Keys::P256)?, tempdir()?);
        let kith = Kith::new(authority.svid("kith")?, authority.bundle()?).await?;
        let of_peer = other.as_ref().unwrap_or(&authority);
        let files = of_peer.files("peer", &authority, folder.path())?;
        let (expected_of_kith, expected_of_peer) = (authority.identity("kith"), of_peer.identity("peer"));
        Ok(Self { authority, kith, files, expected_of_kith, expected_of_peer, tls12: false, folder })
    }

    fn side(&self) -> Side<'_> {
        Side { files: &self.files, expect: self.expected_of_kith.clone(), tls12: self.tls12 }
    }

    /// It calls us, and gets no answer; what we say to that.
    async fn is_not_answered(&self, peer: Peer) -> anyhow::Result<anyhow::Result<VerifiedPeer>> {
        let (side, address) = (self.side(), self.kith.address()?);
        let (answered, called) =
            tokio::join!(self.kith.answer(&self.expected_of_peer), peer.call(&side, address));
        ensure!(called.is_err(), "{peer:?} got an answer; we say {answered:?}");
        Ok(answered)
    }

    /// We call it, and get no answer; what we say to that.
    async fn does_not_answer(&self, peer: Peer) -> anyhow::Result<anyhow::Result<VerifiedPeer>> {
        let server = peer.serve(&self.side()).await.with_context(|| format!("{peer:?}"))?;
        Ok(self.kith.call(server.address, &self.expected_of_peer).await)
    }

    /// We refuse every peer for this reason, whoever calls.
    pub(super) async fn we_refuse(
        &self,
        peers: impl IntoIterator<Item = Peer>,
        wanted: &str,
    ) -> anyhow::Result<()> {
        for peer in peers {
            for met in [self.is_not_answered(peer).await?, self.does_not_answer(peer).await?] {
                ensure!(reason(&met) == wanted, "{peer:?} is to be refused for {wanted}: {met:?}");
            }
        }
        Ok(())
    }

    /// Every peer refuses us: none of our connections ends with its answer, and none for a reason of ours.
    async fn we_are_refused(&self, peers: impl IntoIterator<Item = Peer>) -> anyhow::Result<()> {
        for peer in peers {
            for met in [self.is_not_answered(peer).await?, self.does_not_answer(peer).await?] {
                let is_theirs =
                    ["tls_error", "connection_lost", "after the handshake"].contains(&reason(&met));
                ensure!(met.is_err() && is_theirs, "{peer:?} is to refuse us: {met:?}");
                ensure!(!format!("{met:?}").contains("silent"), "{peer:?} does not say no: {met:?}");
            }
        }
        Ok(())
    }
}

// L10.
#[tokio::test]
async fn a_peer_of_another_identity_is_refused_by_us() -> anyhow::Result<()> {
    let mut ground = Ground::new(None).await?;
    ground.expected_of_peer = ground.authority.identity("somebody-else");
    ground.we_refuse(Peer::ALL, "unexpected_identity").await
}

// L10.
#[tokio::test]
async fn a_peer_that_expects_another_identity_refuses_us() -> anyhow::Result<()> {
    let mut ground = Ground::new(None).await?;
    ground.expected_of_kith = ground.authority.identity("somebody-else");
    ground.we_are_refused(Peer::that_authorize()).await
}

// Conforms: Workload-API 4.6 bundle-of-peer, Workload-API 4.6 no-bundle
#[tokio::test]
async fn a_peer_of_an_unknown_trust_domain_is_refused_by_us() -> anyhow::Result<()> {
    let ground = Ground::new(Some(Authority::new("elsewhere.example", Keys::P256)?)).await?;
    ground.we_refuse(Peer::ALL, "untrusted_domain").await
}

// Conforms: X509-SVID 5.1 signature
#[tokio::test]
async fn a_peer_of_another_authority_that_claims_our_trust_domain_is_refused_by_us() -> anyhow::Result<()> {
    let ground = Ground::new(Some(Authority::new("interop.example", Keys::P256)?)).await?;
    ground.we_refuse(Peer::ALL, "unknown_authority").await
}

#[tokio::test]
async fn a_peer_that_does_not_know_our_trust_domain_refuses_us() -> anyhow::Result<()> {
    let mut ground = Ground::new(None).await?;
    let elsewhere = Authority::new("elsewhere.example", Keys::P256)?;
    // We know it and would answer.
    ground.kith = Kith::new(ground.authority.svid("kith")?, elsewhere.bundle()?).await?;
    ground.files = elsewhere.files("peer", &elsewhere, ground.folder.path())?;
    ground.expected_of_peer = elsewhere.identity("peer");
    ground.we_are_refused(Peer::ALL).await
}
