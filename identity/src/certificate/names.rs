//! Distinguished names and alternative names (RFC 5280 §4.1.2.4, §4.2.1.6). Owns that every one of them is readable, of
//! whichever kind: a name that we step over is one in which another reader may find a second identity.

use crate::der::{DerError, Element, Malformed, Reader, tag};

/// One alternative name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GeneralName<'a> {
    /// A type of somebody's own, by its identifier's octets.
    Other(&'a [u8]),
    Email(&'a str),
    Dns(&'a str),
    Directory(Element<'a>),
    Uri(&'a str),
    Ip(&'a [u8]),
    /// By its octets.
    RegisteredId(&'a [u8]),
    /// x400Address and ediPartyName, which nobody uses.
    Obsolete,
}

/// The names in a subjectAltName, each with its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GeneralNames<'a>(Reader<'a>);

impl<'a> GeneralNames<'a> {
    /// Of the extension's value: at least one name.
    pub(crate) fn of(list: Element<'a>) -> Result<Self, Malformed> {
        list.elements().not_empty().map(Self)
    }
}

impl<'a> Iterator for GeneralNames<'a> {
    type Item = Result<(usize, GeneralName<'a>), Malformed>;

    /// Ends at the first name that cannot be read.
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let named = self.0.any().and_then(|element| Ok((element.offset, GeneralName::read(element)?)));
        if named.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(named)
    }
}

impl<'a> GeneralName<'a> {
    /// A tag of another form than the kind has (a URI in pieces, say) is none of these.
    pub(crate) fn read(element: Element<'a>) -> Result<Self, Malformed> {
        let text = || ascii(element);
        match element.tag {
            0xa0 => other_name(element),
            0x81 => text().map(Self::Email),
            0x82 => text().map(Self::Dns),
            0xa4 => directory(element),
            0x86 => text().map(Self::Uri),
            0x87 if matches!(element.content.len(), 4 | 16) => Ok(Self::Ip(element.content)),
            0x87 => Err(DerError::Address.at(element.offset)),
            0x88 => element.oid().map(Self::RegisteredId),
            0xa3 | 0xa5 => Ok(Self::Obsolete),
            _ => Err(DerError::TagForm.at(element.offset)),
        }
    }
}

fn ascii(element: Element<'_>) -> Result<&str, Malformed> {
    let text = str::from_utf8(element.content).ok().filter(|text| text.is_ascii());
    text.ok_or(DerError::NotAscii.at(element.offset))
}

/// `[0] { identifier, [0] { value } }`.
fn other_name(element: Element<'_>) -> Result<GeneralName<'_>, Malformed> {
    let mut fields = element.elements();
    let oid = fields.take(tag::OID)?.oid()?;
    let mut value = fields.take(tag::context_around(0))?.elements();
    fields.end()?;
    value.any()?;
    value.end()?;
    Ok(GeneralName::Other(oid))
}

/// `[4] { name }`: a choice is tagged around itself (X.680 §31.2.7).
fn directory(element: Element<'_>) -> Result<GeneralName<'_>, Malformed> {
    let mut inside = element.elements();
    let name = inside.take(tag::SEQUENCE)?;
    inside.end()?;
    check_name(name)?;
    Ok(GeneralName::Directory(name))
}

/// That a distinguished name is what it should be: a list of sets of pairs of an identifier and a value.
pub(crate) fn check_name(name: Element<'_>) -> Result<(), Malformed> {
    let mut parts = name.elements();
    while !parts.is_empty() {
        let mut members = parts.take(tag::SET)?.elements().not_empty()?;
        let mut before: &[u8] = &[];
        while !members.is_empty() {
            let pair = members.take(tag::SEQUENCE)?;
            if pair.raw < before {
                return Err(DerError::SetOrder.at(pair.offset));
            }
            before = pair.raw;
            let mut fields = pair.elements();
            fields.take(tag::OID)?.oid()?;
            fields.any()?;
            fields.end()?;
        }
    }
    Ok(())
}
