//! One hash for a whole presented chain. Owns the encoding under it, so that what is remembered of a chain and what is
//! signed over a chain can only ever mean the same certificates in the same order.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 over the certificates in DER, each behind its length (u64, big-endian). Without the lengths, a byte moved from
/// the end of one certificate to the beginning of the next would go unnoticed.
pub(crate) fn chain_digest<'a>(chain: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for der in chain {
        context.update(&(der.len() as u64).to_be_bytes());
        context.update(der);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_certificates_in_another_order_or_cut_elsewhere_have_another_digest() {
        let chains: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"ab"], &[b"a", b"b"], &[b"b", b"a"], &[b"", b"ab"], &[b"ab", b""]];
        let digests: std::collections::HashSet<_> =
            chains.iter().map(|chain| chain_digest(chain.iter().copied())).collect();
        assert_eq!(digests.len(), chains.len());
    }

    #[test]
    fn the_encoding_is_a_length_of_eight_bytes_and_the_certificate() {
        let encoded = b"\0\0\0\0\0\0\0\x02ab\0\0\0\0\0\0\0\x01c";
        let direct = aws_lc_rs::digest::digest(&SHA256, encoded);
        assert_eq!(chain_digest([b"ab".as_slice(), b"c"]), direct.as_ref());
    }
}
