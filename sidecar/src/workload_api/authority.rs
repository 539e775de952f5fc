//! What a client says in `:authority`. On a unix socket gRPC's C core, and with it Python, C++, Ruby and PHP, puts the path
//! of the socket there, percent-encoded; others the path as it is. Neither is an authority by RFC 3986, and our HTTP/2
//! resets such a stream before anybody sees the request.
//!
//! Owns reading along with what a client sends, and replacing in that one value each byte that does not belong there: one
//! for one, so that no length changes. Nobody reads the value afterwards: which workload is asked for, the socket says.
//! Whatever else is wrong with the bytes is left as it is, for HTTP/2 to refuse.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client says before its first frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;
const NAME: &[u8] = b":authority";
/// Where the name stands in the table that every HPACK reader has.
const NAME_INDEX: u8 = 1;

/// A byte stream whose client may say in `:authority` what it likes.
#[derive(Debug)]
pub(super) struct AnyAuthority<IO> {
    io: IO,
    frames: Frames,
}

impl<IO> AnyAuthority<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, frames: Frames::default() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for AnyAuthority<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.frames.mend(&mut buf.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for AnyAuthority<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Where in a connection the next byte stands.
#[derive(Debug)]
struct Frames {
    at: At,
    /// Goes on from a frame of headers to those that continue it.
    block: Block,
}

#[derive(Debug)]
enum At {
    Preface { left: usize },
    Head { bytes: [u8; FRAME_HEAD], count: usize },
    Payload(Payload),
}

/// What is left of a frame.
#[derive(Debug)]
struct Payload {
    left: usize,
    /// Whether it carries header fields: after these bytes, and before the padding.
    has_fields: bool,
    before: usize,
    is_padded: bool,
    padding: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { at: At::Preface { left: PREFACE }, block: Block::Field }
    }
}

impl Frames {
    fn mend(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: &mut u8) {
        match &mut self.at {
            At::Preface { left } => {
                *left -= 1;
                if *left == 0 {
                    self.at = At::FIRST;
                }
            }
            At::Head { bytes, count } => {
                bytes[*count] = *byte;
                *count += 1;
                if *count == FRAME_HEAD {
                    let head = *bytes;
                    self.begin(head);
                }
            }
            At::Payload(payload) => {
                if payload.is_of_fields(*byte) {
                    self.block.step(byte);
                }
                if payload.left == 0 {
                    self.at = At::FIRST;
                }
            }
        }
    }

    fn begin(&mut self, [high, middle, low, kind, flags, ..]: [u8; FRAME_HEAD]) {
        let left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let is_first = kind == HEADERS;
        if is_first {
            self.block = Block::Field;
        }
        let before = if is_first && flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        let has_fields = is_first || kind == CONTINUATION;
        let is_padded = is_first && flags & PADDED != 0;
        let payload = Payload { left, has_fields, before, is_padded, padding: 0 };
        self.at = if left == 0 { At::FIRST } else { At::Payload(payload) };
    }
}

impl At {
    const FIRST: Self = Self::Head { bytes: [0; FRAME_HEAD], count: 0 };
}

impl Payload {
    /// Takes the next byte, and says whether it is one of header fields.
    fn is_of_fields(&mut self, byte: u8) -> bool {
        self.left -= 1;
        if self.is_padded {
            self.is_padded = false;
            self.padding = byte.into();
            return false;
        }
        if self.before > 0 {
            self.before -= 1;
            return false;
        }
        self.has_fields && self.left >= self.padding
    }
}

/// Where in a block of header fields the next byte stands: RFC 7541, sections 5 and 6, as far as lengths go.
#[derive(Debug, Clone, Copy)]
enum Block {
    /// At the beginning of a field.
    Field,
    /// In a number that says nothing here; then at the length of a value, or at the next field.
    Number { then_value: bool },
    /// At the length of a text.
    Length(Text),
    /// Further in it.
    LongLength { of: Text, is_plain: bool, length: usize, shift: u32 },
    /// In the text.
    Text { of: Text, is_plain: bool, left: usize },
    /// No reader of HPACK goes on after this, and this one does not either.
    Lost,
}

/// What a text is.
#[derive(Debug, Clone, Copy)]
enum Text {
    /// A name; so many bytes of it are those of [`NAME`]. `None`: it is another.
    Name(Option<usize>),
    /// A value: that of `:authority`, or another.
    Value { is_authority: bool },
}

impl Block {
    fn step(&mut self, byte: &mut u8) {
        *self = match *self {
            Self::Field => Self::of_first(*byte),
            Self::Number { .. } if *byte & 0x80 != 0 => *self,
            Self::Number { then_value: true } => Self::Length(Text::Value { is_authority: false }),
            Self::Number { then_value: false } => Self::Field,
            Self::Length(of) => {
                let is_plain = *byte & 0x80 == 0;
                match usize::from(*byte & 0x7f) {
                    length @ 0x7f => Self::LongLength { of, is_plain, length, shift: 0 },
                    left => Self::in_text(of, is_plain, left),
                }
            }
            // More than three bytes are more than any block may have.
            Self::LongLength { shift: 21.., .. } | Self::Lost => Self::Lost,
            Self::LongLength { of, is_plain, length, shift } => {
                let length = length + (usize::from(*byte & 0x7f) << shift);
                match *byte & 0x80 {
                    0 => Self::in_text(of, is_plain, length),
                    _ => Self::LongLength { of, is_plain, length, shift: shift + 7 },
                }
            }
            Self::Text { of, is_plain, left } => Self::in_text(of.step(is_plain, byte), is_plain, left - 1),
        }
    }

    /// The kind of a field is in its first byte, and the beginning of a number.
    fn of_first(byte: u8) -> Self {
        let (mask, is_literal) = match byte {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        match byte & mask {
            index if index == mask => Self::Number { then_value: is_literal },
            _ if !is_literal => Self::Field,
            0 => Self::Length(Text::Name(Some(0))),
            index => Self::Length(Text::Value { is_authority: index == NAME_INDEX }),
        }
    }

    /// With so many bytes of a text to come.
    fn in_text(of: Text, is_plain: bool, left: usize) -> Self {
        match (left, of) {
            (1.., _) => Self::Text { of, is_plain, left },
            (0, Text::Name(same)) => Self::Length(Text::Value { is_authority: same == Some(NAME.len()) }),
            (0, Text::Value { .. }) => Self::Field,
        }
    }
}

impl Text {
    /// A text by Huffman's code is left as it is: nobody writes this one so.
    fn step(self, is_plain: bool, byte: &mut u8) -> Self {
        match self {
            Self::Name(same) => {
                let goes_on = |&count: &usize| is_plain && NAME.get(count) == Some(byte);
                Self::Name(same.filter(goes_on).map(|count| count + 1))
            }
            Self::Value { is_authority } => {
                if is_authority && is_plain && matches!(*byte, b'%' | b'/') {
                    *byte = b'.';
                }
                self
            }
        }
    }
}

#[cfg(test)]
mod tests;
