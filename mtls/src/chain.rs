//! The presented chain before any signature is looked at: its size, and the profile of each certificate in it.

use kith_identity::TrustDomain;
use kith_identity::svid::{Authority, Leaf, ProfileError};
use rustls::pki_types::CertificateDer;

/// More than any hierarchy needs, few enough that building a path stays cheap (L11).
const MAX_INTERMEDIATES: usize = 8;
/// The handshake itself could not carry much more; this does not depend on that (L11).
const MAX_BYTES: usize = 64 * 1024;

/// What is wrong with a chain, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Too many certificates, or too many bytes.
    #[error("the chain has {intermediates} intermediates and {bytes} bytes, at most 8 and 65536 are read")]
    TooLong {
        /// How many certificates follow the first.
        intermediates: usize,
        /// The sum of their sizes.
        bytes: usize,
    },
    /// A certificate breaks the X509-SVID profile.
    #[error("certificate {position} of the chain: {error}")]
    Profile {
        /// Which; 0 is the end certificate.
        position: usize,
        /// The rule it breaks.
        error: ProfileError,
    },
    /// An authority that says it belongs to another trust domain than the end certificate.
    #[error(
        "certificate {position} of the chain is an authority of {found}, the end certificate is of {expected}"
    )]
    ForeignAuthority {
        /// Which; 1 is the first after the end certificate.
        position: usize,
        /// The domain it names.
        found: TrustDomain,
        /// The end certificate's domain.
        expected: TrustDomain,
    },
}

/// A chain whose every certificate has the right profile. It proves nothing yet.
pub(crate) struct Chain<'a> {
    pub(crate) leaf: Leaf,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) end_entity: &'a CertificateDer<'a>,
    pub(crate) intermediates: &'a [CertificateDer<'a>],
}

impl<'a> Chain<'a> {
    /// Reads what a peer presented.
    pub(crate) fn parse(
        end_entity: &'a CertificateDer<'a>,
        intermediates: &'a [CertificateDer<'a>],
    ) -> Result<Self, ChainError> {
        check_size(end_entity, intermediates)?;
        let leaf = Leaf::parse(end_entity).map_err(|error| ChainError::Profile { position: 0, error })?;
        let mut authorities = Vec::with_capacity(intermediates.len());
        for (position, der) in (1..).zip(intermediates) {
            let authority = Authority::parse(der).map_err(|error| ChainError::Profile { position, error })?;
            let expected = leaf.identity().trust_domain();
            if let Some(found) = authority.trust_domain().filter(|found| *found != expected) {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(ChainError::ForeignAuthority { position, found, expected });
            }
            authorities.push(authority);
        }
        Ok(Self { leaf, authorities, end_entity, intermediates })
    }
}

/// Refuses by size alone, before anything is parsed.
pub(crate) fn check_size(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), ChainError> {
    let bytes = end_entity.len() + intermediates.iter().map(|der| der.len()).sum::<usize>();
    if intermediates.len() > MAX_INTERMEDIATES || bytes > MAX_BYTES {
        return Err(ChainError::TooLong { intermediates: intermediates.len(), bytes });
    }
    Ok(())
}
