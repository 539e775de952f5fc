//! DER has one spelling of everything; the others are refused at their place.

use proptest::prelude::*;

use super::*;

fn first(bytes: &[u8]) -> Result<Element<'_>, Malformed> {
    Reader::new(bytes).any()
}

#[test]
fn an_element_is_its_tag_and_the_bytes_that_its_length_says() {
    let long = [&[4, 0x81, 0x80][..], &[7; 0x80]].concat();
    let longer = [&[4, 0x82, 0x01, 0x00][..], &[7; 0x100], &[1]].concat();
    for (bytes, header, length) in
        [(&[4, 2, 7, 7, 7][..], 2, 2), (&[5, 0], 2, 0), (&long, 3, 0x80), (&longer, 4, 0x100)]
    {
        let element = first(bytes).unwrap();
        assert_eq!((element.raw.len(), element.content.len()), (header + length, length));
        assert_eq!(element.content_offset(), header);
    }
}

#[test]
fn another_form_of_length_or_tag_is_refused() {
    for (bytes, error) in [
        (&[][..], DerError::Truncated),
        (&[0x30], DerError::Truncated),
        (&[0x30, 1], DerError::Truncated),
        (&[0x30, 0x82, 1], DerError::Truncated),
        (&[0x30, 0x80, 0, 0], DerError::Length),
        (&[0x30, 0x81, 0x7f], DerError::Length),
        (&[0x30, 0x82, 0x00, 0xff], DerError::Length),
        (&[0x30, 0x84, 0, 0, 0, 1], DerError::Length),
        (&[0x30, 0xff], DerError::Length),
        (&[0x1f, 0x21, 0], DerError::TagForm),
        (&[0xbf, 0x21, 0], DerError::TagForm),
        (&[0x00, 0], DerError::TagForm),
        // X.690 10.2: strings in pieces; and a sequence that is no wrapper.
        (&[0x24, 0], DerError::TagForm),
        (&[0x36, 0], DerError::TagForm),
        (&[0x10, 0], DerError::TagForm),
    ] {
        assert_eq!(first(bytes), Err(error.at(0)), "{bytes:02x?}");
    }
}

#[test]
fn a_broken_element_is_named_by_its_place_in_the_whole() {
    let bytes = [0x30, 7, 2, 1, 5, 0x30, 2, 1, 0];
    let outer = first(&bytes).unwrap();
    let mut inside = outer.elements();
    inside.take(tag::INTEGER).unwrap();
    let list = inside.take(tag::SEQUENCE).unwrap();
    assert_eq!((list.offset, list.content_offset()), (5, 7));
    assert_eq!(list.elements().take(tag::BOOLEAN).unwrap().boolean(), Err(DerError::Boolean.at(7)));
    let wanted = DerError::Tag { found: 1, wanted: 2 };
    assert_eq!(list.elements().take(tag::INTEGER), Err(wanted.at(7)));
    assert_eq!(list.elements().end(), Err(DerError::Surplus.at(7)));
}

fn read<T>(bytes: &[u8], value: impl FnOnce(&Element<'_>) -> Result<T, Malformed>) -> Result<T, DerError> {
    value(&first(bytes).unwrap()).map_err(|malformed| malformed.error)
}

#[test]
fn every_value_has_one_spelling() {
    let flag = |bytes: &[u8]| Reader::new(bytes).flag().map_err(|malformed| malformed.error);
    assert_eq!(flag(&[]), Ok(false));
    assert_eq!(flag(&[1, 1, 0xff]), Ok(true));
    assert_eq!(flag(&[1, 1, 0]), Err(DerError::Default));
    for bytes in [&[1, 1, 1][..], &[1, 0], &[1, 2, 0xff, 0xff]] {
        assert_eq!(flag(bytes), Err(DerError::Boolean), "{bytes:02x?}");
    }
    for (bytes, digits) in [
        (&[2, 1, 1][..], Some(&[1][..])),
        (&[2, 2, 0, 0x80], Some(&[0x80])),
        (&[2, 1, 0], None),
        (&[2, 1, 0xff], None),
    ] {
        let positive = first(bytes).unwrap().positive().unwrap().map(<[u8]>::to_vec);
        assert_eq!(positive.as_deref(), digits, "{bytes:02x?}");
    }
    for bytes in [&[2, 0][..], &[2, 2, 0, 1], &[2, 2, 0, 0], &[2, 2, 0xff, 0x80]] {
        assert_eq!(
            read(bytes, |element| element.positive().map(|_| ())),
            Err(DerError::Integer),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn named_bits_end_with_the_last_that_is_set() {
    for (bytes, bits) in [
        (&[3, 1, 0][..], 0),
        (&[3, 2, 7, 0x80], 0x8000),
        (&[3, 2, 0, 0x01], 0x0100),
        (&[3, 2, 1, 0x06], 0x0600),
        (&[3, 3, 7, 0x00, 0x80], 0x0080),
    ] {
        assert_eq!(read(bytes, |element| element.named_bits()), Ok(bits), "{bytes:02x?}");
    }
    for bytes in [
        &[3, 0][..],
        &[3, 1, 1],
        &[3, 2, 0, 0],
        &[3, 2, 0, 0x80],
        &[3, 2, 6, 0x80],
        &[3, 2, 7, 0xc0],
        &[3, 2, 8, 0x80],
        &[3, 3, 0, 0x80, 0],
        &[3, 4, 0, 0, 0, 1],
    ] {
        assert_eq!(read(bytes, |element| element.named_bits()), Err(DerError::BitString), "{bytes:02x?}");
    }
    assert_eq!(read(&[3, 2, 0, 9], |element| element.whole_octets().map(<[u8]>::to_vec)), Ok(vec![9]));
    assert_eq!(
        read(&[3, 2, 1, 8], |element| element.whole_octets().map(<[u8]>::len)),
        Err(DerError::BitString)
    );
}

#[test]
fn object_identifiers_are_read_whole_and_written_as_people_do() {
    for (octets, text) in [
        (&[0x55, 0x1d, 0x11][..], "2.5.29.17"),
        (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "1.2.840.10045.4.3.2"),
        (&[0x88, 0x37, 3], "2.999.3"),
        (&[0], "0.0"),
        (
            &[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            "2bffffffffffffffffffff7f",
        ),
    ] {
        let der = [&[6, u8::try_from(octets.len()).unwrap()], octets].concat();
        assert_eq!(read(&der, |element| element.oid().map(oid_text)), Ok(text.to_owned()));
    }
    for bytes in [&[6, 0][..], &[6, 1, 0x80], &[6, 2, 0x2a, 0x86], &[6, 3, 0x2a, 0x80, 1], &[6, 2, 0x80, 1]] {
        assert_eq!(read(bytes, |element| element.oid().map(|_| ())), Err(DerError::Oid), "{bytes:02x?}");
    }
}

proptest! {
    /// What is read is written back the same: there is no second spelling that would be read as this one.
    #[test]
    fn an_element_has_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = first(&bytes) {
            prop_assert_eq!(crate::testing::element(read.tag, read.content), read.raw);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(tag in any::<u8>(), content in proptest::collection::vec(any::<u8>(), 0..40)) {
        let element = Element { tag, offset: 0, raw: &content, content: &content };
        let results = (element.boolean(), element.integer(), element.positive(), element.whole_octets());
        drop((results, element.named_bits(), element.oid(), element.moment(), oid_text(&content)));
    }
}
