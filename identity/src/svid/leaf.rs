//! The profile of an end certificate. [`Leaf::parse`] is the only place where a certificate becomes an identity.

use std::time::SystemTime;

use crate::der::Fields;
use crate::spiffe_id::SpiffeId;
use crate::svid::{KeyHash, ProfileError, Serial};

/// What an end certificate says, after every rule of the profile was checked. It proves nothing by itself: a
/// `VerifiedPeer` of `kith-mtls` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    identity: SpiffeId,
    serial: Serial,
    not_before: SystemTime,
    not_after: SystemTime,
    key_hash: KeyHash,
}

impl Leaf {
    /// Reads one DER certificate and holds it against X509-SVID §2 to §5.2.
    pub fn parse(der: &[u8]) -> Result<Self, ProfileError> {
        let fields = Fields::parse(der)?;
        let identity = identity_of(&fields)?;
        check_usage(&fields)?;
        let (not_before, not_after) = fields.validity()?;
        Ok(Self { identity, serial: fields.serial()?, not_before, not_after, key_hash: fields.key_hash() })
    }

    /// Whose certificate it says it is.
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// Its serial number.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The first second at which it holds.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last second at which it holds.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The hash of its public key.
    pub fn key_hash(&self) -> KeyHash {
        self.key_hash
    }
}

fn identity_of(fields: &Fields<'_>) -> Result<SpiffeId, ProfileError> {
    let (uris, critical) = fields.uri_names()?;
    let uri = match uris.as_slice() {
        [] => return Err(ProfileError::NoUri),
        [uri] => uri,
        several => return Err(ProfileError::SeveralUris { count: several.len() }),
    };
    if fields.has_empty_subject() && !critical {
        return Err(ProfileError::NameNotCritical);
    }
    let identity = SpiffeId::parse(uri).map_err(ProfileError::Uri)?;
    if identity.path().is_empty() { Err(ProfileError::RootPath) } else { Ok(identity) }
}

fn check_usage(fields: &Fields<'_>) -> Result<(), ProfileError> {
    if fields.is_ca()? {
        return Err(ProfileError::LeafIsAuthority);
    }
    if fields.has_name_constraints()? {
        return Err(ProfileError::LeafConstrainsNames);
    }
    let usage = fields.key_usage()?;
    if !usage.digital_signature() {
        return Err(ProfileError::KeyUsageLacks("digitalSignature"));
    }
    if usage.key_cert_sign() {
        return Err(ProfileError::KeyUsageHas("keyCertSign"));
    }
    if usage.crl_sign() {
        return Err(ProfileError::KeyUsageHas("cRLSign"));
    }
    match fields.extended_key_usage()? {
        Some(extended) if !extended.server_auth => Err(ProfileError::ExtendedKeyUsageLacks("serverAuth")),
        Some(extended) if !extended.client_auth => Err(ProfileError::ExtendedKeyUsageLacks("clientAuth")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
