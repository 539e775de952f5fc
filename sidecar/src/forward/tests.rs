//! Rows H and X of the attack table that are about headers.

use http::Request;

use http::header::{CONNECTION, TE, UPGRADE};

use super::check::{MAX_TARGET_BYTES, authority, check_request_line, check_size};
use super::*;

fn parts(request: http::request::Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

fn identity(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://demo.local/ns/demo/sa/{name}")).unwrap()
}

#[test]
fn an_authority_that_could_be_read_in_two_ways_is_refused() {
    let twice = Request::get("/").header(HOST, "a").header(HOST, "a");
    let differs = Request::get("http://a/").header(HOST, "b");
    let userinfo = Request::get("/").header(HOST, "u@a");
    let path = Request::get("/").header(HOST, "a/b");
    let missing = Request::get("/");
    let port = Request::get("/").header(HOST, "a:99999");
    let comma = Request::get("/").header(HOST, "a,b");
    let rows = [
        ("H4", twice),
        ("H5", differs),
        ("H6", userinfo),
        ("H7 path", path),
        ("H7 port", port),
        ("H7 comma", comma),
        ("H8", missing),
    ];
    for (id, request) in rows {
        let refusal = authority(&parts(request)).unwrap_err();
        assert_eq!((id, refusal.status.as_u16()), (id, 400));
    }
    for host in ["a", "a:80", "127.0.0.1:8080", "[::1]:80", "orders.shop.svc"] {
        assert!(authority(&parts(Request::get("/").header(HOST, host))).is_ok(), "{host}");
    }
}

#[test]
fn requests_that_ask_the_proxy_for_something_are_refused() {
    // H32, H35
    for method in ["CONNECT", "TRACE", "TRACK", "Trace", "track"] {
        let refusal = check_request_line(&parts(Request::builder().method(method).uri("/"))).unwrap_err();
        assert_eq!(refusal.status.as_u16(), 405, "{method}");
    }
    assert!(check_request_line(&parts(Request::delete("/"))).is_ok());
    assert!(check_request_line(&parts(Request::options("*"))).is_ok());
    assert_eq!(check_request_line(&parts(Request::get("*"))).unwrap_err().status.as_u16(), 400);
}

#[test]
fn a_head_that_is_too_large_for_a_session_is_refused_before_it_is_sent() {
    // H20
    let many = (0..=MAX_HEADERS).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "v"));
    let large =
        (0..60).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "v".repeat(1_000)));
    let target = Request::get(format!("/{}", "a".repeat(MAX_TARGET_BYTES)));
    for request in [many, large, target] {
        assert_eq!(check_size(&parts(request)).unwrap_err().status.as_u16(), 431);
    }
    assert!(check_size(&parts(Request::get("/").header("x", "v".repeat(50_000)))).is_ok());
}

#[test]
fn a_body_of_unknown_length_is_framed_whatever_the_method() {
    let framed = |request: http::request::Builder, has_body| {
        let mut parts = parts(request);
        frame_http1(&mut parts, has_body);
        parts.headers.contains_key(TRANSFER_ENCODING)
    };
    assert!(framed(Request::get("/"), true));
    assert!(!framed(Request::get("/"), false));
    assert!(!framed(Request::post("/").header(CONTENT_LENGTH, "3"), true));
    assert!(!framed(Request::post("/").version(Version::HTTP_2), true));
}

#[test]
fn cookies_that_http2_split_are_one_field_again() {
    // H40
    let mut parts =
        parts(Request::get("/").version(Version::HTTP_2).header(COOKIE, "a=1").header(COOKIE, "b=2"));
    let host = Authority::from_static("orders");
    into_application(&mut parts, host, Version::HTTP_11, &identity("orders"), Some(&identity("web")));
    let all: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
    assert_eq!(all, ["a=1; b=2"]);
}

#[test]
fn trailers_carry_no_claim_either() {
    // X1, X2
    let mut map = HeaderMap::new();
    for name in ["x-forwarded-client-cert", "x.forwarded.client.cert", "kith-denial-id", "grpc-status"] {
        map.insert(HeaderName::from_static(name), HeaderValue::from_static("0"));
    }
    trailers(&mut map);
    assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status"]);
}

#[test]
fn a_claimed_identity_is_replaced_by_the_verified_one() {
    // X1, X2, X7, H24
    let mut parts = parts(
        Request::get("/x")
            .version(Version::HTTP_2)
            .header("x-forwarded-client-cert", "By=a;URI=spiffe://demo.local/ns/a/sa/admin")
            .header("X-Forwarded-Client-CERT", "again")
            .header("x_forwarded_client_cert", "underscore")
            .header("x.forwarded.client.cert", "dots")
            .header("transfer_encoding", "chunked")
            .header("x-envoy-original-path", "/admin")
            .header("l5d-client-id", "admin")
            .header("x-spiffe-id", "spiffe://demo.local/ns/a/sa/admin")
            .header("kith-denial-id", "forged")
            .header("x-role", "kept"),
    );
    let host = Authority::from_static("orders");
    into_application(&mut parts, host, Version::HTTP_11, &identity("orders"), Some(&identity("web")));
    let all: Vec<_> = parts.headers.get_all("x-forwarded-client-cert").iter().collect();
    assert_eq!(all, ["By=spiffe://demo.local/ns/demo/sa/orders;URI=spiffe://demo.local/ns/demo/sa/web"]);
    let names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    assert!(
        names.iter().all(|name| ["x-role", "x-forwarded-client-cert", "host"].contains(name)),
        "{names:?}"
    );
}

#[test]
fn an_application_cannot_claim_an_identity_on_its_way_out() {
    // X3
    let mut parts = parts(Request::get("/x").header("x-forwarded-client-cert", "URI=spiffe://demo.local/x"));
    into_session(&mut parts, Authority::from_static("orders"));
    assert!(!parts.headers.contains_key("x-forwarded-client-cert"));
}

#[test]
fn headers_of_one_hop_end_there_and_connection_cannot_name_others() {
    // H17, H18, H31
    let mut parts = parts(
        Request::get("/x")
            .header(HOST, "a")
            .header(CONNECTION, "upgrade, x-role, host, http2-settings")
            .header(UPGRADE, "h2c")
            .header("http2-settings", "AAMAAABkAAQAAP__")
            .header("keep-alive", "timeout=5")
            .header(TE, "trailers")
            .header("x-role", "user"),
    );
    into_session(&mut parts, Authority::from_static("a"));
    let mut names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["kith-protocol", "te", "x-role"]);
}

#[test]
fn path_and_query_go_through_byte_for_byte() {
    let mut parts = parts(Request::get("/a%20b/%7e?x=/../y&z=%2f"));
    into_session(&mut parts, Authority::from_static("orders:80"));
    assert_eq!(parts.uri, "http://orders:80/a%20b/%7e?x=/../y&z=%2f");
    let version = application_version(&parts, true);
    assert_eq!(version, Version::HTTP_11);
    into_application(
        &mut parts,
        Authority::from_static("orders:80"),
        version,
        &identity("a"),
        Some(&identity("b")),
    );
    assert_eq!(parts.uri, "/a%20b/%7e?x=/../y&z=%2f");
    assert_eq!(parts.headers[HOST], "orders:80");
}

#[test]
fn a_foreign_peer_cannot_choose_the_version_of_the_application() {
    let request = Request::get("http://orders/").version(Version::HTTP_2).header("kith-protocol", "1.1");
    assert_eq!(application_version(&parts(request), false), Version::HTTP_2);
}

#[test]
fn a_trace_context_that_is_too_large_is_dropped_and_does_not_refuse_the_call() {
    // X11
    let mut parts =
        parts(Request::get("/x").header("baggage", "v".repeat(64 * 1024)).header("x-role", "user"));
    check_size(&parts).unwrap();
    into_session(&mut parts, Authority::from_static("orders"));
    assert!(!parts.headers.contains_key("baggage") && parts.headers.contains_key("x-role"));
}

#[test]
fn an_answer_that_frames_its_body_twice_keeps_neither_length() {
    // H26
    let mut headers = HeaderMap::new();
    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
    response(&mut headers, false);
    assert!(headers.is_empty());
}

#[test]
fn only_trailers_are_offered_to_the_next_hop() {
    // H19
    for (offered, kept) in [
        ("trailers, deflate", true),
        ("deflate;q=0.5, Trailers", true),
        ("deflate", false),
        ("x-trailers", false),
    ] {
        let mut parts = parts(Request::get("/x").header(TE, offered));
        into_session(&mut parts, Authority::from_static("orders"));
        assert_eq!(
            parts.headers.get(TE).map(HeaderValue::as_bytes),
            kept.then_some(&b"trailers"[..]),
            "{offered}"
        );
    }
}

#[test]
fn a_target_without_a_path_is_refused() {
    // P46: judged as "/", it could go on as something else.
    let mut parts = parts(Request::get("/"));
    parts.uri = Uri::from(PathAndQuery::from_static("?x=/admin"));
    assert_eq!(check_request_line(&parts).unwrap_err().status.as_u16(), 400);
    // What begins with anything else is no target for the library either.
    assert!(PathAndQuery::try_from("test.Echo/Unary").is_err());
}
