//! Certificates and keys as text (RFC 7468), which is how Envoy reads them. Owns the writing; nothing here reads PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// RFC 7468 §2: every line but the last has exactly so many characters.
const LINE: usize = 64;

/// Certificates in the order given.
pub(super) fn certificates<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    for der in ders {
        block(&mut text, "CERTIFICATE", der);
    }
    text
}

/// A private key. It goes into a message, which the transport copies: wiping the text is the receiver's part, too.
pub(super) fn private_key(pkcs8: &Zeroizing<Vec<u8>>) -> Vec<u8> {
    // Of the size that it needs from the start: a text that grows leaves copies of itself behind.
    let mut text = Vec::with_capacity(length("PRIVATE KEY", pkcs8));
    block(&mut text, "PRIVATE KEY", pkcs8);
    text
}

/// How long a block is at most.
fn length(label: &str, der: &[u8]) -> usize {
    let encoded = der.len().div_ceil(3) * 4;
    2 * (label.len() + "-----BEGIN -----\n".len()) + encoded + encoded.div_ceil(LINE)
}

fn block(text: &mut Vec<u8>, label: &str, der: &[u8]) {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in encoded.as_bytes().chunks(LINE) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_sixty_four_characters_and_every_certificate_its_own_frame() {
        let text = String::from_utf8(certificates([&[0_u8; 49][..], &[1]])).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
        assert_eq!((lines[1].len(), lines[2], lines[3]), (64, "AA==", "-----END CERTIFICATE-----"));
        assert_eq!(&lines[4..], ["-----BEGIN CERTIFICATE-----", "AQ==", "-----END CERTIFICATE-----"]);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_key_is_framed_as_pkcs8() {
        let text = String::from_utf8(private_key(&Zeroizing::new(vec![1]))).unwrap();
        assert_eq!(text, "-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----\n");
    }

    #[test]
    fn a_key_is_written_where_it_stays() {
        for bytes in [0, 1, 47, 48, 49, 1_000] {
            let room = length("PRIVATE KEY", &vec![1; bytes]);
            let text = private_key(&Zeroizing::new(vec![1; bytes]));
            assert!(text.len() <= room && text.capacity() == room, "{bytes}: {} of {room}", text.len());
        }
    }
}
