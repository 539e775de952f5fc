//! The endpoint by raw path: which methods there are, and what each asks for first.

use bytes::Bytes;
use http::{Request as HttpRequest, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::*;

const HEADER: &str = "workload.spiffe.io";
/// An uncompressed message of no bytes.
const EMPTY: &[u8] = &[0, 0, 0, 0, 0];
const METHODS: [&str; 7] = [
    "FetchX509SVID",
    "FetchX509Bundles",
    "FetchJWTSVID",
    "FetchJWTBundles",
    "ValidateJWTSVID",
    "FetchWITSVID",
    "FetchWITBundles",
];

/// The status that the first frame of an answer already tells, if it does.
async fn status_of(served: &Served, path: &str, headers: &[(&str, &str)]) -> Option<Code> {
    let stream = UnixStream::connect(&served.socket).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn(async move {
        // It ends with the question.
        let _ = connection.await;
    });
    let mut request = HttpRequest::post(format!("http://localhost{path}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (answer, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(EMPTY), true).unwrap();
    let answer = timeout(LIMIT, answer).await.expect("an answer").unwrap();
    let status = answer.headers().get("grpc-status");
    let code = status.map(|status| Code::from_bytes(status.as_bytes()));
    tasks.cut();
    code
}

// W1.
// Conforms: Endpoint 3 header, Endpoint 6 invalid-argument
#[tokio::test]
async fn without_the_header_every_method_answers_invalid_argument() {
    let served = Served::ready();
    for method in METHODS.iter().chain(&["FetchAnything"]) {
        let path = format!("/SpiffeWorkloadAPI/{method}");
        for headers in
            [&[][..], &[(HEADER, "false")], &[(HEADER, "TRUE")], &[(HEADER, "true"), (HEADER, "true")]]
        {
            let status = status_of(&served, &path, headers).await;
            assert_eq!(status, Some(Code::InvalidArgument), "{method} {headers:?}");
        }
    }
    let other = status_of(&served, "/kith.v1.Admin/Status", &[]).await;
    assert_eq!(other, Some(Code::InvalidArgument), "whatever the service");
}

// Conforms: Endpoint 7 not-extended, Workload-API 2 not-extended
#[tokio::test]
async fn there_are_the_methods_of_the_standard_and_no_others() {
    let served = Served::ready();
    for method in METHODS {
        let status = status_of(&served, &format!("/SpiffeWorkloadAPI/{method}"), &[(HEADER, "true")]).await;
        // A stream says how it goes only after its first message.
        let expected = match method {
            "FetchX509SVID" | "FetchX509Bundles" => None,
            "FetchJWTSVID" | "ValidateJWTSVID" => Some(Code::InvalidArgument),
            _ => Some(Code::Unimplemented),
        };
        assert_eq!(status, expected, "{method}");
    }
    for path in [
        "/SpiffeWorkloadAPI/FetchAnything",
        "/SpiffeWorkloadAPI/",
        "/spiffe.workload.SpiffeWorkloadAPI/FetchX509SVID",
        "/kith.v1.Admin/Status",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
    ] {
        assert_eq!(status_of(&served, path, &[(HEADER, "true")]).await, Some(Code::Unimplemented), "{path}");
    }
}

// W10.
#[tokio::test]
async fn when_the_sidecar_ends_streams_say_so_and_its_successor_answers_at_the_same_place() {
    let served = Served::ready();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = served.svids().await;
        next(&mut stream).await.unwrap();
        streams.push(stream);
    }
    served.stopper.begin();
    for mut stream in streams {
        assert_eq!(end(&mut stream).await, Code::Unavailable);
    }
    assert_eq!(served.tasks.finish(LIMIT).await, 0, "nothing has to be cut off");
    assert!(!served.socket.exists(), "{:?}", served.folder());
    let (stopper, tasks) = served.serve_again(Callers::Everyone);
    next(&mut served.svids().await).await.unwrap();
    stopper.begin();
    assert_eq!(tasks.finish(LIMIT).await, 0);
}

#[tokio::test]
async fn what_is_said_on_the_socket_is_http_2_without_tls_and_nothing_else() {
    let served = Served::ready();
    let stream = UnixStream::connect(&served.socket).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, String>(TokioIo::new(stream)).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn(async move {
        // It is refused.
        let _ = connection.await;
    });
    let request = HttpRequest::get("/").header(HEADER, "true").body(String::new()).unwrap();
    assert!(timeout(LIMIT, sender.send_request(request)).await.expect("an end").is_err());
}
