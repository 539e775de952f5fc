//! Anchors as files carry them: certificates in PEM, one after the other. Owns the format alone; what makes a certificate
//! an anchor is `kith_identity::Bundle`'s.

use kith_identity::{Bundle, BundleError, TrustDomain};
use rustls::pki_types::pem::{PemObject, SectionKind};

/// Why a text is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It is not PEM: an end is missing, or what is between is not base64.
    #[error("it is not PEM: {0}")]
    Format(rustls::pki_types::pem::Error),
    /// A section of another kind. A private key in a file that everybody reads is no oversight to step over.
    #[error("section {position} is not a certificate")]
    NotACertificate {
        /// Which section, counted from 0.
        position: usize,
    },
    /// There is no certificate, or one of them is no anchor of this trust domain.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Reads the anchors of one trust domain; one bad entry refuses the whole.
pub fn bundle_from_pem(trust_domain: TrustDomain, pem: &[u8]) -> Result<Bundle, PemError> {
    let mut anchors = Vec::new();
    for (position, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).enumerate() {
        match section.map_err(PemError::Format)? {
            (SectionKind::Certificate, der) => anchors.push(der),
            _ => return Err(PemError::NotACertificate { position }),
        }
    }
    Ok(Bundle::parse(trust_domain, &anchors)?)
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::testing::{TestCa, domain, leaf_params};

    fn read(pem: &str) -> Result<Bundle, PemError> {
        bundle_from_pem(domain("demo.local"), pem.as_bytes())
    }

    #[test]
    fn every_anchor_of_a_file_is_read_whatever_stands_between_them() {
        let (old, new) = (TestCa::root(), TestCa::root());
        let bundle = read(&format!("# old\r\n{}\n\n# new\n{}", old.pem(), new.pem())).unwrap();
        assert_eq!(bundle.authorities().len(), 2);
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for pem in ["", "\n", "no certificate"] {
            assert!(matches!(read(pem), Err(PemError::Bundle(BundleError::Empty { .. }))), "{pem:?}");
        }
    }

    #[test]
    fn one_bad_entry_refuses_the_whole_file() {
        let root = TestCa::root().pem();
        let cut_short = root.replace("-----END CERTIFICATE-----", "");
        assert!(matches!(read(&format!("{root}{cut_short}")), Err(PemError::Format(_))));
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert!(matches!(read(&format!("{root}{key}")), Err(PemError::NotACertificate { position: 1 })));
        let leaf = leaf_params("spiffe://demo.local/a").self_signed(&KeyPair::generate().unwrap()).unwrap();
        let refused = read(&format!("{root}{}", leaf.pem()));
        assert!(matches!(refused, Err(PemError::Bundle(BundleError::Authority { position: 1, .. }))));
    }
}
