//! A token taken apart: compact serialization, base64url in its one spelling, JSON. What stands in the parts is
//! `header`'s and `claims`' matter.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine as _};

use super::error::{JwtError, JwtPart};
use crate::json::{self, Limits, Members};

/// More does not fit into the headers of a call anyway (W9).
pub(super) const MAX_BYTES: usize = 64 * 1024;
const HEADER: Limits = Limits { bytes: 4096, depth: 4, values: 64 };
const CLAIMS: Limits = Limits { bytes: MAX_BYTES, depth: 16, values: 4096 };

/// The three parts, encoded still, and what is signed.
pub(crate) struct Parts<'a> {
    pub(crate) signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

/// What was read, and every rule that it breaks. What could not be read is not there.
pub(crate) struct Seen<T> {
    pub(crate) value: T,
    pub(crate) broken: Vec<JwtError>,
}

impl<T> Seen<T> {
    /// The value, if it breaks no rule.
    pub(crate) fn sound(self) -> Result<T, JwtError> {
        match self.broken.into_iter().next() {
            Some(first) => Err(first),
            None => Ok(self.value),
        }
    }
}

impl<'a> Parts<'a> {
    /// JWT-SVID §5.1.
    pub(crate) fn split(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_BYTES {
            return Err(JwtError::TooLong { length: token.len(), limit: MAX_BYTES });
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::NotCompact)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::NotCompact)?;
        if claims.contains('.') || header.is_empty() || claims.is_empty() || signature.is_empty() {
            return Err(JwtError::NotCompact);
        }
        Ok(Self { signed, header, claims, signature })
    }

    pub(crate) fn header(&self) -> Result<Members, JwtError> {
        let decoded = decoded(JwtPart::Header, self.header, 0)?;
        members(JwtPart::Header, &decoded, HEADER)
    }

    /// The claims, as they were written and as they read.
    pub(crate) fn claims(&self) -> Result<(String, Members), JwtError> {
        let decoded = decoded(JwtPart::Claims, self.claims, self.header.len() + 1)?;
        let members = members(JwtPart::Claims, &decoded, CLAIMS)?;
        // It was JSON, so it is UTF-8, and nothing is lost.
        Ok((String::from_utf8_lossy(&decoded).into_owned(), members))
    }

    pub(crate) fn signature(&self) -> Result<Vec<u8>, JwtError> {
        decoded(JwtPart::Signature, self.signature, self.signed.len() + 1)
    }
}

fn decoded(part: JwtPart, text: &str, start: usize) -> Result<Vec<u8>, JwtError> {
    // Bits that no octet takes must be zero, or two tokens would be one: this engine refuses others.
    URL_SAFE_NO_PAD.decode(text).map_err(|error| {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let within = text.bytes().position(|b| !is_letter(b)).unwrap_or(match error {
            DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        });
        JwtError::Encoding { part, offset: start + within }
    })
}

fn members(part: JwtPart, json: &[u8], limits: Limits) -> Result<Members, JwtError> {
    let read = json::read(json, limits).and_then(json::Value::into_members);
    read.map_err(|error| JwtError::Json { part, error })
}
