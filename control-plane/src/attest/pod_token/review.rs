//! Whether the API server's answer vouches for what a token claims. Pure. An answer that leaves something out vouches
//! for nothing.

use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use kith_proto::pod::TOKEN_AUDIENCE;

use super::error::PodTokenError;
use super::token::Claims;

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

/// Every claim that we go by, as the API server read it from the same token.
pub(super) fn judge(status: &TokenReviewStatus, claims: &Claims) -> Result<(), PodTokenError> {
    let doubtful = status.error.as_deref().is_some_and(|error| !error.is_empty());
    if status.authenticated != Some(true) || doubtful {
        return Err(PodTokenError::Rejected);
    }
    // U2: an API server that knows no audiences accepts a token of any.
    if !status.audiences.iter().flatten().any(|audience| audience == TOKEN_AUDIENCE) {
        return Err(PodTokenError::Audience);
    }
    let user = status.user.as_ref().ok_or(PodTokenError::Disagree("user"))?;
    let account = format!("system:serviceaccount:{}:{}", claims.namespace, claims.service_account);
    if user.username.as_deref() != Some(&account) {
        return Err(PodTokenError::Disagree("service account"));
    }
    // U6, K30: the account of today, not one of the same name from before.
    if user.uid.as_deref() != Some(&claims.service_account_uid) {
        return Err(PodTokenError::Disagree("service account's uid"));
    }
    let extra = |key| match user.extra.as_ref().and_then(|extra| extra.get(key)).map(Vec::as_slice) {
        None => Ok(None),
        Some([value]) => Ok(Some(value.as_str())),
        Some(_) => Err(PodTokenError::Disagree("pod")),
    };
    if extra(POD_NAME)? != Some(&claims.pod) || extra(POD_UID)? != Some(&claims.pod_uid) {
        return Err(PodTokenError::Disagree("pod"));
    }
    // A4: older API servers do not tell the node.
    match extra(NODE_NAME)? {
        Some(node) if claims.node.as_deref() != Some(node) => Err(PodTokenError::Disagree("node")),
        _ => Ok(()),
    }
}
