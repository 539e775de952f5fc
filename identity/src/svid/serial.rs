//! A certificate's serial number. Owns its one way of being written; which numbers a certificate may have is a rule.

use std::fmt;

/// RFC 5280 §4.1.2.2: a serial number has at most 20 octets.
pub(crate) const MAX_OCTETS: usize = 20;

/// A certificate's serial number, as logs and people write it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    pub(crate) fn new(octets: &[u8]) -> Self {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        Self(octets[zeros..].to_vec())
    }

    /// Reads it as it is displayed: two lower-case hexadecimal digits for each of at most 20 octets.
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() > MAX_OCTETS || !rest.is_empty() {
            return None;
        }
        let octet = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
        let serial = Self::new(&pairs.iter().map(octet).collect::<Option<Vec<u8>>>()?);
        (!serial.0.is_empty()).then_some(serial)
    }

    /// Its octets, big-endian, without leading zeros.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::hex(f, &self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_read_as_it_is_displayed_and_nothing_else_is() {
        for text in ["01", "0af3", &"f".repeat(40)] {
            assert_eq!(Serial::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Serial::parse("000af3"), Serial::parse("0af3"), "a certificate has the zeros or not");
        for text in ["", "0", "00", "abc", "AB", "0x01", "0 ", "gg", "\u{e9}", "-1", &"f".repeat(42)] {
            assert_eq!(Serial::parse(text), None, "{text:?}");
        }
    }
}
