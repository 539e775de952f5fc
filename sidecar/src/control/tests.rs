//! A pod's sidecar and a control plane: who is shown the token, and what the stream begins with.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kith_mtls::{Accept, ClientSvid, Server};
use kith_proto::pod::{HostPort, ROOTS_FILE, TOKEN_FILE};
use kith_proto::v1;
use kith_proto::v1::issuance_server::{Issuance, IssuanceServer};
use kith_proto::v1::issue_request::Evidence;
use kith_proto::v1::sync_server::{Sync, SyncServer};
use kith_proto::v1::sync_up;
use kith_runtime::{Stopper, Tasks};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tower::Service as _;

use super::keeper::renew;
use super::*;
use crate::identity_log::{QUEUE_LINES, Writer};
use crate::test_mesh::{Authority, identity, trust_domain};

const LIMIT: Duration = Duration::from_secs(20);
const TOKEN: &str = "header.payload.signature";

/// A control plane that grants what it is asked for, and tells what it heard.
#[derive(Clone)]
struct Granting {
    authority: Arc<Authority>,
    heard: mpsc::UnboundedSender<Heard>,
}

#[derive(Debug, PartialEq)]
enum Heard {
    Evidence(Option<Evidence>),
    Up(sync_up::Kind),
}

#[tonic::async_trait]
impl Issuance for Granting {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Result<Response<v1::IssueResponse>, Status> {
        let v1::IssueRequest { evidence, csr } = request.into_inner();
        self.heard.send(Heard::Evidence(evidence)).unwrap();
        Ok(Response::new(v1::IssueResponse {
            chain: vec![self.authority.certify(&csr, &identity("web"))],
            bundle: Some(kith_proto::convert::bundle_to_wire(self.authority.bundle())),
            renew_from_ms: 1,
            renew_until_ms: 2,
        }))
    }
}

#[tonic::async_trait]
impl Sync for Granting {
    type SyncStream = Pin<Box<dyn Stream<Item = Result<v1::SyncDown, Status>> + Send>>;

    async fn sync(
        &self,
        request: Request<Streaming<v1::SyncUp>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let (up, heard) = (request.into_inner(), self.heard.clone());
        // Down comes nothing; the stream is open for as long as it is read.
        let down = up.filter_map(move |message| {
            let _ = heard.send(Heard::Up(message.ok()?.kind?));
            None
        });
        Ok(Response::new(Box::pin(down)))
    }
}

/// A control plane on loopback.
struct Running {
    address: SocketAddr,
    heard: UnboundedReceiverStream<Heard>,
    tasks: Tasks,
}

impl Running {
    /// One that proves this identity.
    async fn start(authority: &Arc<Authority>, proves: &SpiffeId) -> Self {
        let (heard, hearing) = mpsc::unbounded_channel();
        let granting = Granting { authority: Arc::clone(authority), heard };
        let accept = Accept::TrustDomain(trust_domain());
        let server = Server::new(authority.credentials(proves), accept, ClientSvid::Optional, &[b"h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, tasks) = (listener.local_addr().unwrap(), Tasks::new());
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, granting, tasks) = (server.clone(), granting.clone(), connections.clone());
                connections.spawn(async move {
                    // Who does not trust this server leaves here.
                    let Ok(session) = server.accept(stream, LIMIT).await else { return };
                    let service = service_fn(move |request: http::Request<_>| {
                        let granting = granting.clone();
                        async move {
                            Ok::<_, Infallible>(match request.uri().path() {
                                "/kith.v1.Issuance/Issue" => {
                                    IssuanceServer::new(granting).call(request).await.unwrap()
                                }
                                _ => SyncServer::new(granting).call(request).await.unwrap(),
                            })
                        }
                    });
                    let http2 = hyper::server::conn::http2::Builder::new(tasks.clone());
                    let _ = http2.serve_connection(TokioIo::new(session.stream), service).await;
                });
            }
        });
        Self { address, heard: UnboundedReceiverStream::new(hearing), tasks }
    }

    async fn heard(&mut self) -> Heard {
        timeout(LIMIT, self.heard.next()).await.expect("the sidecar says something").unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// The control side of a pod's sidecar.
struct Sidecar {
    control: Arc<Control>,
    _stopper: Stopper,
    _folder: TempDir,
}

fn sidecar(roots: &str, control_plane: SocketAddr) -> Sidecar {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(TOKEN_FILE), TOKEN).unwrap();
    fs::write(folder.path().join(ROOTS_FILE), roots).unwrap();
    let at = HostPort::parse(&control_plane.to_string()).unwrap();
    let pod = Pod::new(folder.path().to_owned(), trust_domain(), at);
    let (writer, _) = Writer::start(std::io::sink(), QUEUE_LINES).unwrap();
    let (clock, reports, metrics) = (Clock::system(), Arc::new(Reports::default()), Arc::new(Metrics::new()));
    let log = Log::new("web".to_owned(), clock.clone(), writer, Arc::clone(&reports), Arc::clone(&metrics));
    let (stopper, stop) = Stop::new();
    let control = Control {
        identity: identity("web"),
        key_exchange: KeyExchange::PreferPq,
        platform: Platform::Pod(pod),
        svid: watch::Sender::new(None),
        bundles: watch::Sender::new(Arc::default()),
        enforced: watch::Sender::new(Arc::new(Enforced::nothing())),
        judged: Vec::new(),
        subscriptions: Arc::default(),
        reports,
        renew: Notify::new(),
        finished: CancellationToken::new(),
        metrics,
        log,
        clock,
        stop,
    };
    Sidecar { control: Arc::new(control), _stopper: stopper, _folder: folder }
}

fn control_plane() -> SpiffeId {
    SpiffeId::control_plane(&trust_domain())
}

#[tokio::test]
async fn a_pod_gets_its_svid_for_its_token() {
    let authority = Arc::new(Authority::new());
    let mut running = Running::start(&authority, &control_plane()).await;
    let sidecar = sidecar(authority.pem(), running.address);
    renew(&sidecar.control).await.unwrap();
    assert_eq!(running.heard().await, Heard::Evidence(Some(Evidence::PodToken(TOKEN.to_owned()))));
    assert_eq!(*sidecar.control.svid.borrow().as_ref().unwrap().identity(), identity("web"));
    assert_eq!(sidecar.control.bundles.borrow().of(&trust_domain()), Some(authority.bundle()));
}

#[tokio::test]
async fn the_token_is_shown_to_nobody_but_the_control_plane() {
    // U9: another workload of the mesh, and a control plane of other roots.
    let authority = Arc::new(Authority::new());
    for (roots, proves) in [
        (authority.pem().to_owned(), identity("payments")),
        (Authority::new().pem().to_owned(), control_plane()),
    ] {
        let mut running = Running::start(&authority, &proves).await;
        let sidecar = sidecar(&roots, running.address);
        let error = renew(&sidecar.control).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("signature"), "{error}");
        running.tasks.cut();
        running.tasks.ended().await;
        assert_eq!(running.heard.next().await, None, "{proves}");
    }
}

#[tokio::test]
async fn each_stream_begins_with_who_this_is_and_every_address_that_is_called() {
    let authority = Arc::new(Authority::new());
    let mut running = Running::start(&authority, &control_plane()).await;
    let sidecar = sidecar(authority.pem(), running.address);
    let control = Arc::clone(&sidecar.control);
    control.bundles.send_replace(Arc::new([authority.bundle().clone()].into_iter().collect()));
    control.svid.send_replace(Some(Arc::new(authority.svid(&identity("web")))));
    let tasks = Tasks::new();
    tasks.spawn(keep_synced(Arc::clone(&control)));

    let hello = v1::Hello { version: env!("CARGO_PKG_VERSION").to_owned(), pod_token: TOKEN.to_owned() };
    let subscribed = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Heard::Up(sync_up::Kind::Subscribe(v1::Subscribe { addresses }))
    };
    assert_eq!(running.heard().await, Heard::Up(sync_up::Kind::Hello(hello.clone())));
    let _one = control.subscriptions.hold("10.96.0.1:80".parse().unwrap());
    assert_eq!(running.heard().await, subscribed(&["10.96.0.1:80"]));
    let _other = control.subscriptions.hold("[fd00::1]:80".parse().unwrap());
    assert_eq!(running.heard().await, subscribed(&["10.96.0.1:80", "[fd00::1]:80"]));

    // A renewed svid means a new stream.
    control.svid.send_replace(Some(Arc::new(authority.svid(&identity("web")))));
    assert_eq!(running.heard().await, Heard::Up(sync_up::Kind::Hello(hello)));
    assert_eq!(running.heard().await, subscribed(&["10.96.0.1:80", "[fd00::1]:80"]));
    tasks.cut();
}
