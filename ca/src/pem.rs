//! Certificates as text (RFC 7468 §5), for whoever reads them from a file or from an object of a cluster. Owns the
//! writing; nothing here reads PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// RFC 7468 §2: every line but the last has exactly so many characters.
const LINE: usize = 64;

/// One certificate, from its DER.
pub(crate) fn certificate(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use x509_parser::pem::Pem;

    use super::*;

    #[test]
    fn a_certificate_is_read_back_as_it_was_whatever_its_length() {
        for length in [1, 47, 48, 49, 500] {
            let der = vec![0xa5; length];
            let text = certificate(&der);
            assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
            let (pem, _) = Pem::read(std::io::Cursor::new(text.as_bytes())).unwrap();
            assert_eq!((pem.label.as_str(), pem.contents), ("CERTIFICATE", der));
        }
    }
}
