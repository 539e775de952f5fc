//! The reader against documents that readers are known to differ about, and against whatever bytes come.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bytes: 4096, depth: 4, values: 64 };

fn refused(document: &str) -> JsonError {
    read(document.as_bytes(), LIMITS).expect_err(document)
}

#[test]
fn every_kind_of_value_is_read_and_written_back() {
    for document in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-12.50e+3",
        "18446744073709551616",
        r#""""#,
        r#""a\"\\\u0007é😀""#,
        "[]",
        "[1,[2,[3,[4]]]]",
        "{}",
        r#"{"":{"a":[null]},"b":1.0}"#,
    ] {
        assert_eq!(read(document.as_bytes(), LIMITS).unwrap().to_string(), document);
    }
    let spaced =
        read(b" \t\r\n{ \"b\" : [ 1 , 2 ] , \"\\u0061\" : \"\\ud83d\\ude00\\/\\n\" } ", LIMITS).unwrap();
    assert_eq!(spaced.to_string(), "{\"a\":\"\u{1f600}/\\n\",\"b\":[1,2]}");
}

#[test]
fn what_two_readers_could_read_differently_is_refused_with_its_place() {
    for (document, want) in [
        (r#"{"a":1,"a":1}"#, JsonError::Duplicate { offset: 7 }),
        (r#"{"a":1,"\u0061":2}"#, JsonError::Duplicate { offset: 7 }),
        (r#"{"x":{"a":1,"a":2}}"#, JsonError::Duplicate { offset: 12 }),
        ("1 2", JsonError::Trailing { offset: 2 }),
        ("{}\0", JsonError::Trailing { offset: 2 }),
        ("01", JsonError::Number { offset: 0 }),
        ("-", JsonError::Number { offset: 0 }),
        ("[1.]", JsonError::Number { offset: 1 }),
        ("1e", JsonError::Number { offset: 0 }),
        ("+1", JsonError::Syntax { offset: 0, wanted: "value" }),
        (".5", JsonError::Syntax { offset: 0, wanted: "value" }),
        ("NaN", JsonError::Syntax { offset: 0, wanted: "value" }),
        ("\u{feff}1", JsonError::Syntax { offset: 0, wanted: "value" }),
        ("[1,]", JsonError::Syntax { offset: 3, wanted: "value" }),
        (r#"{"a":1,}"#, JsonError::Syntax { offset: 7, wanted: "member name" }),
        ("{a:1}", JsonError::Syntax { offset: 1, wanted: "member name" }),
        (r#"{"a" 1}"#, JsonError::Syntax { offset: 5, wanted: "\":\"" }),
        ("[1 2]", JsonError::Syntax { offset: 3, wanted: "\",\" or \"]\"" }),
        ("// a\n1", JsonError::Syntax { offset: 0, wanted: "value" }),
        ("'a'", JsonError::Syntax { offset: 0, wanted: "value" }),
        ("\"a\nb\"", JsonError::Syntax { offset: 2, wanted: "character of a text" }),
        ("\"a", JsonError::Syntax { offset: 2, wanted: "character of a text" }),
        (r#""\x""#, JsonError::Escape { offset: 1 }),
        (r#""\u12g4""#, JsonError::Escape { offset: 1 }),
        (r#""\u+123""#, JsonError::Escape { offset: 1 }),
        (r#""\ud800""#, JsonError::Escape { offset: 1 }),
        (r#""\udc00""#, JsonError::Escape { offset: 1 }),
        (r#""\ud800\u0041""#, JsonError::Escape { offset: 1 }),
        ("", JsonError::Syntax { offset: 0, wanted: "value" }),
    ] {
        assert_eq!(refused(document), want, "{document:?}");
    }
    assert_eq!(read(b"\"\xff\"", LIMITS), Err(JsonError::Utf8 { offset: 1 }));
    assert_eq!(read(b"\"\xed\xa0\x80\"", LIMITS), Err(JsonError::Utf8 { offset: 1 }), "an encoded surrogate");
}

// F5, W9: bounded, however the document is made.
#[test]
fn size_depth_and_count_are_bounded() {
    assert_eq!(refused(&" ".repeat(4097)), JsonError::TooLong { length: 4097, limit: 4096 });
    assert_eq!(refused("[[[[[]]]]]"), JsonError::TooDeep { offset: 4, limit: 4 });
    assert_eq!(refused(r#"[[[[{"#), JsonError::TooDeep { offset: 4, limit: 4 });
    let many = format!("[{}0]", "0,".repeat(63));
    assert_eq!(refused(&many), JsonError::TooMany { offset: 127, limit: 64 });
    assert!(read(format!("[{}0]", "0,".repeat(62)).as_bytes(), LIMITS).is_ok());
}

#[test]
fn an_integer_has_neither_fraction_nor_exponent_and_fits_64_bits() {
    let unsigned = |text: &str| read(text.as_bytes(), LIMITS).unwrap().unsigned();
    assert_eq!(unsigned("18446744073709551615"), Ok(u64::MAX));
    assert_eq!(unsigned("9007199254740993"), Ok(9_007_199_254_740_993), "a float would lose the last bit");
    for text in ["18446744073709551616", "-1", "1.0", "1e3", "\"1\"", "null", "-0"] {
        let wanted = "unsigned 64-bit integer";
        assert_eq!(unsigned(text), Err(JsonError::Kind { offset: 0, wanted }), "{text}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Kind::Null),
        any::<bool>().prop_map(Kind::Bool),
        "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,9})?([eE][+-]?[0-9]{1,3})?".prop_map(Kind::Number),
        any::<String>().prop_map(Kind::Text),
    ];
    plain.prop_map(|kind| Value::new(0, kind)).prop_recursive(3, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Kind::Array),
            proptest::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Kind::Object),
        ]
        .prop_map(|kind| Value::new(0, kind))
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(value in any_value()) {
        let limits = Limits { bytes: usize::MAX, depth: 8, values: usize::MAX };
        prop_assert_eq!(read(value.to_string().as_bytes(), limits), Ok(value));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(document in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&document, LIMITS);
    }

    #[test]
    fn no_text_of_json_bytes_makes_the_reader_panic(document in r#"[\[\]{}",:\\u0-9a-f.eE+\- trl]{0,60}"#) {
        if let Ok(value) = read(document.as_bytes(), LIMITS) {
            prop_assert_eq!(read(value.to_string().as_bytes(), LIMITS), Ok(value));
        }
    }
}
