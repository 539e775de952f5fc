//! Reading DER, and nothing but DER: every value has exactly one spelling (X.690 §10, §11), and any other is refused with
//! its place. Owns elements and the primitive values; which elements make a certificate is `certificate`'s.
//!
//! BER allows several spellings of one value, and readers differ in which of them they take: what one overlooks, another
//! obeys. Here nothing is overlooked. No allocation, no recursion, and no step back: the time is linear in the bytes.

mod time;

/// What stands in front of an element's bytes.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// A tag of the context, for a primitive value.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// A tag of the context, around other elements.
    pub(crate) const fn context_around(number: u8) -> u8 {
        0xa0 | number
    }

    /// The bit that says "around other elements".
    pub(crate) const CONSTRUCTED: u8 = 0x20;
}

/// Why bytes are not the DER that should stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The bytes end before the element does.
    #[error("it is cut short")]
    Truncated,
    /// X.690 §10.1.
    #[error("a length is indefinite, or has more bytes than it needs (X.690 10.1)")]
    Length,
    /// A tag that no certificate has.
    #[error("its tag is of a form that certificates do not use")]
    TagForm,
    /// Another element should stand here.
    #[error("tag {found:#04x} where {wanted:#04x} should stand")]
    Tag {
        /// What stands there.
        found: u8,
        /// What should.
        wanted: u8,
    },
    /// More elements than the structure has.
    #[error("more stands there than belongs there")]
    Surplus,
    /// A list that must not be empty.
    #[error("a list is empty that must not be")]
    EmptyList,
    /// X.690 §11.1.
    #[error("a boolean is neither 00 nor ff (X.690 11.1)")]
    Boolean,
    /// X.690 §11.5.
    #[error("a default value is written out (X.690 11.5)")]
    Default,
    /// X.690 §8.3.2.
    #[error("an integer is empty, or has more bytes than it needs (X.690 8.3.2)")]
    Integer,
    /// X.690 §11.2.
    #[error("a bit string has unused bits that are set, or bits that it does not need (X.690 11.2)")]
    BitString,
    /// X.690 §8.19.
    #[error("an object identifier is empty, cut short, or has more bytes than it needs (X.690 8.19)")]
    Oid,
    /// A number that counts something, and is below zero.
    #[error("a number is negative")]
    Negative,
    /// RFC 5280 §4.2.1.6: names are IA5String.
    #[error("a name has a byte that is not ASCII (RFC 5280 4.2.1.6)")]
    NotAscii,
    /// RFC 5280 §4.2.1.6.
    #[error("an address has neither 4 nor 16 octets (RFC 5280 4.2.1.6)")]
    Address,
    /// X.690 §11.6.
    #[error("the members of a set are not in their order (X.690 11.6)")]
    SetOrder,
}

impl DerError {
    /// At this place.
    pub(crate) fn at(self, offset: usize) -> Malformed {
        Malformed { error: self, offset }
    }
}

/// What is wrong, and where the element begins that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) error: DerError,
    pub(crate) offset: usize,
}

/// One element: a tag, and the bytes that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// Where its tag stands in the whole input.
    pub(crate) offset: usize,
    /// With its header.
    pub(crate) raw: &'a [u8],
    pub(crate) content: &'a [u8],
}

impl<'a> Element<'a> {
    /// Where its content begins in the whole input.
    pub(crate) fn content_offset(&self) -> usize {
        self.offset + self.raw.len() - self.content.len()
    }

    /// The elements in it.
    pub(crate) fn elements(&self) -> Reader<'a> {
        Reader { rest: self.content, offset: self.content_offset() }
    }

    pub(crate) fn boolean(&self) -> Result<bool, Malformed> {
        match self.content {
            [0xff] => Ok(true),
            [0x00] => Ok(false),
            _ => Err(DerError::Boolean.at(self.offset)),
        }
    }

    /// The octets of an integer, big-endian, two's complement, in their one spelling.
    pub(crate) fn integer(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            [] | [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(DerError::Integer.at(self.offset)),
            octets => Ok(octets),
        }
    }

    /// The octets of a positive integer without the zero that only says "positive"; none for zero and below.
    pub(crate) fn positive(&self) -> Result<Option<&'a [u8]>, Malformed> {
        Ok(match self.integer()? {
            [0x80..=0xff, ..] | [0x00] => None,
            [0x00, digits @ ..] | digits => Some(digits),
        })
    }

    /// The octets of a bit string that fills its octets, as keys and signatures do.
    pub(crate) fn whole_octets(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(DerError::BitString.at(self.offset)),
        }
    }

    /// The bits of a list of named bits, the first as the highest of 16 (X.690 §11.2.2: no zeros at the end).
    pub(crate) fn named_bits(&self) -> Result<u16, Malformed> {
        let (unused, bits) = match self.content {
            [0] => return Ok(0),
            [unused @ 0..=7, first] => (*unused, u16::from_be_bytes([*first, 0])),
            [unused @ 0..=7, first, second] => (*unused, u16::from_be_bytes([*first, *second])),
            _ => return Err(DerError::BitString.at(self.offset)),
        };
        let written = 8 * u32::try_from(self.content.len() - 1).unwrap_or(u32::MAX);
        // The last bit written is the last that is set.
        let is_shortest = bits != 0 && written - u32::from(unused) == 16 - bits.trailing_zeros();
        if is_shortest { Ok(bits) } else { Err(DerError::BitString.at(self.offset)) }
    }

    /// The octets of an object identifier.
    pub(crate) fn oid(&self) -> Result<&'a [u8], Malformed> {
        let ends = self.content.last().is_some_and(|last| last & 0x80 == 0);
        // A number that begins with a zero of its base has a shorter spelling.
        let mut begins = true;
        let is_shortest = self.content.iter().all(|octet| {
            let padded = begins && *octet == 0x80;
            begins = octet & 0x80 == 0;
            !padded
        });
        if ends && is_shortest { Ok(self.content) } else { Err(DerError::Oid.at(self.offset)) }
    }
}

/// Elements that stand one behind the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Over a whole input.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that were not read.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Where the next element begins.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, Malformed> {
        let at = |error: DerError| error.at(self.offset);
        let [tag, first, ..] = *self.rest else {
            return Err(at(DerError::Truncated));
        };
        check_tag(tag).map_err(at)?;
        let (header, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            _ => long_length(first, &self.rest[2..]).map_err(at)?,
        };
        let end = header + length;
        let raw = self.rest.get(..end).ok_or_else(|| at(DerError::Truncated))?;
        let element = Element { tag, offset: self.offset, raw, content: &raw[header..] };
        self.rest = &self.rest[end..];
        self.offset += end;
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub(crate) fn take(&mut self, wanted: u8) -> Result<Element<'a>, Malformed> {
        let offset = self.offset;
        let element = self.any()?;
        if element.tag == wanted {
            Ok(element)
        } else {
            Err(DerError::Tag { found: element.tag, wanted }.at(offset))
        }
    }

    /// The next element, if it has this tag.
    pub(crate) fn take_if(&mut self, wanted: u8) -> Result<Option<Element<'a>>, Malformed> {
        if self.rest.first() == Some(&wanted) { self.any().map(Some) } else { Ok(None) }
    }

    /// A boolean that is false where it is not written.
    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        let Some(element) = self.take_if(tag::BOOLEAN)? else {
            return Ok(false);
        };
        if element.boolean()? { Ok(true) } else { Err(DerError::Default.at(element.offset)) }
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError::Surplus.at(self.offset)) }
    }

    /// Something must be left.
    pub(crate) fn not_empty(self) -> Result<Self, Malformed> {
        if self.rest.is_empty() { Err(DerError::EmptyList.at(self.offset)) } else { Ok(self) }
    }
}

/// One byte of tag is all that certificates need, and of the universal types exactly two are around others.
fn check_tag(tag: u8) -> Result<(), DerError> {
    let (class, constructed, number) = (tag >> 6, tag & tag::CONSTRUCTED != 0, tag & 0x1f);
    let fits = match (class, number) {
        (_, 0x1f) | (0, 0) => false,
        (0, 0x10 | 0x11) => constructed,
        (0, _) => !constructed,
        _ => true,
    };
    if fits { Ok(()) } else { Err(DerError::TagForm) }
}

/// The long form, of as few bytes as the length needs; returns the header's size and the length.
fn long_length(first: u8, bytes: &[u8]) -> Result<(usize, usize), DerError> {
    let count = usize::from(first & 0x7f);
    // No input has more than three bytes of length; zero bytes are the indefinite form.
    if !(1..=3).contains(&count) {
        return Err(DerError::Length);
    }
    let digits = bytes.get(..count).ok_or(DerError::Truncated)?;
    let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
    if digits[0] == 0 || length < 0x80 { Err(DerError::Length) } else { Ok((2 + count, length)) }
}

/// An object identifier as people write it. Numbers too large for it are shown by their bytes.
pub(crate) fn oid_text(octets: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for octet in octets {
        let Some(shifted) = number.checked_mul(128) else {
            return octets.iter().map(|octet| format!("{octet:02x}")).collect();
        };
        number = shifted | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let Some((first, rest)) = numbers.split_first() else {
        return String::new();
    };
    let root = (first / 40).min(2);
    let mut text = format!("{root}.{}", first - 40 * root);
    for number in rest {
        text.push('.');
        text.push_str(&number.to_string());
    }
    text
}

#[cfg(test)]
mod tests;
