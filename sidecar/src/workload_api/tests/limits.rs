//! What one client can take.

use std::io::{Write, stdin};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::workload_api::caller::tests::Process;

// W6.
#[tokio::test]
async fn a_user_has_a_hundred_streams_and_the_next_one_when_one_of_them_ends() {
    let served = Served::ready();
    let mut streams = Vec::new();
    // A connection carries no more than these, so that there are several.
    for _ in 0..4 {
        let mut client = served.client().await;
        for _ in 0..25 {
            let mut stream = client.fetch_x509svid(X509svidRequest {}).await.unwrap().into_inner();
            next(&mut stream).await.unwrap();
            streams.push(stream);
        }
    }
    let mut client = served.client().await;
    let refused = client.fetch_x509svid(X509svidRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    streams.pop();
    let again = async {
        // The end of a stream is told to the other side, which takes its time.
        while client.fetch_x509svid(X509svidRequest {}).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, again).await.expect("a place that was given back");
}

// W6.
#[tokio::test]
async fn a_user_has_so_many_connections_and_one_more_is_closed() {
    let served = Served::ready();
    let mut kept = Vec::new();
    for _ in 0..64 {
        // One answer each: it was accepted.
        let mut client = served.client().await;
        next(&mut client.fetch_x509svid(X509svidRequest {}).await.unwrap().into_inner()).await.unwrap();
        kept.push(client);
    }
    let one_more = tokio::net::UnixStream::connect(&served.socket).await.unwrap();
    let end = async {
        one_more.readable().await.unwrap();
        one_more.try_read(&mut [0; 16]).unwrap()
    };
    assert_eq!(timeout(LIMIT, end).await.expect("it is closed"), 0);
    kept.pop();
    let again = async {
        loop {
            let address = format!("unix://{}", served.socket.display());
            let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await;
            if channel.is_ok() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, again).await.expect("a place that was given back");
}

/// A process that asks for its svid once it is told where, by running this very test binary.
fn asking() -> Child {
    let name = format!("{}::a_process_that_asks", module_path!().split_once("::").unwrap().1);
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", &name])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "the other side of a test"]
async fn a_process_that_asks() {
    let Some(Ok(path)) = stdin().lines().next() else { return };
    let mut client = client_at(path.as_ref()).await;
    let asked = client.fetch_x509svid(X509svidRequest {}).await;
    next(&mut asked.unwrap().into_inner()).await.unwrap();
}

// W2, W6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_of_the_same_user_take_no_connection_of_the_application() {
    let mut child = asking();
    let (_application, seen) = watch::channel(Some(Application::of(child.id()).unwrap()));
    let served = Served::start_for(Callers::Descendants(seen));
    served.make_ready();
    // This process is its parent. It holds whatever it gets, and is told why it gets nothing else.
    let mut strangers = Vec::new();
    while let Some(mut stranger) = try_client_at(&served.socket).await {
        assert!(strangers.len() < 64, "as many as the application may have");
        match stranger.fetch_x509svid(X509svidRequest {}).await {
            Err(refused) if refused.code() == Code::PermissionDenied => strangers.push(stranger),
            // Closed when it had just been opened: there are as many as there may be.
            _ => break,
        }
    }
    assert!(!strangers.is_empty(), "they are told");
    writeln!(child.stdin.take().unwrap(), "{}", served.socket.display()).unwrap();
    assert!(child.wait().unwrap().success(), "the application is answered");
}

// W2, W6.
#[tokio::test]
async fn what_another_application_started_keeps_no_connection_of_this_one() {
    let (application, seen) = watch::channel(Some(Application::of(std::process::id()).unwrap()));
    let served = Served::start_for(Callers::Descendants(seen));
    served.make_ready();
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut client = served.client().await;
        let mut stream = client.fetch_x509svid(X509svidRequest {}).await.unwrap().into_inner();
        next(&mut stream).await.unwrap();
        held.push((client, stream));
    }
    let other = Process::waiting();
    application.send_replace(Some(other.application()));
    for (_, stream) in &mut held {
        // Most are told why before their connection ends.
        assert_ne!(end(stream).await, Code::Ok);
    }
    application.send_replace(Some(Application::of(std::process::id()).unwrap()));
    let mut client = served.client().await;
    next(&mut client.fetch_x509svid(X509svidRequest {}).await.unwrap().into_inner()).await.unwrap();
}

// W7.
#[tokio::test]
async fn a_connection_that_is_over_takes_its_streams_with_it() {
    let served = Served::ready();
    // A client that takes in nothing after its first bytes.
    let stream = tokio::net::UnixStream::connect(&served.socket).await.unwrap();
    let (mut sender, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake::<_, bytes::Bytes>(stream).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn(async move {
        // It is cut off.
        let _ = connection.await;
    });
    let request = http::Request::post("http://localhost/SpiffeWorkloadAPI/FetchX509SVID")
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header("workload.spiffe.io", "true")
        .body(())
        .unwrap();
    let (answer, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 0]), true).unwrap();
    let mut answer = timeout(LIMIT, answer).await.expect("the head of an answer").unwrap().into_body();
    // Each waits behind the one before: the first two have room, the third has none.
    tokio::time::pause();
    for _ in 0..3 {
        served.rotate();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let ended = timeout(Duration::from_secs(120), answer.data()).await.expect("it is cut off");
    assert!(ended.is_none_or(|data| data.is_err()));
}
