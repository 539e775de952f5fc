//! What attestation asks of the API server: two questions, each answered or not. A trait, so that what needs a
//! stopped clock can be tested: limits, pauses, and answers that never come.

use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::Pod;

use super::token::Token;

/// There was no answer: an error, a limit, or nobody there. The reason is logged where it is known; to whoever waits
/// they are all the same (U3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Away;

/// The API server, as attestation needs it.
pub(crate) trait Platform: Send + Sync {
    /// Whose token it is, for our audience.
    fn review<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<TokenReviewStatus, Away>>;

    /// The pod of this name; `None` when there is none.
    fn pod<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Pod>, Away>>;
}
