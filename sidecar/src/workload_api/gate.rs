//! Who may ask what: every question passes here, whichever service it is for. Owns the header that the standard demands,
//! the check of the caller, and how many questions of one user may be open.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use kith_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer;
use kith_proto::spiffe::HEADER;
use kith_proto::spiffe::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use kith_runtime::{Stop, Tasks};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use super::caller::Caller;
use super::complaints::Complaints;
use super::connection::Connection;
use super::places::{Place, Places};
use super::sds::Sds;
use super::source::Source;
use super::stream::Streams;
use super::x509::WorkloadApi;

/// Streams and questions of one user that may be open at once.
const STREAMS_PER_USER: usize = 100;
/// The longest question.
const MAX_QUESTION: usize = 64 * 1024;

/// In front of the services.
#[derive(Clone)]
pub(super) struct Gate {
    workload_api: SpiffeWorkloadApiServer<WorkloadApi>,
    sds: SecretDiscoveryServiceServer<Sds>,
    places: Places,
    complaints: Complaints,
}

impl Gate {
    pub(super) fn new(source: Source, tasks: &Tasks, stop: &Stop) -> Self {
        let streams = Streams { source, tasks: tasks.clone(), stop: stop.clone() };
        let workload_api = SpiffeWorkloadApiServer::new(WorkloadApi::new(streams.clone()));
        let sds = SecretDiscoveryServiceServer::new(Sds::new(streams));
        Self {
            workload_api: workload_api.max_decoding_message_size(MAX_QUESTION),
            sds: sds.max_decoding_message_size(MAX_QUESTION),
            places: Places::new(STREAMS_PER_USER),
            complaints: Complaints::default(),
        }
    }

    /// Answers, or says why not.
    pub(super) async fn answer(
        self,
        connection: Connection,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let caller = connection.caller.clone();
        let place = match self.admit(&caller, request.uri().path(), request.headers()) {
            Ok(place) => place,
            Err(status) => {
                self.complain(&caller, status.message());
                return Ok(status.into_http());
            }
        };
        request.extensions_mut().insert(connection);
        let answer = self.route(request).await;
        Ok(answer.map(|body| Body::new(Held { body, _place: place })))
    }

    fn admit(&self, caller: &Caller, path: &str, headers: &HeaderMap) -> Result<Place, Status> {
        // Envoy sends no header that it is not told to send, and SPIRE asks for none here.
        if service(path) != SecretDiscoveryServiceServer::<Sds>::NAME {
            check_header(headers)?;
        }
        caller.check()?;
        self.places.take(caller.uid()).ok_or_else(|| {
            Status::unavailable(format!(
                "this user has {STREAMS_PER_USER} questions open, and no more may be; end some"
            ))
        })
    }

    async fn route(mut self, request: Request<Incoming>) -> Response<Body> {
        let service = service(request.uri().path()).to_owned();
        let answer = if service == SpiffeWorkloadApiServer::<WorkloadApi>::NAME {
            self.workload_api.call(request).await
        } else if service == SecretDiscoveryServiceServer::<Sds>::NAME {
            self.sds.call(request).await
        } else {
            return Status::unimplemented("there is no such service").into_http();
        };
        answer.unwrap_or_else(|never| match never {})
    }

    /// Tells of a refusal, but not of each.
    pub(super) fn complain(&self, caller: &Caller, reason: &str) {
        if let Some(untold) = self.complaints.due() {
            tracing::warn!(uid = caller.uid(), reason, untold, "Application refused at the Workload API");
        }
    }
}

/// The service of a method's path.
fn service(path: &str) -> &str {
    let (service, _) = path.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or_default();
    service
}

/// Exactly once, and exactly so.
fn check_header(headers: &HeaderMap) -> Result<(), Status> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value == "true" => Ok(()),
        _ => Err(Status::invalid_argument(format!("metadata `{HEADER}: true` is required"))),
    }
}

/// The body of an answer, and its place until the answer has ended.
struct Held {
    body: Body,
    _place: Place,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tonic::Code;

    use super::*;

    // W1.
    #[test]
    fn the_header_is_there_once_and_says_true() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| {
                headers.append(HEADER, HeaderValue::from_static(value));
            });
            headers
        };
        assert!(check_header(&headers(&["true"])).is_ok());
        for values in
            [&[][..], &["false"], &["True"], &["true "], &[""], &["true", "true"], &["true", "false"]]
        {
            let refused = check_header(&headers(values)).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{values:?}");
        }
    }

    #[test]
    fn no_other_path_passes_as_that_of_the_service_that_needs_no_header() {
        let sds = SecretDiscoveryServiceServer::<Sds>::NAME;
        assert_eq!(service(&format!("/{sds}/StreamSecrets")), sds);
        for path in [
            format!("//{sds}/X"),
            format!("{sds}/X"),
            format!("/{sds}"),
            format!("/x/{sds}/X"),
            String::new(),
        ] {
            assert_ne!(service(&path), sds, "{path}");
        }
    }
}
