//! A projected token before anybody vouches for it: its form, and what it claims. Owns every check that costs nothing,
//! so that what cannot be good never reaches the API server (U8). Nothing here is proof: the signature is the API
//! server's to check.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kith_identity::{SpiffeId, TrustDomain, is_name};
use kith_proto::pod::TOKEN_AUDIENCE;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::PodTokenError;

/// A projected token has one to two kilobytes.
const MAX_BYTES: usize = 8 * 1024;
/// A projected token has one.
const MAX_AUDIENCES: usize = 8;
/// RFC 1123.
const MAX_LABEL: usize = 63;
/// Kubernetes makes them of 36 characters; mirror pods have others.
const MAX_UID: usize = 64;

/// A token, which is as good as a key for as long as it holds: never shown (U9), wiped when dropped.
pub(crate) struct Token(Zeroizing<String>);

/// Names a token in memory without being one.
pub(super) type Digest = [u8; 32];

impl Token {
    /// Takes the text over.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the API server, and for nobody else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text.
    pub(super) fn digest(&self) -> Digest {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        octets
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a token says of the pod that it was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) pod_uid: String,
    pub(super) service_account: String,
    pub(super) service_account_uid: String,
    /// The node that the kubelet asked for it on; API servers before 1.32 may leave it out.
    pub(super) node: Option<String>,
    expires: SystemTime,
}

#[derive(Deserialize)]
struct Wire {
    iss: Option<String>,
    aud: Option<Audiences>,
    exp: Option<u64>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    pod: Option<Named>,
    serviceaccount: Option<Named>,
    node: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    uid: String,
}

impl Claims {
    /// Reads a token of the right form that claims to be for us and bound to a pod. Whether it has expired is asked apart.
    pub(super) fn read(token: &Token) -> Result<Self, PodTokenError> {
        let wire = payload(token.expose())?;
        match wire.aud {
            Some(Audiences::One(audience)) if audience == TOKEN_AUDIENCE => {}
            Some(Audiences::Several(audiences))
                if audiences.len() <= MAX_AUDIENCES && audiences.iter().any(|it| it == TOKEN_AUDIENCE) => {}
            _ => return Err(PodTokenError::Audience),
        }
        if wire.iss.is_none_or(|issuer| issuer.is_empty()) {
            return Err(PodTokenError::Malformed("it names no issuer"));
        }
        let Some((Kubernetes { namespace, pod: Some(pod), serviceaccount: Some(account), node }, exp)) =
            wire.kubernetes.zip(wire.exp)
        else {
            return Err(PodTokenError::NotBound);
        };
        let node = node.map(|node| node.name);
        // U12
        let good = is_label(&namespace)
            && [&pod.name, &account.name].into_iter().chain(&node).all(|name| is_name(name))
            && is_uid(&pod.uid)
            && is_uid(&account.uid);
        if !good {
            return Err(PodTokenError::Malformed("a name in it is none that Kubernetes gives"));
        }
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(exp));
        Ok(Self {
            namespace,
            pod: pod.name,
            pod_uid: pod.uid,
            service_account: account.name,
            service_account_uid: account.uid,
            node,
            expires: expires.ok_or(PodTokenError::Malformed("its end is no time"))?,
        })
    }

    /// By our own clock, whatever leeway others give (U7).
    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires <= now
    }

    /// Whose svid it asks for. The reserved one is nobody's to ask for.
    pub(super) fn identity(&self, trust_domain: &TrustDomain) -> Result<SpiffeId, PodTokenError> {
        let identity = SpiffeId::for_service_account(trust_domain, &self.namespace, &self.service_account)
            .map_err(|_| PodTokenError::Malformed("its names make no identity"))?;
        if identity.is_reserved() { Err(PodTokenError::Reserved(identity)) } else { Ok(identity) }
    }
}

/// The middle of three parts. What the library says of a malformed one is not repeated: it may quote it.
fn payload(token: &str) -> Result<Wire, PodTokenError> {
    if token.len() > MAX_BYTES {
        return Err(PodTokenError::Malformed("it is longer than 8192 bytes"));
    }
    let parts: Vec<_> = token.split('.').collect();
    let is_base64url = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let [_, payload, _] = parts.as_slice() else {
        return Err(PodTokenError::Malformed("it has not three parts"));
    };
    if !parts.iter().all(is_base64url) {
        return Err(PodTokenError::Malformed("a part of it is not base64url"));
    }
    let json = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| PodTokenError::Malformed("a part of it is not base64url"))?;
    serde_json::from_slice(&json)
        .map_err(|_| PodTokenError::Malformed("its claims are not those of a service account"))
}

fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && !text.contains('.') && is_name(text)
}

fn is_uid(text: &str) -> bool {
    (1..=MAX_UID).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests;
