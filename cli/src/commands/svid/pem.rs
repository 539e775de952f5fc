//! PEM (RFC 7468) in and out. Owns the format alone; what a certificate says is `kith_identity`'s. A private key is never
//! decoded: what is not there cannot be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// RFC 7468 §2: lines of 64 characters.
const COLUMNS: usize = 64;

/// More sections than any chain or bundle has.
const MAX_SECTIONS: usize = 1000;

/// One section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Section {
    /// A certificate in DER.
    Certificate(Vec<u8>),
    /// A private key, by its label.
    PrivateKey(String),
    /// Anything else, by its label.
    Other(String),
}

/// Why a text is no PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    /// A section does not end, or another begins in it.
    #[error("the section {label:?} that begins in line {line} has no end")]
    NoEnd {
        /// What it is.
        label: String,
        /// Where it begins.
        line: usize,
    },
    /// What is between the marks is no base64.
    #[error("the certificate that begins in line {line} is not base64: {reason}")]
    Base64 {
        /// Where it begins.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There are too many.
    #[error("more than {MAX_SECTIONS} sections; the first of them too many begins in line {line}")]
    TooMany {
        /// Where it begins.
        line: usize,
    },
}

/// Whether a text has a section.
pub(super) fn looks_like(text: &str) -> bool {
    text.lines().any(|line| label(line, "BEGIN").is_some())
}

/// Every section in the order of the text. What stands between them is a remark.
pub(super) fn read(text: &str) -> Result<Vec<Section>, PemError> {
    let mut sections = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, begin)) = lines.next() {
        let Some(label_of_section) = label(begin, "BEGIN") else { continue };
        if sections.len() == MAX_SECTIONS {
            return Err(PemError::TooMany { line });
        }
        let no_end = || PemError::NoEnd { label: label_of_section.to_owned(), line };
        let is_certificate = label_of_section == CERTIFICATE;
        let mut body = String::new();
        loop {
            let (_, next) = lines.next().ok_or_else(no_end)?;
            if label(next, "END") == Some(label_of_section) {
                break;
            }
            if next.starts_with("-----") {
                return Err(no_end());
            }
            // Of a key nothing is copied.
            if is_certificate {
                body.push_str(next.trim());
            }
        }
        sections.push(section(label_of_section, &body, line)?);
    }
    Ok(sections)
}

fn section(label: &str, body: &str, line: usize) -> Result<Section, PemError> {
    if label == CERTIFICATE {
        let der = STANDARD.decode(body);
        let der = der.map_err(|error| PemError::Base64 { line, reason: error.to_string() })?;
        return Ok(Section::Certificate(der));
    }
    let kind = if label.ends_with(PRIVATE_KEY) { Section::PrivateKey } else { Section::Other };
    Ok(kind(label.to_owned()))
}

fn label<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = line.trim_end().strip_prefix("-----")?.strip_prefix(mark)?;
    rest.strip_prefix(' ')?.strip_suffix("-----")
}

/// Certificates, one after the other.
pub(crate) fn certificates<D: AsRef<[u8]>>(ders: &[D]) -> String {
    ders.iter().map(|der| write(CERTIFICATE, der.as_ref()).to_string()).collect()
}

/// A private key in PKCS#8.
pub(super) fn private_key(pkcs8: &[u8]) -> Zeroizing<String> {
    write(PRIVATE_KEY, pkcs8)
}

/// Of the size that it needs from the start: a text that grows leaves copies of itself behind.
fn write(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let marks = 2 * (label.len() + "-----BEGIN -----\n".len());
    let mut text = Zeroizing::new(String::with_capacity(marks + body.len() + body.len() / COLUMNS + 1));
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    let mut rest: &str = &body;
    while !rest.is_empty() {
        // Base64 is ASCII, so every index is a boundary.
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        for length in [0, 1, 47, 48, 49, 1000] {
            let der = vec![7; length];
            let text = certificates(&[&der, &der]);
            assert!(text.lines().all(|line| line.len() <= COLUMNS) && !text.contains("\n\n"), "{text}");
            let want = vec![Section::Certificate(der.clone()), Section::Certificate(der)];
            assert_eq!(read(&text).unwrap(), want);
        }
    }

    #[test]
    fn a_private_key_is_named_and_not_kept() {
        let text = format!("{}{}", certificates(&[b"a"]), *private_key(b"secret"));
        let ec = text.replace("PRIVATE KEY", "EC PRIVATE KEY");
        for (text, label) in [(text, "PRIVATE KEY"), (ec, "EC PRIVATE KEY")] {
            let sections = read(&text).unwrap();
            assert_eq!(sections, [Section::Certificate(b"a".to_vec()), Section::PrivateKey(label.into())]);
        }
    }

    #[test]
    fn remarks_and_other_ends_of_lines_are_read_over() {
        let text = certificates(&[b"a"]).replace('\n', "\r\n");
        let text = format!("subject: somebody\r\n\r\n{text}\r\n# the end");
        assert!(looks_like(&text));
        assert_eq!(read(&text).unwrap(), [Section::Certificate(b"a".to_vec())]);
        assert!(!looks_like("no -----BEGIN CERTIFICATE----- here"));
    }

    #[test]
    fn what_is_broken_is_named_by_its_line() {
        let text = certificates(&[b"a"]);
        let (label, line) = ("CERTIFICATE".to_owned(), 1);
        let cut = text.replace("-----END CERTIFICATE-----\n", "");
        assert_eq!(read(&cut), Err(PemError::NoEnd { label: label.clone(), line }));
        assert_eq!(read(&format!("{cut}{text}")), Err(PemError::NoEnd { label, line }));
        let wrong = format!("#\n{}", text.replace("YQ==", "Y!=="));
        assert!(matches!(read(&wrong), Err(PemError::Base64 { line: 2, .. })));
    }

    // D7.
    #[test]
    fn what_a_section_costs_is_what_stands_in_it_and_there_are_not_too_many() {
        let empty = "-----BEGIN A-----\n-----END A-----\n";
        let most = empty.repeat(MAX_SECTIONS);
        assert_eq!(read(&most).map(|sections| sections.len()), Ok(MAX_SECTIONS));
        let line = 2 * MAX_SECTIONS + 1;
        assert_eq!(read(&format!("{most}{empty}")), Err(PemError::TooMany { line }));
        // As many as a file may have are refused where the first is too many.
        assert_eq!(read(&empty.repeat(120_000)), Err(PemError::TooMany { line }));
    }

    #[test]
    fn what_stands_in_a_section_of_another_kind_is_not_looked_at() {
        let text = "-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n";
        assert_eq!(read(text), Ok(vec![Section::Other("X509 CRL".into())]));
    }
}
