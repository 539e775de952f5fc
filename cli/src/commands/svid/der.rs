//! Certificates that stand one behind the other, as the Workload API sends chains and bundles. Owns where one ends; what is
//! in it is `kith_identity`'s.

/// More certificates than any chain or bundle has.
const MAX_CERTIFICATES: usize = 1000;
/// The tag of a SEQUENCE, with which a certificate begins.
pub(super) const SEQUENCE: u8 = 0x30;

/// Why bytes are no row of certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DerError {
    /// Something else begins where a certificate should.
    #[error("no DER certificate begins at byte {0}")]
    NoSequence(usize),
    /// Its length runs over the end of the bytes, or is not written as DER demands.
    #[error("the length of the DER certificate at byte {0} is wrong, or it is cut short")]
    Length(usize),
    /// There are too many.
    #[error("more than {MAX_CERTIFICATES} certificates stand one behind the other")]
    TooMany,
}

/// Cuts the bytes into their outermost elements.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DerError> {
    let mut elements = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if elements.len() == MAX_CERTIFICATES {
            return Err(DerError::TooMany);
        }
        let rest = &bytes[at..];
        if rest[0] != SEQUENCE {
            return Err(DerError::NoSequence(at));
        }
        let length = length(rest).filter(|length| *length <= rest.len()).ok_or(DerError::Length(at))?;
        elements.push(rest[..length].to_vec());
        at += length;
    }
    Ok(elements)
}

/// How many bytes the element has with its header: a short length, or a long one in as few bytes as it needs.
fn length(element: &[u8]) -> Option<usize> {
    let first = *element.get(1)?;
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    let digits = element.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
    let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    let is_shortest = digits[0] != 0 && length >= 0x80;
    length.checked_add(2 + count).filter(|_| is_shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(length: usize) -> Vec<u8> {
        let header = match length {
            0..0x80 => vec![SEQUENCE, u8::try_from(length).unwrap()],
            _ => [&[SEQUENCE, 0x82][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [header, vec![7; length]].concat()
    }

    #[test]
    fn elements_are_cut_where_each_ends() {
        let parts = [element(0), element(5), element(600)];
        assert_eq!(split(&parts.concat()), Ok(parts.to_vec()));
        assert_eq!(split(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_whole_element_is_named_by_its_place() {
        let two = [element(5), element(600)].concat();
        assert_eq!(split(&two[..two.len() - 1]), Err(DerError::Length(7)));
        assert_eq!(split(&[element(5), b"text".to_vec()].concat()), Err(DerError::NoSequence(7)));
        for (name, bytes) in [
            ("no length", &[0x30][..]),
            ("indefinite", &[0x30, 0x80, 0, 0]),
            ("a length that could be shorter", &[0x30, 0x81, 0x01, 7]),
            ("a leading zero", &[0x30, 0x82, 0x00, 0x80]),
            ("five bytes of length", &[0x30, 0x85, 1, 0, 0, 0, 0]),
            ("far too long", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(split(bytes), Err(DerError::Length(0)), "{name}");
        }
    }

    #[test]
    fn rows_without_end_are_refused() {
        assert_eq!(split(&[SEQUENCE, 0].repeat(MAX_CERTIFICATES + 1)), Err(DerError::TooMany));
    }
}
