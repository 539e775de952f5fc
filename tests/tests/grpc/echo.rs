//! A gRPC server by hand: a service of a few methods whose messages are text, so that no schema is needed.

use std::convert::Infallible;

use bytes::{Buf, BufMut};
use http::Response as HttpResponse;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::{StreamExt, iter, pending};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming, server};

/// Messages are text: no schema is needed to see whether they arrive.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Status::data_loss("not text"))
    }
}

/// Counts a call as ended when it is dropped.
struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|ended| *ended += 1);
    }
}

/// A status with everything that trailers can hold.
fn failure() -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-reason", "full".parse().expect("ASCII"));
    metadata.insert_bin("x-state-bin", MetadataValue::from_bytes(b"\x00\xff"));
    Status::with_details_and_metadata(Code::Aborted, "voll: \u{fc}ber", b"details"[..].into(), metadata)
}

/// One call: `begun` counts those that came, `ended` those that are over, dropped ones too.
pub(super) async fn serve(
    request: http::Request<Body>,
    begun: watch::Sender<usize>,
    ended: watch::Sender<usize>,
) -> Result<HttpResponse<Body>, Infallible> {
    begun.send_modify(|begun| *begun += 1);
    let open = Open(ended);
    let mut grpc = server::Grpc::new(Text);
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/test.Echo/Many" => {
            let many = tower::service_fn(|_: Request<String>| async {
                let messages = (0..100).map(|number| Ok(number.to_string())).chain([Err(failure())]);
                Ok::<_, Status>(Response::new(iter(messages)))
            });
            grpc.server_streaming(many, request).await
        }
        "/test.Echo/Watch" => {
            let mut open = Some(open);
            let watch = tower::service_fn(move |request: Request<String>| {
                let open = open.take();
                async move {
                    let first = iter([Ok(request.into_inner())]);
                    // Nothing more ever comes; it lives as long as somebody waits.
                    let forever = pending().map(move |never| {
                        let _ = &open;
                        never
                    });
                    Ok::<_, Status>(Response::new(first.chain(forever)))
                }
            });
            grpc.server_streaming(watch, request).await
        }
        "/test.Echo/Chat" => {
            let mut open = Some(open);
            let chat = tower::service_fn(move |request: Request<Streaming<String>>| {
                let open = open.take();
                async move {
                    // It lives as long as the stream of answers.
                    let answers = request.into_inner().map(move |message| {
                        let _ = &open;
                        message
                    });
                    Ok::<_, Status>(Response::new(answers))
                }
            });
            grpc.streaming(chat, request).await
        }
        "/test.Echo/Hang" => {
            let hang = tower::service_fn(|_: Request<String>| {
                std::future::pending::<Result<Response<String>, Status>>()
            });
            grpc.unary(hang, request).await
        }
        _ => {
            let unary = tower::service_fn(|request: Request<String>| async move {
                match request.get_ref().as_str() {
                    "late" => Err(Status::deadline_exceeded("too late")),
                    text => Ok(Response::new(text.to_owned())),
                }
            });
            grpc.unary(unary, request).await
        }
    })
}
