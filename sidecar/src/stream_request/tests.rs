//! The heads of streams, as they are written and as hostile peers write them.

use super::*;

fn id(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://demo.local/ns/demo/sa/{name}")).unwrap()
}

fn target() -> SessionTarget {
    SessionTarget { address: "127.0.0.1:7442".parse().unwrap(), identity: id("db") }
}

fn reading(request: Request<()>) -> Result<Wanted, (u16, &'static str)> {
    let (mut parts, ()) = request.into_parts();
    let read = read(&mut parts, "127.0.0.1:7442".parse().unwrap(), &id("db"));
    read.map_err(|refusal| (refusal.status.as_u16(), refusal.reason))
}

fn upgrade(change: impl FnOnce(&mut Parts)) -> Parts {
    let request = Request::builder()
        .uri("/chat?room=1")
        .header("host", "db:80")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-key", "AAAA")
        .header("kith-destination", "spiffe://demo.local/ns/demo/sa/other")
        .body(());
    let mut parts = request.unwrap().into_parts().0;
    change(&mut parts);
    parts
}

#[test]
fn what_one_sidecar_writes_the_other_reads() {
    assert_eq!(reading(opaque(&target()).unwrap()), Ok(Wanted::Opaque));
    let websocket = websocket(upgrade(|_| ()), Authority::from_static("db:80"), &id("db")).unwrap();
    assert_eq!(websocket.headers()["sec-websocket-key"], "AAAA");
    assert_eq!(websocket.uri(), "http://db:80/chat?room=1");
    assert!(!websocket.headers().contains_key("upgrade"));
    assert_eq!(reading(websocket), Ok(Wanted::WebSocket));
}

// X10: a stream is for this workload at this address, or it is refused.
#[test]
fn a_stream_for_somebody_else_is_misdirected() {
    type Spoil = fn(&mut Request<()>);
    let cases: [(&str, Spoil); 6] = [
        ("another port", |r| *r.uri_mut() = "127.0.0.1:22".parse().unwrap()),
        ("another host", |r| *r.uri_mut() = "169.254.169.254:7442".parse().unwrap()),
        ("a name", |r| *r.uri_mut() = "localhost:7442".parse().unwrap()),
        ("another identity", |r| {
            r.headers_mut().insert(DESTINATION_HEADER, id("web").as_str().parse().unwrap());
        }),
        ("no identity", |r| drop(r.headers_mut().remove(DESTINATION_HEADER))),
        ("two identities", |r| {
            r.headers_mut().append(DESTINATION_HEADER, id("db").as_str().parse().unwrap());
        }),
    ];
    for (name, spoil) in cases {
        let mut request = opaque(&target()).unwrap();
        spoil(&mut request);
        assert_eq!(reading(request), Err((421, "misdirected")), "{name}");
    }
}

// H34
#[test]
fn only_connect_and_only_websockets_are_carried_as_streams() {
    let mut get = opaque(&target()).unwrap();
    *get.method_mut() = Method::GET;
    assert_eq!(reading(get), Err((405, "method_not_carried")));
    let mut other = opaque(&target()).unwrap();
    other.extensions_mut().insert(Protocol::from_static("connect-udp"));
    assert_eq!(reading(other), Err((405, "method_not_carried")));
}

#[test]
fn an_upgrade_is_a_websocket_only_when_it_is_nothing_else() {
    assert!(asks_for_websocket(&upgrade(|_| ())));
    type Spoil = fn(&mut Parts);
    let cases: [(&str, Spoil); 7] = [
        ("H31: h2c", |p| drop(p.headers.insert(UPGRADE, "h2c".parse().unwrap()))),
        ("two upgrades", |p| assert!(p.headers.append(UPGRADE, "h2c".parse().unwrap()))),
        ("a list", |p| drop(p.headers.insert(UPGRADE, "websocket, h2c".parse().unwrap()))),
        ("not named by connection", |p| drop(p.headers.remove(CONNECTION))),
        ("another method", |p| p.method = Method::POST),
        ("a body", |p| drop(p.headers.insert(CONTENT_LENGTH, "3".parse().unwrap()))),
        ("HTTP/1.0", |p| p.version = Version::HTTP_10),
    ];
    for (name, spoil) in cases {
        assert!(!asks_for_websocket(&upgrade(spoil)), "{name}");
    }
}

// H27
#[test]
fn only_an_application_that_switches_to_what_was_asked_has_switched() {
    let response = |status: u16, upgrade: Option<&str>| {
        let builder = Response::builder().status(status);
        let builder = upgrade.into_iter().fold(builder, |builder, value| builder.header(UPGRADE, value));
        builder.body(()).unwrap()
    };
    assert!(switches(&response(101, Some("WebSocket"))));
    assert!(!switches(&response(200, Some("websocket"))));
    assert!(!switches(&response(101, Some("h2c"))));
    assert!(!switches(&response(101, None)));
}

#[test]
fn a_200_of_the_application_is_not_taken_for_a_switch() {
    let (mut plain, ()) = Response::builder().body(()).unwrap().into_parts();
    assert!(!take_switched(&mut plain));
    assert_eq!(plain.status, StatusCode::OK);
    let (mut switched, ()) = Response::builder().status(101).body(()).unwrap().into_parts();
    mark_switched(&mut switched);
    assert_eq!(switched.status, StatusCode::OK);
    assert!(take_switched(&mut switched));
    assert_eq!((switched.status.as_u16(), &switched.headers[UPGRADE]), (101, &WEBSOCKET_VALUE));
    assert!(!switched.headers.contains_key(SWITCHED_HEADER));
}

#[test]
fn a_websocket_that_says_it_has_a_body_is_refused() {
    let mut request = websocket(upgrade(|_| ()), Authority::from_static("db:80"), &id("db")).unwrap();
    request.headers_mut().insert(CONTENT_LENGTH, "5".parse().unwrap());
    assert_eq!(reading(request), Err((400, "bad_websocket")));
}
