//! One certificate as RFC 5280 §4.1 lays it out: which elements it has, each with its place. Owns the shape and the values of
//! single fields; what a profile demands of them is `svid`'s, and nothing here says whether a rule is kept.

mod algorithm;
mod extensions;
mod key;
mod names;

use std::time::SystemTime;

pub(crate) use algorithm::Algorithm;
pub(crate) use extensions::{
    BasicConstraints, ExtendedKeyUsage, Extension, Extensions, Known, check_name_constraints,
};
pub use key::PublicKey;
pub(crate) use names::{GeneralName, GeneralNames, check_name};

use crate::der::{Element, Malformed, Reader, tag};

/// The elements of a certificate. All of them are DER, down to the values that the functions beside this one read.
#[derive(Debug, Clone)]
pub(crate) struct Certificate<'a> {
    /// The number in `[0]`; absent means version 1.
    pub(crate) version: Option<Element<'a>>,
    pub(crate) serial: Element<'a>,
    /// As the signed part names it, and as the wrapper does.
    pub(crate) algorithms: [Element<'a>; 2],
    pub(crate) issuer: Element<'a>,
    pub(crate) subject: Element<'a>,
    /// The two moments.
    pub(crate) validity: [Element<'a>; 2],
    /// SubjectPublicKeyInfo.
    pub(crate) key: Element<'a>,
    /// issuerUniqueID or subjectUniqueID, whichever stands first.
    pub(crate) unique_id: Option<Element<'a>>,
    /// The list in `[3]`.
    pub(crate) extensions: Option<Element<'a>>,
}

/// Why bytes are not one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Not even one whole element of the right kind.
    NotACertificate,
    /// More than one.
    TrailingBytes { count: usize, offset: usize },
    /// Something in it.
    Malformed(Malformed),
}

impl From<Malformed> for Shape {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl<'a> Certificate<'a> {
    /// Exactly one certificate and no byte more.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Shape> {
        let mut input = Reader::new(der);
        let whole = input.take(tag::SEQUENCE).map_err(|_| Shape::NotACertificate)?;
        if !input.is_empty() {
            return Err(Shape::TrailingBytes { count: input.remaining(), offset: input.offset() });
        }
        let mut outer = whole.elements();
        let signed = outer.take(tag::SEQUENCE)?;
        let algorithm = outer.take(tag::SEQUENCE)?;
        outer.take(tag::BIT_STRING)?.whole_octets()?;
        outer.end()?;
        Ok(Self::signed_part(signed, algorithm)?)
    }

    fn signed_part(signed: Element<'a>, outer_algorithm: Element<'a>) -> Result<Self, Malformed> {
        let mut fields = signed.elements();
        let version =
            fields.take_if(tag::context_around(0))?.map(|wrapped| only(wrapped, tag::INTEGER)).transpose()?;
        let serial = fields.take(tag::INTEGER)?;
        let algorithm = fields.take(tag::SEQUENCE)?;
        let issuer = fields.take(tag::SEQUENCE)?;
        let mut validity = fields.take(tag::SEQUENCE)?.elements();
        let moments = [validity.any()?, validity.any()?];
        validity.end()?;
        let subject = fields.take(tag::SEQUENCE)?;
        let key = fields.take(tag::SEQUENCE)?;
        let issuer_id = fields.take_if(tag::context(1))?;
        let subject_id = fields.take_if(tag::context(2))?;
        let wrapped = fields.take_if(tag::context_around(3))?;
        fields.end()?;
        check_name(issuer)?;
        check_name(subject)?;
        Ok(Self {
            version,
            serial,
            algorithms: [algorithm, outer_algorithm],
            issuer,
            subject,
            validity: moments,
            key,
            unique_id: issuer_id.or(subject_id),
            extensions: wrapped.map(|wrapped| only(wrapped, tag::SEQUENCE)).transpose()?,
        })
    }

    /// The first and the last second at which it holds, where they can be read.
    pub(crate) fn moments(&self) -> [Option<SystemTime>; 2] {
        self.validity.map(|element| element.moment())
    }

    pub(crate) fn has_empty_subject(&self) -> bool {
        self.subject.content.is_empty()
    }
}

/// The one element inside another.
fn only<'a>(wrapper: Element<'a>, wanted: u8) -> Result<Element<'a>, Malformed> {
    let mut inside = wrapper.elements();
    let element = inside.take(wanted)?;
    inside.end()?;
    Ok(element)
}

#[cfg(test)]
mod tests;
