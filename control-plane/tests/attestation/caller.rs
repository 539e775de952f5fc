//! A sidecar's side of an `Issue`: from an address of its own, over mTLS that trusts what the cluster published.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use kith_identity::{BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Accept, Client, ClientIdentity, Credentials, Now, Svid, WorkloadKey, bundle_from_pem};
use kith_proto::v1;
use kith_proto::v1::issuance_client::IssuanceClient;
use kith_proto::v1::issue_request::Evidence;
use kith_runtime::{Clock, Tasks};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;

use crate::ground::{Ground, PATIENCE, TRUST_DOMAIN};
use crate::objects::Shop;

/// Somebody at an address.
pub(crate) struct Caller {
    mesh: SocketAddr,
    from: SocketAddr,
    roots: String,
    tasks: Tasks,
}

impl Caller {
    /// Trusts the ConfigMap of a namespace that is labelled, as every sidecar does.
    pub(crate) async fn at(ground: &Ground, address: &str) -> Self {
        let labelled = Shop::open(&ground.client, serde_json::json!({ "kith.dev/inject": "enabled" })).await;
        let maps = labelled.all::<ConfigMap>();
        let roots = async || maps.get_opt("kith-trust").await.unwrap()?.data?.remove("roots.pem");
        Self {
            mesh: ground.mesh(),
            from: (address.parse::<std::net::IpAddr>().unwrap(), 0).into(),
            roots: ground.until("ConfigMap kith-trust", roots).await,
            tasks: Tasks::new(),
        }
    }

    /// The same roots, another address.
    pub(crate) fn moved(&self, address: &str) -> Self {
        let from = (address.parse::<std::net::IpAddr>().unwrap(), 0).into();
        Self { mesh: self.mesh, from, roots: self.roots.clone(), tasks: Tasks::new() }
    }

    /// Asks for an svid by a token, and by an svid as well if there is one.
    pub(crate) async fn issue(&self, token: &str, svid: Option<&Arc<Svid>>) -> Result<Arc<Svid>, Status> {
        let key = WorkloadKey::generate().unwrap();
        let evidence = Some(Evidence::PodToken(token.to_owned()));
        let request = v1::IssueRequest { evidence, csr: key.csr_der().unwrap() };
        let channel = self.connect(svid.cloned()).await;
        let origin = http::Uri::from_static("https://kith.invalid");
        let issued = IssuanceClient::with_origin(channel, origin).issue(request).await?.into_inner();
        Ok(Arc::new(Svid::new(key, issued.chain).unwrap()))
    }

    async fn connect(&self, svid: Option<Arc<Svid>>) -> Channel {
        let trust_domain = TrustDomain::parse(TRUST_DOMAIN).unwrap();
        let bundle = bundle_from_pem(trust_domain.clone(), self.roots.as_bytes()).unwrap();
        let (_, svid) = watch::channel(svid);
        let (_, bundles) = watch::channel(Arc::new(BundleSet::from_iter([bundle])));
        let credentials = Credentials::new(svid, bundles, Now::new(now));
        let client = Client::new(credentials, ClientIdentity::SvidIfAny, &[b"h2"]);
        let accept = Accept::only(SpiffeId::control_plane(&trust_domain));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(self.from).unwrap();
        let stream = socket.connect(self.mesh).await.unwrap();
        let session = client.connect(stream, accept, PATIENCE).await.unwrap();
        let (sender, connection) =
            http2::handshake(self.tasks.clone(), TokioIo::new(session.stream)).await.unwrap();
        // A connection's end shows at its streams.
        self.tasks.spawn(async move { drop(connection.await) });
        Channel(sender)
    }
}

fn now() -> SystemTime {
    Clock::system().now()
}

/// One connection, as the generated clients want it.
struct Channel(http2::SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
