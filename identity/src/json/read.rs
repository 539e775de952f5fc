//! The reader: one pass, a bounded recursion, nothing lenient.

use std::collections::btree_map::Entry;

use super::{JsonError, Kind, Limits, Members, Value};

/// Reads a document of exactly one value.
pub(crate) fn read(document: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if document.len() > limits.bytes {
        return Err(JsonError::TooLong { length: document.len(), limit: limits.bytes });
    }
    let text =
        std::str::from_utf8(document).map_err(|error| JsonError::Utf8 { offset: error.valid_up_to() })?;
    let mut reader = Reader { text, at: 0, limits, depth: 0, values: 0 };
    let value = reader.value()?;
    reader.space();
    if reader.at < text.len() { Err(JsonError::Trailing { offset: reader.at }) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    depth: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, JsonError> {
        self.space();
        let offset = self.at;
        self.values += 1;
        if self.values > self.limits.values {
            return Err(JsonError::TooMany { offset, limit: self.limits.values });
        }
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Value::new(offset, kind))
    }

    fn nested(&mut self, body: fn(&mut Self) -> Result<Kind, JsonError>) -> Result<Kind, JsonError> {
        if self.depth == self.limits.depth {
            return Err(JsonError::TooDeep { offset: self.at, limit: self.limits.depth });
        }
        self.depth += 1;
        self.at += 1;
        let kind = body(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Result<Kind, JsonError> {
        let mut members = Members::new();
        self.space();
        if self.take(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.space();
            let offset = self.at;
            if self.peek() != Some(b'"') {
                return Err(JsonError::Syntax { offset, wanted: "member name" });
            }
            // A name is compared after its escapes are read, as every reader does.
            let Entry::Vacant(place) = members.entry(self.string()?) else {
                return Err(JsonError::Duplicate { offset });
            };
            self.space();
            self.expect(b':', "\":\"")?;
            place.insert(self.value()?);
            self.space();
            if self.take(b'}') {
                return Ok(Kind::Object(members));
            }
            self.expect(b',', "\",\" or \"}\"")?;
        }
    }

    fn array(&mut self) -> Result<Kind, JsonError> {
        let mut values = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Kind::Array(values));
        }
        loop {
            values.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Kind::Array(values));
            }
            self.expect(b',', "\",\" or \"]\"")?;
        }
    }

    fn word(&mut self) -> Result<Kind, JsonError> {
        for (word, kind) in [("true", Kind::Bool(true)), ("false", Kind::Bool(false)), ("null", Kind::Null)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(JsonError::Syntax { offset: self.at, wanted: "value" })
    }

    fn number(&mut self) -> Result<String, JsonError> {
        let offset = self.at;
        self.take(b'-');
        let leading = self.at;
        let digits = self.digits();
        let mut well_formed = digits == 1 || (digits > 1 && self.text.as_bytes()[leading] != b'0');
        if self.take(b'.') {
            well_formed &= self.digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            well_formed &= self.digits() > 0;
        }
        if well_formed {
            Ok(self.text[offset..self.at].to_owned())
        } else {
            Err(JsonError::Number { offset })
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut read = String::new();
        loop {
            let plain = self.at;
            while self.peek().is_some_and(|b| b != b'"' && b != b'\\' && b >= b' ') {
                self.at += 1;
            }
            read.push_str(&self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(read);
                }
                Some(b'\\') => read.push(self.escape()?),
                _ => return Err(JsonError::Syntax { offset: self.at, wanted: "character of a text" }),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let offset = self.at;
        let malformed = JsonError::Escape { offset };
        self.at += 2;
        Ok(match self.text.as_bytes().get(offset + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit().ok_or(malformed)?;
                let units = if (0xd800..0xdc00).contains(&first) {
                    if !(self.take(b'\\') && self.take(b'u')) {
                        return Err(malformed);
                    }
                    vec![first, self.unit().ok_or(malformed)?]
                } else {
                    vec![first]
                };
                let mut characters = char::decode_utf16(units);
                match (characters.next(), characters.next()) {
                    (Some(Ok(character)), None) => character,
                    _ => return Err(malformed),
                }
            }
            _ => return Err(malformed),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        let mut unit = 0;
        for digit in digits {
            unit = unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
        self.at += 4;
        Some(unit)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), JsonError> {
        let offset = self.at;
        if self.take(byte) { Ok(()) } else { Err(JsonError::Syntax { offset, wanted }) }
    }
}
