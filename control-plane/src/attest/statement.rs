//! The local supervisor's statement: its format and its signature. The supervisor signs here, the control plane
//! reads here; whether a statement may be *used* is for `supervised`.
//!
//! A statement says: the process that I started as this workload, and that is alive now, holds this key. It names
//! the start of the control plane that it is meant for, so a statement kept from before a restart is worthless.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;
use kith_proto::convert::{from_millis, identity_from_wire, to_millis};
use kith_proto::v1;
use prost::Message;

/// How long a statement holds: it is used at once or not at all.
pub const LIFETIME: Duration = Duration::from_secs(10);
/// Bytes of the name of one start of a control plane.
pub const INSTANCE_BYTES: usize = 16;
/// Bytes of an Ed25519 public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// A statement is a few hundred bytes; an identity has at most 2048.
const MAX_BYTES: usize = 4096;
const NONCE_BYTES: usize = 16;
/// What the key signs begins with this, so that a signature can never be taken for one over something else.
const DOMAIN: &[u8] = b"kith supervisor statement v1\0";

pub(crate) type Nonce = [u8; NONCE_BYTES];

/// What the supervisor vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementClaims {
    /// The workload that the process was started as.
    pub identity: SpiffeId,
    /// The key that the process made.
    pub key_hash: KeyHash,
    /// The start of the control plane that the statement is for.
    pub instance: [u8; INSTANCE_BYTES],
    /// When it stops to hold; at most [`LIFETIME`] from now.
    pub expires: SystemTime,
}

/// Randomness or a key could not be made: the operating system has no entropy to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness for a statement")]
pub struct NoRandomness;

/// Signs statements. Lives in the supervisor; the control plane knows only the public key.
pub struct StatementSigner {
    key: Ed25519KeyPair,
}

impl StatementSigner {
    /// A fresh key.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self { key: Ed25519KeyPair::generate().map_err(|_| NoRandomness)? })
    }

    /// What the control plane checks statements against.
    pub fn public_key(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    /// A signed statement with a fresh nonce, ready for `IssueRequest.supervised`.
    pub fn sign(&self, claims: &StatementClaims) -> Result<Vec<u8>, NoRandomness> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| NoRandomness)?;
        let statement = v1::Statement {
            identity: claims.identity.to_string(),
            key_hash: claims.key_hash.as_bytes().to_vec(),
            instance: claims.instance.to_vec(),
            nonce: nonce.to_vec(),
            expires_ms: to_millis(claims.expires),
        }
        .encode_to_vec();
        let signature = self.key.sign(&signed_bytes(&statement)).as_ref().to_vec();
        Ok(v1::SignedStatement { statement, signature }.encode_to_vec())
    }
}

impl std::fmt::Debug for StatementSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementSigner").finish_non_exhaustive()
    }
}

/// A statement that the supervisor's key really signed, and its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) claims: StatementClaims,
    pub(crate) nonce: Nonce,
}

/// Why bytes are not a statement of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Not a signed statement, or one with fields that we do not know.
    #[error("the evidence is not a statement of the supervisor: {0}")]
    Malformed(String),
    /// Signed by somebody else, or changed since.
    #[error("the supervisor did not sign this statement")]
    Signature,
}

/// Checks the signature before it reads anything that was signed.
pub(crate) fn open(public_key: &[u8], bytes: &[u8]) -> Result<Opened, FormatError> {
    if bytes.len() > MAX_BYTES {
        return Err(malformed(format!("{} bytes, more than {MAX_BYTES}", bytes.len())));
    }
    let signed = v1::SignedStatement::decode(bytes).map_err(|error| malformed(error.to_string()))?;
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&signed_bytes(&signed.statement), &signed.signature)
        .map_err(|_| FormatError::Signature)?;
    read(&signed.statement)
}

fn read(bytes: &[u8]) -> Result<Opened, FormatError> {
    let statement = v1::Statement::decode(bytes).map_err(|error| malformed(error.to_string()))?;
    // prost drops fields it does not know; what a newer supervisor meant by one must not be lost silently.
    if statement.encode_to_vec() != bytes {
        return Err(malformed("it has fields that this version does not know"));
    }
    let identity =
        identity_from_wire("identity", &statement.identity).map_err(|e| malformed(e.to_string()))?;
    let expires = from_millis("expires_ms", statement.expires_ms).map_err(|e| malformed(e.to_string()))?;
    let claims = StatementClaims {
        identity,
        key_hash: KeyHash::from_bytes(exactly("key_hash", &statement.key_hash)?),
        instance: exactly("instance", &statement.instance)?,
        expires,
    };
    Ok(Opened { claims, nonce: exactly("nonce", &statement.nonce)? })
}

fn exactly<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], FormatError> {
    bytes.try_into().map_err(|_| malformed(format!("{field} has {} bytes, not {N}", bytes.len())))
}

fn malformed(reason: impl Into<String>) -> FormatError {
    FormatError::Malformed(reason.into())
}

fn signed_bytes(statement: &[u8]) -> Vec<u8> {
    [DOMAIN, statement].concat()
}
