//! By which algorithm a certificate is signed. Owns the list of those that are strong enough, each in the one spelling
//! that RFC 3279, 4055 and 5758 give it, and their names.

use crate::der::{Element, tag};

/// An algorithm that is accepted, or another by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm<'a> {
    /// One of the list.
    Strong(&'static str),
    /// Its octets; a known identifier with other parameters is another algorithm too.
    Other(&'a [u8]),
}

/// A name, and the content of its AlgorithmIdentifier.
const STRONG: [(&str, &[u8]); 8] = [
    ("ECDSA with SHA-256", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]),
    ("ECDSA with SHA-384", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]),
    ("RSA PKCS#1 with SHA-256", &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0]),
    ("RSA PKCS#1 with SHA-384", &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12, 5, 0]),
    ("RSA PKCS#1 with SHA-512", &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13, 5, 0]),
    ("RSA PSS with SHA-256", &pss(1, 32)),
    ("RSA PSS with SHA-384", &pss(2, 48)),
    ("RSA PSS with SHA-512", &pss(3, 64)),
];

/// id-RSASSA-PSS with one hash for the message and the mask, and a salt as long as the hash.
const fn pss(hash: u8, salt: u8) -> [u8; 65] {
    let mut bytes = [
        6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, // id-RSASSA-PSS
        0x30, 52, // its parameters
        0xa0, 15, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 0, 5, 0, // the hash
        0xa1, 28, 0x30, 26, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8, // id-mgf1
        0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 0, 5, 0, // with the hash
        0xa2, 3, 2, 1, 0, // the salt
    ];
    bytes[27] = hash;
    bytes[57] = hash;
    bytes[64] = salt;
    bytes
}

impl<'a> Algorithm<'a> {
    /// Of an AlgorithmIdentifier.
    pub(crate) fn of(identifier: Element<'a>) -> Self {
        let strong = STRONG.iter().find(|(_, content)| *content == identifier.content);
        strong.map_or_else(|| Self::Other(oid_of(identifier)), |(name, _)| Self::Strong(name))
    }
}

/// The identifier's octets; none where there is no identifier.
fn oid_of(identifier: Element<'_>) -> &[u8] {
    identifier.elements().take(tag::OID).map_or(&[], |oid| oid.content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    // Every byte of a known algorithm counts: a parameter that another reader skips changes what is verified.
    #[test]
    fn a_known_algorithm_with_another_byte_is_another() {
        for (name, content) in STRONG {
            let der = [&[tag::SEQUENCE, u8::try_from(content.len()).unwrap()], content].concat();
            let of = |der: &[u8]| {
                let read = Reader::new(der).any().unwrap();
                Algorithm::of(read) == Algorithm::Strong(name)
            };
            assert!(of(&der), "{name}");
            for at in 2..der.len() {
                let mut other = der.clone();
                other[at] ^= 0x40;
                assert!(!of(&other), "{name}: byte {at}");
            }
        }
    }
}
