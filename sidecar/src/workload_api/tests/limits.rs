//! What one client can take.

use super::*;

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
