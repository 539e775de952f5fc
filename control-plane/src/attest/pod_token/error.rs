//! Why a pod's token attests nobody. Owns the sentences, which go to whoever sent the token: they say what to change,
//! and nothing of the token or of others.

use std::net::IpAddr;
use std::time::Duration;

use kith_identity::SpiffeId;
use kith_proto::pod::TOKEN_AUDIENCE;
use tonic::Status;

/// What is wrong with a token, its pod, or the way it came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PodTokenError {
    /// U8
    #[error("the evidence is not a pod's token: {0}")]
    Malformed(&'static str),
    /// U1, U2
    #[error("the token is not for {TOKEN_AUDIENCE:?}; project one with that audience")]
    Audience,
    /// U4
    #[error("the token is not bound to a pod; project one, because a secret's token proves nobody")]
    NotBound,
    /// U7
    #[error("the token has expired; read it again, the kubelet renews it")]
    Expired,
    #[error("{0} is reserved for the control plane, and never granted")]
    Reserved(SpiffeId),
    #[error("the API server does not accept the token")]
    Rejected,
    #[error("the API server and the token name another {0}")]
    Disagree(&'static str),
    /// U10
    #[error("too many tokens were not accepted; try again in {} ms", .after.as_millis())]
    TooMany { after: Duration },
    /// U3
    #[error("the API server cannot be asked about the token now; try again")]
    Away,
    /// C15
    #[error("there is no pod of the token's name any more")]
    NoPod,
    #[error("the pod of that name is another one than the token's")]
    OtherPod,
    /// A4, U5
    #[error("the token is of another node than the one that its pod runs on")]
    OtherNode,
    #[error("the service account of the pod is another one than the token's")]
    OtherServiceAccount,
    #[error("the pod has ended")]
    Ended,
    #[error("the pod has no sidecar and is outside the mesh; restart it where its namespace is labelled")]
    NotInMesh,
    /// U11
    #[error("the token came from {0}, which is not an address of its pod")]
    OtherAddress(IpAddr),
    #[error("the svid is of {0}, the token of another identity")]
    OtherPeer(SpiffeId),
}

impl PodTokenError {
    /// A stable code for metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "token_malformed",
            Self::Audience => "token_audience",
            Self::NotBound => "token_not_bound",
            Self::Expired => "token_expired",
            Self::Reserved(_) => "reserved",
            Self::Rejected => "token_rejected",
            Self::Disagree(_) => "token_disagrees",
            Self::TooMany { .. } => "too_many_tokens",
            Self::Away => "api_server_away",
            Self::NoPod | Self::OtherPod | Self::Ended => "pod_gone",
            Self::OtherNode => "pod_node",
            Self::OtherServiceAccount => "pod_service_account",
            Self::NotInMesh => "pod_not_in_mesh",
            Self::OtherAddress(_) => "token_address",
            Self::OtherPeer(_) => "other_peer",
        }
    }
}

impl From<PodTokenError> for Status {
    fn from(error: PodTokenError) -> Self {
        let text = error.to_string();
        match error {
            PodTokenError::Malformed(_) => Self::invalid_argument(text),
            PodTokenError::TooMany { .. } => Self::resource_exhausted(text),
            PodTokenError::Away => Self::unavailable(text),
            PodTokenError::Audience
            | PodTokenError::NotBound
            | PodTokenError::Expired
            | PodTokenError::Reserved(_)
            | PodTokenError::Rejected
            | PodTokenError::Disagree(_)
            | PodTokenError::NoPod
            | PodTokenError::OtherPod
            | PodTokenError::OtherNode
            | PodTokenError::OtherServiceAccount
            | PodTokenError::Ended
            | PodTokenError::NotInMesh
            | PodTokenError::OtherAddress(_)
            | PodTokenError::OtherPeer(_) => Self::permission_denied(text),
        }
    }
}
