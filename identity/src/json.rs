//! JSON of bundles and tokens, read strictly (RFC 8259). Two readers of one document must never see two documents:
//! duplicate members, bad UTF-8, lone surrogates and bytes behind the value are refused, numbers keep the digits that
//! were written, and size, depth and count are bounded by the caller. Every value remembers where it began.
//!
//! Own code, because the workspace's JSON library takes the last of two members, rounds what it cannot hold, and knows
//! no offsets of values. It knows nothing of JWK or JWT.

use std::collections::BTreeMap;
use std::fmt;

mod read;
mod write;

pub(crate) use read::read;

/// What a document may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    /// Of arrays and objects within each other.
    pub(crate) depth: usize,
    /// Of values of every kind.
    pub(crate) values: usize,
}

/// Why a text is not the JSON that was wanted. Offsets count bytes from the start of the document. No variant carries
/// what stands there: it may be part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than the reader takes.
    #[error("the JSON has {length} bytes, more than {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The most that is read.
        limit: usize,
    },
    /// Not UTF-8 (RFC 8259 §8.1).
    #[error("the JSON is not UTF-8 at byte {offset}")]
    Utf8 {
        /// Of the first bad byte.
        offset: usize,
    },
    /// Something else was wanted there.
    #[error("the JSON has no {wanted} at byte {offset}")]
    Syntax {
        /// Where.
        offset: usize,
        /// What should stand there.
        wanted: &'static str,
    },
    /// A number that begins with a zero, or has no digits where some must stand (RFC 8259 §6).
    #[error("the JSON has a malformed number at byte {offset}")]
    Number {
        /// Of its first byte.
        offset: usize,
    },
    /// An unknown escape, or half of a surrogate pair (RFC 8259 §7).
    #[error("the JSON has a malformed escape at byte {offset}")]
    Escape {
        /// Of the backslash.
        offset: usize,
    },
    /// Two members of one object have one name: readers differ in which of them counts.
    #[error("the JSON object has two members of one name, the second at byte {offset}")]
    Duplicate {
        /// Of the second name.
        offset: usize,
    },
    /// Arrays and objects within each other, deeper than the reader follows.
    #[error("the JSON is nested deeper than {limit} at byte {offset}")]
    TooDeep {
        /// Of the bracket that is too many.
        offset: usize,
        /// The deepest that is read.
        limit: usize,
    },
    /// More values than the reader takes.
    #[error("the JSON has more than {limit} values at byte {offset}")]
    TooMany {
        /// Of the value that is too many.
        offset: usize,
        /// The most that is read.
        limit: usize,
    },
    /// Bytes behind the value.
    #[error("bytes follow the JSON at byte {offset}")]
    Trailing {
        /// Of the first of them.
        offset: usize,
    },
    /// JSON, but of another kind than the member must have.
    #[error("the JSON has no {wanted} as the value at byte {offset}")]
    Kind {
        /// Of the value.
        offset: usize,
        /// The kind that it must have.
        wanted: &'static str,
    },
}

/// The members of an object, in the order of their names.
pub(crate) type Members = BTreeMap<String, Value>;

/// One value and where it began.
#[derive(Clone)]
pub(crate) struct Value {
    offset: usize,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// As it was written: no reading into a float and back keeps all of them.
    Number(String),
    Text(String),
    Array(Vec<Value>),
    Object(Members),
}

impl Value {
    fn new(offset: usize, kind: Kind) -> Self {
        Self { offset, kind }
    }

    /// Where it began.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn text(&self) -> Result<&str, JsonError> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            _ => Err(self.wanted("text")),
        }
    }

    pub(crate) fn array(&self) -> Result<&[Self], JsonError> {
        match &self.kind {
            Kind::Array(values) => Ok(values),
            _ => Err(self.wanted("array")),
        }
    }

    pub(crate) fn members(&self) -> Result<&Members, JsonError> {
        match &self.kind {
            Kind::Object(members) => Ok(members),
            _ => Err(self.wanted("object")),
        }
    }

    pub(crate) fn into_members(self) -> Result<Members, JsonError> {
        match self.kind {
            Kind::Object(members) => Ok(members),
            _ => Err(self.wanted("object")),
        }
    }

    /// A number as it was written.
    pub(crate) fn number(&self) -> Result<&str, JsonError> {
        match &self.kind {
            Kind::Number(digits) => Ok(digits),
            _ => Err(self.wanted("number")),
        }
    }

    /// A number written as an integer, neither fraction nor exponent: its sign and its digits.
    pub(crate) fn integer(&self) -> Result<(bool, &str), JsonError> {
        let written = self.number().map_err(|_| self.wanted("integer"))?;
        let digits = written.strip_prefix('-').unwrap_or(written);
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok((digits.len() < written.len(), digits))
        } else {
            Err(self.wanted("integer"))
        }
    }

    /// An integer of 64 bits without a sign.
    pub(crate) fn unsigned(&self) -> Result<u64, JsonError> {
        let wanted = || self.wanted("unsigned 64-bit integer");
        match self.integer().map_err(|_| wanted())? {
            (false, digits) => digits.parse().map_err(|_| wanted()),
            (true, _) => Err(wanted()),
        }
    }

    pub(crate) fn wanted(&self, wanted: &'static str) -> JsonError {
        JsonError::Kind { offset: self.offset, wanted }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::new(0, Kind::Text(text.to_owned()))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::new(0, Kind::Number(number.to_string()))
    }
}

impl From<Vec<Self>> for Value {
    fn from(values: Vec<Self>) -> Self {
        Self::new(0, Kind::Array(values))
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::new(0, Kind::Object(members))
    }
}

/// The same value wherever it stands.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
