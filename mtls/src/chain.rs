//! The presented chain before any signature is looked at: its size, the profile of each certificate in it, and in how many
//! ways its authorities could follow one another. What is let through here is cheap to build a path from.

use kith_identity::TrustDomain;
use kith_identity::svid::{Authority, Broken, Leaf};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// More than any hierarchy needs, few enough that building a path stays cheap (L11). Of those that are shown, at most 6 stand in
/// one path: webpki's own bound.
const MAX_INTERMEDIATES: usize = 8;
/// The handshake itself could not carry much more; this does not depend on that (L11).
const MAX_BYTES: usize = 64 * 1024;
/// Authorities of one name can be tried in any order behind one another, so each doubles and more the work of a search
/// (D10). Several come with rotation and cross-signing; more than these come with an attack.
const MAX_OF_ONE_NAME: usize = 4;

/// What is wrong with a chain, whoever signed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no certificate at all.
    #[error("the chain is empty")]
    Empty,
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
        error: Broken,
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
    /// So many authorities of one name that a path could be looked for without end.
    #[error("{count} authorities of the chain have one name, at most {MAX_OF_ONE_NAME} may")]
    SameName {
        /// How many.
        count: usize,
    },
}

/// A chain whose every certificate has the right profile. It proves nothing yet.
pub(crate) struct Chain<'a> {
    pub(crate) leaf: Leaf,
    pub(crate) end_entity: &'a CertificateDer<'a>,
    /// What follows the end certificate, in its order; each once.
    pub(crate) authorities: Vec<Authority>,
}

impl<'a> Chain<'a> {
    /// Reads the rest of what a peer presented.
    pub(crate) fn parse(
        leaf: Leaf,
        end_entity: &'a CertificateDer<'a>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Self, ChainError> {
        let mut authorities: Vec<Authority> = Vec::with_capacity(intermediates.len());
        for (position, der) in (1..).zip(intermediates) {
            // A copy adds nothing. That of the leaf is what `openssl -cert_chain` sends when it is given the whole chain.
            if der == end_entity || authorities.iter().any(|known| known.der() == der.as_ref()) {
                continue;
            }
            let authority = Authority::parse(der).map_err(|error| ChainError::Profile { position, error })?;
            let expected = leaf.identity().trust_domain();
            if let Some(found) = authority.trust_domain().filter(|found| *found != expected) {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(ChainError::ForeignAuthority { position, found, expected });
            }
            authorities.push(authority);
        }
        check_names(&authorities)?;
        Ok(Self { leaf, end_entity, authorities })
    }
}

/// Refuses a chain whose authorities could be put together in too many ways.
fn check_names(authorities: &[Authority]) -> Result<(), ChainError> {
    if authorities.len() <= MAX_OF_ONE_NAME {
        return Ok(());
    }
    let ders: Vec<_> = authorities.iter().map(|authority| CertificateDer::from(authority.der())).collect();
    // What webpki cannot read, it does not build a path with either.
    let read: Vec<_> = ders.iter().filter_map(|der| EndEntityCert::try_from(der).ok()).collect();
    let namesakes = |name: &[u8]| read.iter().filter(|certificate| certificate.subject() == name).count();
    let count = read.iter().map(|certificate| namesakes(certificate.subject())).max().unwrap_or(0);
    if count > MAX_OF_ONE_NAME { Err(ChainError::SameName { count }) } else { Ok(()) }
}

/// What a peer presented first, if there is not too much of it all.
pub(crate) fn read_leaf(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<Leaf, ChainError> {
    check_size(end_entity, intermediates)?;
    Leaf::parse(end_entity).map_err(|error| ChainError::Profile { position: 0, error })
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
