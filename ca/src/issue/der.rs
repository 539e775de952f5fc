//! DER, read strictly: one encoding for one value, nothing before, between or after.
//!
//! Owns only the frame of tag, length and content, for the one input that strangers send to the authority. A
//! general parser accepts more than it must here: long lengths where short ones do (BER), or fields after the
//! last one that it knows (C11).

/// Why bytes are not the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The input ends inside a value.
    #[error("the input ends inside a value")]
    Truncated,
    /// A length that DER would write otherwise, or longer than any that we accept.
    #[error("a length is indefinite, too large, or not in its shortest form")]
    Length,
    /// Another kind of value than stands there in what was expected.
    #[error("tag {found:#04x} where {wanted:#04x} belongs")]
    Tag {
        /// The tag that stands there.
        found: u8,
        /// The tag that belongs there.
        wanted: u8,
    },
    /// A tag of several octets: nothing that we read has one.
    #[error("a tag of several octets")]
    LongTag,
    /// Something follows the last value.
    #[error("{count} bytes follow the last value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// Values inside values, deeper than any honest input.
    #[error("values are nested more than {MAX_DEPTH} deep")]
    Depth,
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;

const CONSTRUCTED: u8 = 0x20;
const LONG_TAG: u8 = 0x1f;
const MAX_DEPTH: usize = 16;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// Tag, length and content.
    pub(super) whole: &'a [u8],
}

/// Reads values one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// The next value, which must have this tag.
    pub(super) fn expect(&mut self, wanted: u8) -> Result<Value<'a>, DerError> {
        let value = self.value()?;
        if value.tag == wanted { Ok(value) } else { Err(DerError::Tag { found: value.tag, wanted }) }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), DerError> {
        if self.0.is_empty() { Ok(()) } else { Err(DerError::Trailing { count: self.0.len() }) }
    }

    fn value(&mut self) -> Result<Value<'a>, DerError> {
        let input = self.0;
        let tag = self.octet()?;
        if tag & LONG_TAG == LONG_TAG {
            return Err(DerError::LongTag);
        }
        let length = self.length()?;
        let (content, rest) = self.0.split_at_checked(length).ok_or(DerError::Truncated)?;
        self.0 = rest;
        Ok(Value { tag, content, whole: &input[..input.len() - rest.len()] })
    }

    /// At most 65,535, in its shortest form (X.690 §10.1).
    fn length(&mut self) -> Result<usize, DerError> {
        let (length, smallest) = match self.octet()? {
            short @ ..=0x7f => (usize::from(short), 0),
            0x81 => (usize::from(self.octet()?), 0x80),
            0x82 => (usize::from(u16::from_be_bytes([self.octet()?, self.octet()?])), 0x100),
            _ => return Err(DerError::Length),
        };
        if length < smallest { Err(DerError::Length) } else { Ok(length) }
    }

    fn octet(&mut self) -> Result<u8, DerError> {
        let (first, rest) = self.0.split_first().ok_or(DerError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }
}

/// Checks every value inside `input`, at any depth.
pub(super) fn check(input: &[u8]) -> Result<(), DerError> {
    check_nested(input, MAX_DEPTH)
}

fn check_nested(input: &[u8], depth: usize) -> Result<(), DerError> {
    let mut reader = Reader::new(input);
    while !reader.0.is_empty() {
        let value = reader.value()?;
        if value.tag & CONSTRUCTED != 0 {
            check_nested(value.content, depth.checked_sub(1).ok_or(DerError::Depth)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(input: &[u8]) -> Result<&[u8], DerError> {
        let mut reader = Reader::new(input);
        let value = reader.expect(INTEGER)?;
        reader.end()?;
        Ok(value.content)
    }

    // C11
    #[test]
    fn only_the_shortest_definite_length_is_read() {
        let long = |prefix: &[u8], count: usize| [prefix, &vec![7; count]].concat();
        let rows: [(&str, Vec<u8>, Result<usize, DerError>); 9] = [
            ("short", long(&[2, 127], 127), Ok(127)),
            ("one octet", long(&[2, 0x81, 128], 128), Ok(128)),
            ("two octets", long(&[2, 0x82, 1, 0], 256), Ok(256)),
            ("one octet for a short one", long(&[2, 0x81, 127], 127), Err(DerError::Length)),
            ("two octets for one", long(&[2, 0x82, 0, 255], 255), Err(DerError::Length)),
            ("three octets", long(&[2, 0x83, 0, 1, 0], 256), Err(DerError::Length)),
            ("indefinite", vec![2, 0x80, 7, 0, 0], Err(DerError::Length)),
            ("too few bytes", vec![2, 2, 7], Err(DerError::Truncated)),
            ("no length", vec![2], Err(DerError::Truncated)),
        ];
        for (name, input, want) in rows {
            assert_eq!(one(&input).map(<[u8]>::len), want, "{name}");
        }
    }

    #[test]
    fn a_value_of_another_kind_a_long_tag_and_a_rest_are_refused() {
        assert_eq!(one(&[4, 0]), Err(DerError::Tag { found: 4, wanted: INTEGER }));
        assert_eq!(one(&[0x1f, 2, 0]), Err(DerError::LongTag));
        assert_eq!(one(&[2, 1, 7, 0, 0]), Err(DerError::Trailing { count: 2 }));
    }

    // D20
    #[test]
    fn nesting_is_bounded() {
        let inside = |inner: &[u8]| [&[SEQUENCE, u8::try_from(inner.len()).unwrap()], inner].concat();
        let nested = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| inside(&inner));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(DerError::Depth));
    }

    // C11
    #[test]
    fn a_fault_deep_inside_is_found() {
        assert_eq!(check(&[SEQUENCE, 5, CONTEXT_0, 3, INTEGER, 0x81, 0]), Err(DerError::Length));
    }
}
