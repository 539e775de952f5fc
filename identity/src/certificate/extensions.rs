//! The extensions of a certificate (RFC 5280 §4.2). Owns which of them have a meaning here, and the reading of their
//! values, whole: an extension that cannot be read is never taken for an absent one.

use super::names::GeneralName;
use crate::der::{DerError, Element, Malformed, tag};

/// More than any certificate needs, few enough to hold each against all others.
const MAX_EXTENSIONS: usize = 64;
/// id-ce, under which all of ours stand.
const ID_CE: [u8; 2] = [0x55, 0x1d];

/// An extension that the profiles and path validation give a meaning to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    KeyUsage,
    SubjectAltName,
    BasicConstraints,
    NameConstraints,
    ExtendedKeyUsage,
}

impl Known {
    const ALL: [(Self, u8, &'static str); 5] = [
        (Self::KeyUsage, 15, "keyUsage"),
        (Self::SubjectAltName, 17, "subjectAltName"),
        (Self::BasicConstraints, 19, "basicConstraints"),
        (Self::NameConstraints, 30, "nameConstraints"),
        (Self::ExtendedKeyUsage, 37, "extendedKeyUsage"),
    ];

    fn of(oid: &[u8]) -> Option<Self> {
        let [a, b, last] = oid else { return None };
        let known = Self::ALL.into_iter().find(|(_, arc, _)| arc == last)?;
        (ID_CE == [*a, *b]).then_some(known.0)
    }

    /// As RFC 5280 calls it.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(known, ..)| *known == self).map_or("", |(.., name)| name)
    }
}

/// One extension; its value is not looked at yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    pub(crate) offset: usize,
    value: Element<'a>,
}

impl<'a> Extension<'a> {
    fn read(element: Element<'a>) -> Result<Self, Malformed> {
        let mut fields = element.elements();
        let oid = fields.take(tag::OID)?.oid()?;
        let critical = fields.flag()?;
        let value = fields.take(tag::OCTET_STRING)?;
        fields.end()?;
        Ok(Self { oid, critical, offset: element.offset, value })
    }

    /// Which one it is, if it has a meaning here.
    pub(crate) fn known(&self) -> Option<Known> {
        Known::of(self.oid)
    }

    /// The one element in its value.
    pub(crate) fn content(&self, wanted: u8) -> Result<Element<'a>, Malformed> {
        super::only(self.value, wanted)
    }
}

/// All extensions of one certificate.
#[derive(Debug, Default)]
pub(crate) struct Extensions<'a>(Vec<Extension<'a>>);

impl<'a> Extensions<'a> {
    /// Reads the list; none where there are too many to look at.
    pub(crate) fn read(list: Element<'a>) -> Result<Option<Self>, Malformed> {
        let mut elements = list.elements().not_empty()?;
        let mut extensions = Vec::with_capacity(8);
        while !elements.is_empty() {
            if extensions.len() == MAX_EXTENSIONS {
                return Ok(None);
            }
            extensions.push(Extension::read(elements.take(tag::SEQUENCE)?)?);
        }
        Ok(Some(Self(extensions)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Extension<'a>> {
        self.0.iter()
    }

    /// The first of its kind.
    pub(crate) fn of(&self, known: Known) -> Option<&Extension<'a>> {
        self.0.iter().find(|extension| extension.known() == Some(known))
    }

    /// Those that stand there a second time.
    pub(crate) fn repeated(&self) -> impl Iterator<Item = &Extension<'a>> {
        self.0.iter().enumerate().filter_map(|(at, extension)| {
            self.0[..at].iter().any(|before| before.oid == extension.oid).then_some(extension)
        })
    }
}

/// RFC 5280 §4.2.1.9.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<usize>,
}

impl BasicConstraints {
    pub(crate) fn read(extension: &Extension<'_>) -> Result<Self, Malformed> {
        let mut fields = extension.content(tag::SEQUENCE)?.elements();
        let ca = fields.flag()?;
        let path_length = fields.take_if(tag::INTEGER)?.map(path_length).transpose()?;
        fields.end()?;
        Ok(Self { ca, path_length })
    }
}

/// A length beyond all paths limits none.
fn path_length(number: Element<'_>) -> Result<usize, Malformed> {
    let octets = number.integer()?;
    if octets[0] >= 0x80 {
        return Err(DerError::Negative.at(number.offset));
    }
    let append = |length: usize, octet: &u8| length.checked_mul(256)?.checked_add(usize::from(*octet));
    Ok(octets.iter().try_fold(0, append).unwrap_or(usize::MAX))
}

/// RFC 5280 §4.2.1.12.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExtendedKeyUsage {
    pub(crate) server_auth: bool,
    pub(crate) client_auth: bool,
}

impl ExtendedKeyUsage {
    /// anyExtendedKeyUsage stands for neither: X509-SVID §4.4 asks for both by name.
    pub(crate) fn read(extension: &Extension<'_>) -> Result<Self, Malformed> {
        let mut usage = Self::default();
        Self::each(extension, |oid| match oid {
            [0x2b, 6, 1, 5, 5, 7, 3, 1] => usage.server_auth = true,
            [0x2b, 6, 1, 5, 5, 7, 3, 2] => usage.client_auth = true,
            _ => {}
        })?;
        Ok(usage)
    }

    /// Every usage by its octets.
    pub(crate) fn each<'a>(
        extension: &Extension<'a>,
        mut see: impl FnMut(&'a [u8]),
    ) -> Result<(), Malformed> {
        let mut usages = extension.content(tag::SEQUENCE)?.elements().not_empty()?;
        while !usages.is_empty() {
            see(usages.take(tag::OID)?.oid()?);
        }
        Ok(())
    }
}

/// That nameConstraints are readable (RFC 5280 §4.2.1.10); what they allow is for path validation.
pub(crate) fn check_name_constraints(extension: &Extension<'_>) -> Result<(), Malformed> {
    let mut sides = extension.content(tag::SEQUENCE)?.elements().not_empty()?;
    for number in [0, 1] {
        let Some(side) = sides.take_if(tag::context_around(number))? else { continue };
        let mut subtrees = side.elements().not_empty()?;
        while !subtrees.is_empty() {
            let mut subtree = subtrees.take(tag::SEQUENCE)?.elements();
            let base = subtree.any()?;
            // minimum is 0 and not written, maximum is absent.
            subtree.end()?;
            check_base(base)?;
        }
    }
    sides.end()
}

/// The base of a subtree: a name, or for addresses an address and a mask.
fn check_base(base: Element<'_>) -> Result<(), Malformed> {
    match (base.tag, base.content.len()) {
        (0x87, 8 | 32) => Ok(()),
        (0x87, _) => Err(DerError::Address.at(base.offset)),
        _ => GeneralName::read(base).map(|_| ()),
    }
}
