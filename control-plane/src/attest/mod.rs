//! Who asks for an svid, and which of an identity's workloads speaks? Evidence in, `Attested` out. Each kind of
//! evidence has a file; none of them looks at what the caller says about itself.

pub(crate) mod pod_token;
pub mod statement;
mod supervised;

pub use statement::{StatementClaims, StatementSigner};
pub use supervised::{StatementError, StatementVerifier};

use std::net::IpAddr;
use std::time::SystemTime;

use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;
use kith_mtls::VerifiedPeer;
use kith_proto::v1::issue_request::Evidence;
use tonic::Status;

use crate::index::{Unknown, WorkloadId, Worlds};

use self::pod_token::{PodTokenError, PodTokens};

/// What evidence proved: this workload may have an svid of this identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attested {
    /// Which one asks.
    pub(crate) workload: WorkloadId,
    /// Whose svid.
    pub(crate) identity: SpiffeId,
    /// The only key that the evidence is for; `None` when it names none, and holds for the connection that it came over.
    pub(crate) key_hash: Option<KeyHash>,
}

/// How workloads of this installation prove themselves.
pub(crate) enum Attestor {
    /// By statements of the supervisor that started them, in local mode.
    Supervised(StatementVerifier),
    /// By the token that the kubelet projects into each pod, in a cluster.
    Pods(Box<PodTokens>),
}

/// What a connection itself tells of who is at its other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection<'a> {
    /// Who it proved to be, if it showed an svid.
    pub(crate) peer: Option<&'a VerifiedPeer>,
    /// Where it came from, if that is a network.
    pub(crate) address: Option<IpAddr>,
}

/// Why evidence attests nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAttested {
    #[error("the request has no evidence of who asks")]
    NoEvidence,
    #[error("this control plane does not take evidence of this kind")]
    OtherKind,
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    PodToken(#[from] PodTokenError),
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl Attestor {
    /// Whether a stream begins with the word of which workload speaks, because svids do not tell.
    pub(crate) fn asks_speakers(&self) -> bool {
        match self {
            Self::Supervised(_) => false,
            Self::Pods(_) => true,
        }
    }

    /// Uses the evidence up, where it is good for one use.
    pub(crate) async fn attest(
        &self,
        evidence: Option<Evidence>,
        connection: Connection<'_>,
        worlds: &Worlds,
        now: SystemTime,
    ) -> Result<Attested, NotAttested> {
        match (self, evidence.ok_or(NotAttested::NoEvidence)?) {
            (Self::Supervised(verifier), Evidence::Supervised(statement)) => {
                let (identity, key_hash) = verifier.verify(&statement, now)?;
                // In local mode an identity has one workload.
                let workload = worlds.now().any_of(&identity)?.id.clone();
                Ok(Attested { workload, identity, key_hash: Some(key_hash) })
            }
            (Self::Pods(tokens), Evidence::PodToken(token)) => {
                tokens.attest(token, connection, worlds, now).await
            }
            (Self::Supervised(_), Evidence::PodToken(_)) | (Self::Pods(_), Evidence::Supervised(_)) => {
                Err(NotAttested::OtherKind)
            }
        }
    }

    /// Which workload is at the other end of a stream whose svid proved `peer`. `pod_token` is what it said first.
    pub(crate) async fn speaker(
        &self,
        peer: &VerifiedPeer,
        pod_token: String,
        connection: Connection<'_>,
        worlds: &Worlds,
        now: SystemTime,
    ) -> Result<WorkloadId, NotAttested> {
        match self {
            Self::Supervised(_) if pod_token.is_empty() => {
                Ok(worlds.now().any_of(peer.identity())?.id.clone())
            }
            Self::Supervised(_) => Err(NotAttested::OtherKind),
            Self::Pods(tokens) => tokens.speaker(pod_token, peer, connection, worlds, now).await,
        }
    }
}

impl From<NotAttested> for Status {
    fn from(error: NotAttested) -> Self {
        let text = error.to_string();
        match error {
            NotAttested::NoEvidence => Self::invalid_argument(text),
            // A fresh statement helps against it.
            NotAttested::Statement(StatementError::MemoryFull) => Self::resource_exhausted(text),
            NotAttested::Statement(_) | NotAttested::OtherKind => Self::permission_denied(text),
            NotAttested::PodToken(error) => error.into(),
            NotAttested::Unknown(unknown) => unknown.into(),
        }
    }
}
