//! The endpoint over real sockets: one per test, its svids of a small authority, and what the control plane would say said
//! by the test.

mod endpoint;
mod errors;
mod limits;
mod profile;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::{Svid, WorkloadKey};
use kith_proto::spiffe::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use kith_proto::spiffe::{X509svidRequest, X509svidResponse};
use kith_proto::v1;
use kith_runtime::{Clock, ManualClock, Stopper};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::*;
use crate::enforced::{Enforced, read_quarantines};
use crate::test_mesh::{Authority, identity};

/// Far above what anything on a socket takes.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// The endpoint of one workload.
pub(super) struct Served {
    pub(super) socket: PathBuf,
    pub(super) authority: Authority,
    pub(super) identity: SpiffeId,
    pub(super) svid: watch::Sender<Option<Arc<Svid>>>,
    pub(super) bundles: watch::Sender<Arc<BundleSet>>,
    enforced: watch::Sender<Arc<Enforced>>,
    pub(super) hand: ManualClock,
    pub(super) stopper: Stopper,
    pub(super) tasks: Tasks,
    pub(super) source: Source,
    folder: TempDir,
}

type Intercept = fn(Request<()>) -> Result<Request<()>, Status>;
pub(super) type Client = SpiffeWorkloadApiClient<InterceptedService<Channel, Intercept>>;

impl Served {
    /// One that nobody has told anything yet, for everyone.
    pub(super) fn start() -> Self {
        Self::start_for(Callers::Everyone)
    }

    pub(super) fn start_for(callers: Callers) -> Self {
        let (authority, identity) = (Authority::new(), identity("web"));
        let (svid, svid_seen) = watch::channel(None);
        let (bundles, bundles_seen) = watch::channel(Arc::new(BundleSet::default()));
        let (enforced, enforced_seen) = watch::channel(Arc::new(Enforced::nothing()));
        let (clock, hand) = Clock::manual(Clock::system().now());
        let source = Source {
            identity: identity.clone(),
            svid: svid_seen,
            bundles: bundles_seen,
            enforced: enforced_seen,
            clock,
        };
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("api").join("socket");
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        serve(&Settings { socket: socket.clone(), callers }, source.clone(), &tasks, &stop).unwrap();
        Self { socket, authority, identity, svid, bundles, enforced, hand, stopper, tasks, source, folder }
    }

    /// With an svid and the bundle that it needs.
    pub(super) fn ready() -> Self {
        let served = Self::start();
        served.make_ready();
        served
    }

    pub(super) fn make_ready(&self) {
        self.trust([&self.authority]);
        self.rotate();
    }

    pub(super) fn trust<'a>(&self, authorities: impl IntoIterator<Item = &'a Authority>) {
        self.bundles.send_replace(self.bundles_of(authorities));
    }

    pub(super) fn bundles_of<'a>(
        &self,
        authorities: impl IntoIterator<Item = &'a Authority>,
    ) -> Arc<BundleSet> {
        let ders: Vec<Vec<u8>> = authorities.into_iter().map(der_of).collect();
        let bundle = kith_identity::Bundle::parse(self.identity.trust_domain().clone(), &ders).unwrap();
        Arc::new([bundle].into_iter().collect())
    }

    /// A new svid, whose chain has more than one certificate.
    pub(super) fn rotate(&self) -> Arc<Svid> {
        let svid = self.svid_by(&self.authority);
        self.svid.send_replace(Some(Arc::clone(&svid)));
        svid
    }

    pub(super) fn svid_by(&self, authority: &Authority) -> Arc<Svid> {
        let key = WorkloadKey::generate().unwrap();
        let leaf = authority.certify(&key.csr_der().unwrap(), &self.identity);
        Arc::new(Svid::new(key, vec![leaf, der_of(authority)]).unwrap())
    }

    /// Cuts off these identities, and the workload itself if so.
    pub(super) fn quarantine(&self, identities: &[&SpiffeId], yourself: bool, serials: Vec<String>) {
        let revision = Some(v1::Revision { epoch: 1, counter: self.enforced.borrow().generation() + 1 });
        let identities = identities.iter().map(ToString::to_string).collect();
        let current = self.enforced.borrow().clone();
        let message = v1::Quarantines { revision, identities, serials, yourself };
        let read = read_quarantines(&message, &current).unwrap();
        self.enforced.send_replace(Arc::new(current.with_quarantines(read)));
    }

    /// The same endpoint again, after the first has ended.
    pub(super) fn serve_again(&self, callers: Callers) -> (Stopper, Tasks) {
        let ((stopper, stop), tasks) = (Stop::new(), Tasks::new());
        let settings = Settings { socket: self.socket.clone(), callers };
        serve(&settings, self.source.clone(), &tasks, &stop).unwrap();
        (stopper, tasks)
    }

    pub(super) async fn channel(&self) -> Channel {
        channel_at(&self.socket).await.unwrap()
    }

    /// A client as the standard wants it.
    pub(super) async fn client(&self) -> Client {
        client_at(&self.socket).await
    }

    pub(super) async fn svids(&self) -> Streaming<X509svidResponse> {
        let asked = self.client().await.fetch_x509svid(X509svidRequest {}).await;
        asked.unwrap().into_inner()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

async fn channel_at(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let address = format!("unix://{}", socket.display());
    let endpoint = tonic::transport::Endpoint::from_shared(address).unwrap();
    timeout(LIMIT, endpoint.connect()).await.expect("a connection")
}

/// A client where there may be no place for it.
pub(super) async fn try_client_at(socket: &Path) -> Option<Client> {
    let with_header: Intercept = |mut request| {
        request.metadata_mut().insert("workload.spiffe.io", MetadataValue::from_static("true"));
        Ok(request)
    };
    let channel = channel_at(socket).await.ok()?;
    Some(SpiffeWorkloadApiClient::with_interceptor(channel, with_header))
}

pub(super) async fn client_at(socket: &Path) -> Client {
    try_client_at(socket).await.unwrap()
}

pub(super) fn der_of(authority: &Authority) -> Vec<u8> {
    authority.bundle().authorities()[0].der().to_vec()
}

/// The next message of a stream.
pub(super) async fn next<M>(stream: &mut Streaming<M>) -> Result<M, Status> {
    let message = timeout(LIMIT, stream.message()).await.expect("a message in time");
    message.map(|message| message.expect("streams end with a status"))
}

/// How a stream ends.
pub(super) async fn end<M: std::fmt::Debug>(stream: &mut Streaming<M>) -> Code {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    };
    timeout(LIMIT, ended).await.expect("an end in time")
}
