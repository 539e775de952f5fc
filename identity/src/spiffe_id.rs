//! An identity as a value: `spiffe://trust-domain/path`, parsed once (SPIFFE-ID §2).
//!
//! Also owns the one shape that Kith itself mints, `/ns/NAMESPACE/sa/SERVICE-ACCOUNT`, and the reserved name of
//! the control plane. A foreign identity of any other valid path is an identity all the same.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::trust_domain::{TrustDomain, TrustDomainError, char_at};

/// SPIFFE-ID §2.3: identities of up to 2048 bytes must be supported; longer ones we refuse.
const MAX_BYTES: usize = 2048;
const SCHEME: &str = "spiffe://";
/// Kubernetes names (RFC 1123 subdomains) have at most 253 bytes.
const MAX_NAME_BYTES: usize = 253;
const RESERVED_NAMESPACE: &str = "kith";
const RESERVED_SERVICE_ACCOUNT: &str = "kith-control-plane";

/// A valid SPIFFE ID.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: Arc<str>,
    trust_domain: TrustDomain,
}

/// The namespace and the name in an identity of Kith's own shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceAccount<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The service account's name.
    pub name: &'a str,
}

/// Why a text is not a SPIFFE ID. Offsets count bytes from the start of the whole text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdError {
    /// SPIFFE-ID §2: the scheme is not `spiffe`.
    #[error("a SPIFFE ID starts with \"spiffe://\"; byte {offset} is the first that differs")]
    Scheme {
        /// The first byte that differs.
        offset: usize,
    },
    /// SPIFFE-ID §2.3: too long.
    #[error("the SPIFFE ID has {length} bytes, more than 2048; byte {offset} is the first too many")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The first byte too many.
        offset: usize,
    },
    /// SPIFFE-ID §2.1: what is wrong with the trust domain.
    #[error(transparent)]
    TrustDomain(#[from] TrustDomainError),
    /// SPIFFE-ID §2.2: an empty segment, or a trailing slash.
    #[error("the path has an empty segment at byte {offset}")]
    EmptySegment {
        /// Where the segment should start.
        offset: usize,
    },
    /// SPIFFE-ID §2.2: a segment `.` or `..`.
    #[error("the path has a relative segment (\".\" or \"..\") at byte {offset}")]
    RelativeSegment {
        /// Where the segment starts.
        offset: usize,
    },
    /// SPIFFE-ID §2.2: a byte outside `[a-zA-Z0-9.-_]`; query, fragment and percent-encoding end here too.
    #[error("byte {offset} is {found:?}; only a-z, A-Z, 0-9, '.', '-' and '_' may stand in a path")]
    Byte {
        /// Where.
        offset: usize,
        /// What stands there.
        found: char,
    },
    /// A namespace or service account that is not a Kubernetes name, so that it can never smuggle in a path.
    #[error(
        "{name:?} is not a name of [a-z0-9.-], starting and ending with a letter or digit, of 1 to 253 bytes"
    )]
    Name {
        /// The name that was given.
        name: String,
    },
}

impl SpiffeIdError {
    /// The byte of the whole text at which it is wrong; the first of a name that is none.
    pub fn offset(&self) -> usize {
        match self {
            Self::Scheme { offset }
            | Self::TooLong { offset, .. }
            | Self::EmptySegment { offset }
            | Self::RelativeSegment { offset }
            | Self::Byte { offset, .. } => *offset,
            Self::TrustDomain(error) => error.offset(),
            Self::Name { .. } => 0,
        }
    }

    /// The section of the standard with the rule that is broken.
    pub fn section(&self) -> &'static str {
        match self {
            Self::Scheme { .. } => "SPIFFE-ID 2",
            Self::TooLong { .. } => "SPIFFE-ID 2.3",
            Self::TrustDomain(error) => error.section(),
            Self::EmptySegment { .. }
            | Self::RelativeSegment { .. }
            | Self::Byte { .. }
            | Self::Name { .. } => "SPIFFE-ID 2.2",
        }
    }
}

impl SpiffeId {
    /// Parses an identity. §2.4 lets a reader fold the case of scheme and trust domain; what is presented to us is in
    /// lower case or refused, so that no identity has two spellings.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAX_BYTES {
            return Err(SpiffeIdError::TooLong { length: text.len(), offset: MAX_BYTES });
        }
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| SpiffeIdError::Scheme {
            offset: text.bytes().zip(SCHEME.bytes()).take_while(|(found, wanted)| found == wanted).count(),
        })?;
        let (domain, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let trust_domain = TrustDomain::parse_within(domain, SCHEME.len())?;
        check_path(path, text.len() - path.len())?;
        Ok(Self { text: text.into(), trust_domain })
    }

    /// The identity that Kith mints for a service account.
    pub fn for_service_account(
        trust_domain: &TrustDomain,
        namespace: &str,
        name: &str,
    ) -> Result<Self, SpiffeIdError> {
        check_name(namespace)?;
        check_name(name)?;
        Self::parse(&format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{name}"))
    }

    /// The reserved identity of the control plane.
    pub fn control_plane(trust_domain: &TrustDomain) -> Self {
        let text = format!("{SCHEME}{trust_domain}/ns/{RESERVED_NAMESPACE}/sa/{RESERVED_SERVICE_ACCOUNT}");
        Self { text: text.into(), trust_domain: trust_domain.clone() }
    }

    /// Whether this is the control plane's identity, which `Issue` never grants, in whichever trust domain.
    pub fn is_reserved(&self) -> bool {
        *self == Self::control_plane(&self.trust_domain)
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path, with its leading slash; empty for the trust domain's own identity.
    pub fn path(&self) -> &str {
        &self.text[SCHEME.len() + self.trust_domain.as_str().len()..]
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Namespace and service account, when the path has exactly Kith's shape.
    pub fn service_account(&self) -> Option<ServiceAccount<'_>> {
        let (namespace, name) = self.path().strip_prefix("/ns/")?.split_once("/sa/")?;
        let single = !namespace.contains('/') && !name.contains('/');
        single.then_some(ServiceAccount { namespace, name })
    }
}

/// SPIFFE-ID §2.2. `start` is where the path begins in the whole text.
fn check_path(path: &str, start: usize) -> Result<(), SpiffeIdError> {
    let Some(segments) = path.strip_prefix('/') else {
        return Ok(());
    };
    let mut offset = start + 1;
    for segment in segments.split('/') {
        match segment {
            "" => return Err(SpiffeIdError::EmptySegment { offset }),
            "." | ".." => return Err(SpiffeIdError::RelativeSegment { offset }),
            _ => {}
        }
        if let Some(at) = segment.bytes().position(|byte| !is_path_byte(byte)) {
            return Err(SpiffeIdError::Byte { offset: offset + at, found: char_at(segment, at) });
        }
        offset += segment.len() + 1;
    }
    Ok(())
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// Whether a text is a name as Kubernetes gives them (RFC 1123 subdomain), and so one segment of a path.
pub fn is_name(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    text.len() <= MAX_NAME_BYTES
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(inside)
}

fn check_name(name: &str) -> Result<(), SpiffeIdError> {
    if is_name(name) { Ok(()) } else { Err(SpiffeIdError::Name { name: name.to_owned() }) }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpiffeId({})", self.text)
    }
}

#[cfg(test)]
mod tests;
