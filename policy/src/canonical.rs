//! One reading of a path, or a refusal. Owns the only normalisation in the mesh: percent-encoded *unreserved*
//! characters are decoded, once (RFC 3986 §2.3), and the digits of every other escape become upper case (§6.2.2.1).
//! Whatever a server behind us might read in a second way is refused instead of repaired; the bytes that are
//! forwarded are the original ones in any case. It does not know rules.

use std::borrow::Cow;

/// The longest path that is read, in bytes; also the longest template.
pub(crate) const MAX_BYTES: usize = 8192;

/// Why a path has no single reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// Longer than any path that is read.
    #[error("it has {length} bytes, more than 8192")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Neither absolute, nor the `*` of OPTIONS.
    #[error("it does not start with '/'")]
    NotAbsolute,
    /// `//`, which some servers collapse.
    #[error("it has an empty segment (\"//\")")]
    EmptySegment,
    /// `.` or `..`, written in any way.
    #[error("it has a relative segment ({segment:?})")]
    DotSegment {
        /// `.` or `..`.
        segment: &'static str,
    },
    /// A byte that no path may hold: controls, spaces, non-ASCII, backslash, `;`, `?`, `#`.
    #[error("byte {offset} is {found:?}, which servers do not agree on")]
    Byte {
        /// Where, counted from 0.
        offset: usize,
        /// What stands there.
        found: char,
    },
    /// A `%` without two hexadecimal digits after it.
    #[error("the '%' at byte {offset} is not followed by two hexadecimal digits")]
    Percent {
        /// Where, counted from 0.
        offset: usize,
    },
    /// An escape of a byte that would mean something else if a server decoded it.
    #[error("byte {offset} starts an encoded %{byte:02X}, which servers do not agree on")]
    EncodedByte {
        /// Where, counted from 0.
        offset: usize,
        /// The byte that is encoded.
        byte: u8,
    },
    /// Escapes that are not the shortest UTF-8 of any character.
    #[error("the escapes at byte {offset} are not valid UTF-8")]
    Utf8 {
        /// Where, counted from 0.
        offset: usize,
    },
    /// gRPC paths are never normalised, so theirs must be canonical as it stands.
    #[error("a gRPC path must not need decoding")]
    NotVerbatim,
}

/// The canonical form of a raw path (without its query). Borrows when the path is canonical already.
///
/// The path `*` is itself, for OPTIONS alone (RFC 9110 §9.3.7). A trailing slash is kept: `/a/` is not `/a`.
pub fn canonical_path<'a>(method: &str, path: &'a str) -> Result<Cow<'a, str>, AmbiguousPath> {
    if path == "*" && method == "OPTIONS" {
        return Ok(Cow::Borrowed(path));
    }
    if path.len() > MAX_BYTES {
        return Err(AmbiguousPath::TooLong { length: path.len() });
    }
    if !path.starts_with('/') {
        return Err(AmbiguousPath::NotAbsolute);
    }
    let decoded = decode_unreserved(path)?;
    // After decoding, so that "%2e%2E" is seen for what it is.
    check_segments(&decoded)?;
    Ok(decoded)
}

fn check_segments(path: &str) -> Result<(), AmbiguousPath> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" if !last => return Err(AmbiguousPath::EmptySegment),
            "." => return Err(AmbiguousPath::DotSegment { segment: "." }),
            ".." => return Err(AmbiguousPath::DotSegment { segment: ".." }),
            _ => {}
        }
    }
    Ok(())
}

fn decode_unreserved(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    let bytes = path.as_bytes();
    let mut changed: Option<String> = None;
    let mut offset = 0;
    while let Some(&byte) = bytes.get(offset) {
        if byte != b'%' {
            check_raw(byte, offset)?;
            if let Some(text) = &mut changed {
                text.push(char::from(byte));
            }
            offset += 1;
            continue;
        }
        let end = escape_end(bytes, offset)?;
        let written = &path[offset..end];
        let canonical = canonical_escape(written, decoded_byte(bytes, offset)?);
        if changed.is_some() || canonical != written {
            changed.get_or_insert_with(|| path[..offset].to_owned()).push_str(&canonical);
        }
        offset = end;
    }
    Ok(changed.map_or(Cow::Borrowed(path), Cow::Owned))
}

fn check_raw(byte: u8, offset: usize) -> Result<(), AmbiguousPath> {
    // Visible ASCII only: RFC 3986 §2 has no other character. ';' starts matrix parameters, which some servers
    // strip; '?' and '#' cannot be part of a path.
    let allowed = byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#');
    if allowed { Ok(()) } else { Err(AmbiguousPath::Byte { offset, found: char::from(byte) }) }
}

/// Checks the escape, or the run of escapes of one character, at `offset`, and says where it ends.
fn escape_end(bytes: &[u8], offset: usize) -> Result<usize, AmbiguousPath> {
    let first = decoded_byte(bytes, offset)?;
    let width = match first {
        // Separators in disguise, line breaks, NUL; ';' because some servers strip parameters after decoding.
        0..=0x1f | 0x7f | b'/' | b'\\' | b';' => {
            return Err(AmbiguousPath::EncodedByte { offset, byte: first });
        }
        0x20..=0x7e => return Ok(offset + 3),
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    };
    let mut character = [0; 4];
    for (index, place) in character[..width].iter_mut().enumerate() {
        let at = offset + 3 * index;
        if bytes.get(at) != Some(&b'%') {
            return Err(AmbiguousPath::Utf8 { offset });
        }
        *place = decoded_byte(bytes, at)?;
    }
    // The standard library refuses overlong forms (C0 AE for '.') and surrogates.
    match std::str::from_utf8(&character[..width]) {
        Ok(_) => Ok(offset + 3 * width),
        Err(_) => Err(AmbiguousPath::Utf8 { offset }),
    }
}

/// The byte that the escape at `offset` stands for.
fn decoded_byte(bytes: &[u8], offset: usize) -> Result<u8, AmbiguousPath> {
    escaped_byte(bytes.get(offset + 1..).unwrap_or_default()).ok_or(AmbiguousPath::Percent { offset })
}

/// The byte that the two hexadecimal digits at the start stand for.
fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    Some(hex_value(*high)? << 4 | hex_value(*low)?)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn canonical_escape(written: &str, byte: u8) -> Cow<'_, str> {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        return Cow::Owned(char::from(byte).to_string());
    }
    if written.bytes().any(|digit| digit.is_ascii_lowercase()) {
        return Cow::Owned(written.to_ascii_uppercase());
    }
    Cow::Borrowed(written)
}

/// Whether two canonical texts would be equal for a server that decodes every escape.
///
/// RFC 3986 keeps "a:b" and "a%3Ab" apart; most servers do not. The caller makes of it what cannot be told.
pub(crate) fn equal_when_decoded(left: &str, right: &str) -> bool {
    fully_decoded(left).eq(fully_decoded(right))
}

fn fully_decoded(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        match escaped_byte(after).filter(|_| first == b'%') {
            Some(byte) => {
                rest = &after[2..];
                Some(byte)
            }
            None => {
                rest = after;
                Some(first)
            }
        }
    })
}

#[cfg(test)]
mod tests;
