//! `traceparent`, `tracestate` and `baggage`: hints for those who trace, never a reason to refuse a call. One that
//! cannot be read, or that is larger than its standard allows, is dropped (X11).

use http::header::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// `00-` trace id, parent id, flags: the whole of version 00, and the beginning of every later one.
const PARENT_BYTES: usize = 55;
/// Of a version to come.
const MAX_PARENT_BYTES: usize = 256;
/// W3C Trace Context §3.3.1.1: at most 32 members. We also bound their bytes.
const STATE_LIMIT: Limit = Limit { members: 32, bytes: 4_096 };
/// W3C Baggage §3.3.2, and the number of members of its first edition, which is the larger one.
const BAGGAGE_LIMIT: Limit = Limit { members: 180, bytes: 8_192 };

struct Limit {
    members: usize,
    bytes: usize,
}

/// Drops what cannot be used, and says whether that was anything.
pub(super) fn drop_unusable(headers: &mut HeaderMap) -> bool {
    let before = headers.len();
    if headers.contains_key(&PARENT) && !has_one_parent(headers) {
        headers.remove(&PARENT);
    }
    // The state belongs to the parent.
    if headers.contains_key(&STATE) && !(headers.contains_key(&PARENT) && STATE_LIMIT.holds(headers, &STATE))
    {
        headers.remove(&STATE);
    }
    if headers.contains_key(&BAGGAGE) && !BAGGAGE_LIMIT.holds(headers, &BAGGAGE) {
        headers.remove(&BAGGAGE);
    }
    headers.len() < before
}

fn has_one_parent(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(&PARENT).iter();
    values.next().is_some_and(is_parent) && values.next().is_none()
}

/// W3C Trace Context §3.2.2.
fn is_parent(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let Some((known, rest)) = bytes.split_at_checked(PARENT_BYTES) else { return false };
    let mut fields = known.split(|byte| *byte == b'-');
    let mut field = |length: usize| {
        let digits = |field: &&[u8]| {
            field.len() == length && field.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        fields.next().filter(digits)
    };
    let (Some(version), Some(trace), Some(parent), Some(_)) = (field(2), field(32), field(16), field(2))
    else {
        return false;
    };
    let set = |id: &[u8]| id.iter().any(|digit| *digit != b'0');
    let more = match version {
        b"00" => rest.is_empty(),
        b"ff" => false,
        _ => rest.first().is_none_or(|byte| *byte == b'-') && bytes.len() <= MAX_PARENT_BYTES,
    };
    set(trace) && set(parent) && more
}

impl Limit {
    fn holds(&self, headers: &HeaderMap, name: &HeaderName) -> bool {
        let (mut members, mut bytes) = (0, 0);
        for value in headers.get_all(name) {
            bytes += value.len();
            members += value.as_bytes().split(|byte| *byte == b',').count();
        }
        members <= self.members && bytes <= self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn kept(fields: &[(HeaderName, String)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        let dropped = drop_unusable(&mut headers);
        assert_eq!(dropped, headers.len() < fields.len());
        headers.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn a_trace_context_that_can_be_read_is_kept() {
        let fields = [
            (PARENT, GOOD.to_owned()),
            (STATE, "a=1,b=2".to_owned()),
            (BAGGAGE, "user=alice,tier=gold".to_owned()),
        ];
        assert_eq!(kept(&fields).len(), 3);
        assert_eq!(kept(&[(PARENT, format!("01{}-more", &GOOD[2..]))]), ["traceparent"]);
    }

    #[test]
    fn a_parent_that_cannot_be_read_is_dropped_and_its_state_with_it() {
        // X11
        let rows = [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-more"),
            GOOD.to_uppercase(),
            GOOD.replace("0af7", "zzzz"),
            format!("ff{}", &GOOD[2..]),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            format!("01{}-{}", &GOOD[2..], "m".repeat(300)),
        ];
        for row in rows {
            assert!(kept(&[(PARENT, row.clone()), (STATE, "a=1".to_owned())]).is_empty(), "{row:?}");
        }
        assert!(kept(&[(PARENT, GOOD.to_owned()), (PARENT, GOOD.to_owned())]).is_empty(), "two parents");
        assert!(kept(&[(STATE, "a=1".to_owned())]).is_empty(), "a state without a parent");
    }

    #[test]
    fn what_is_larger_than_its_standard_allows_is_dropped() {
        // X11
        let members = |count: usize| vec!["k=v"; count].join(",");
        let parent = (PARENT, GOOD.to_owned());
        assert_eq!(kept(&[parent.clone(), (STATE, members(33))]), ["traceparent"]);
        assert_eq!(kept(&[parent.clone(), (STATE, "v".repeat(4_097))]), ["traceparent"]);
        assert_eq!(kept(&[parent, (BAGGAGE, "v".repeat(65_536))]), ["traceparent"]);
        assert!(kept(&[(BAGGAGE, members(10_000))]).is_empty());
        assert!(
            kept(&[(BAGGAGE, members(100)), (BAGGAGE, members(100))]).is_empty(),
            "counted over all fields"
        );
    }
}
