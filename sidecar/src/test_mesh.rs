//! Fixtures of this crate's tests: sidecars of one worker each, on loopback, with svids of one small authority. What the
//! kernel's redirect and the control plane would say, the test says.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Credentials, Now, Svid, WorkloadKey};
use kith_proto::{POLICY_LANGUAGE, v1};
use kith_runtime::{Clock, ManualClock, Readiness, Stop, Stopper, Tasks};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::capture::{Applications, Capture};
use crate::control::Subscriptions;
use crate::enforce::keep_judging;
use crate::enforced::{Enforced, read, read_quarantines};
use crate::identity_log::{Call, Event, Line, Log, QUEUE_LINES, Writer};
use crate::metrics::Metrics;
use crate::report::Reports;
use crate::session::SessionNumbers;
use crate::worker::{Shared, Sockets, Worker};

/// Far above what anything on loopback takes.
const LIMIT: Duration = Duration::from_secs(20);

/// The authority of all sidecars of a test.
pub(crate) struct Authority {
    key: KeyPair,
    params: CertificateParams,
    bundle: Bundle,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let bundle = Bundle::parse(trust_domain(), &[root.der()]).unwrap();
        Self { key, params, bundle, pem: root.pem() }
    }

    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// As a file carries it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate of a key whose request this is, for an hour.
    pub(crate) fn certify(&self, csr: &[u8], identity: &SpiffeId) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(identity.as_str().try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        let now = Clock::system().now();
        (params.not_before, params.not_after) =
            ((now - Duration::from_secs(60)).into(), (now + Duration::from_secs(3600)).into());
        let public = CertificateSigningRequestParams::from_der(&csr.to_vec().into()).unwrap().public_key;
        params.signed_by(&public, &Issuer::from_params(&self.params, &self.key)).unwrap().der().to_vec()
    }

    pub(crate) fn svid(&self, identity: &SpiffeId) -> Svid {
        let key = WorkloadKey::generate().unwrap();
        let chain = vec![self.certify(&key.csr_der().unwrap(), identity)];
        Svid::new(key, chain).unwrap()
    }

    /// Credentials that do not change.
    pub(crate) fn credentials(&self, identity: &SpiffeId) -> Credentials {
        let (_, svid) = watch::channel(Some(Arc::new(self.svid(identity))));
        let (_, bundles) = watch::channel(Arc::new([self.bundle.clone()].into_iter().collect()));
        let clock = Clock::system();
        Credentials::new(svid, bundles, Now::new(move || clock.now()))
    }
}

pub(crate) fn trust_domain() -> TrustDomain {
    TrustDomain::parse("demo.local").unwrap()
}

pub(crate) fn identity(account: &str) -> SpiffeId {
    SpiffeId::for_service_account(&trust_domain(), "shop", account).unwrap()
}

/// A sidecar that runs.
pub(crate) struct TestSidecar {
    pub(crate) worker: Arc<Worker>,
    pub(crate) inbound: SocketAddr,
    pub(crate) outbound: SocketAddr,
    pub(crate) stopper: Stopper,
    /// Its time stands still until it is moved.
    pub(crate) hand: ManualClock,
    enforced: watch::Sender<Arc<Enforced>>,
    lines: mpsc::UnboundedReceiver<Line>,
    counter: u64,
    /// What it reads from these goes with them.
    _kept: (watch::Sender<Option<Arc<Svid>>>, watch::Sender<Arc<BundleSet>>),
    _judged: watch::Receiver<u64>,
    _tasks: Cut,
}

/// Its tasks end with it.
struct Cut(Vec<Tasks>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.iter().for_each(Tasks::cut);
    }
}

impl TestSidecar {
    /// Starts one that nobody has told anything yet.
    pub(crate) async fn start(
        authority: &Authority,
        account: &str,
        capture: Capture,
        applications: Applications,
    ) -> Self {
        let own = identity(account);
        let (svid, svid_seen) = watch::channel(Some(Arc::new(authority.svid(&own))));
        let (bundles, bundles_seen) =
            watch::channel(Arc::new([authority.bundle.clone()].into_iter().collect::<BundleSet>()));
        let (enforced, enforced_seen) = watch::channel(Arc::new(Enforced::nothing()));
        let (stopper, stop) = Stop::new();
        let (shared, lines, hand) =
            shared(&own, capture, applications, stop, (svid_seen, bundles_seen, enforced_seen));
        let (tasks, own_connections) = (Tasks::new(), Tasks::new());
        let worker =
            Arc::new(Worker::new(shared, tasks.clone(), own_connections.clone(), &CancellationToken::new()));
        let (done, judged) = watch::channel(0);
        own_connections.spawn(keep_judging(worker.registry.clone(), worker.law.clone(), done));
        let bind = || async { TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap() };
        let (inbound, outbound) = (bind().await, bind().await);
        let (at, out) = (inbound.local_addr().unwrap(), outbound.local_addr().unwrap());
        let deaf = Readiness::new().block("worker");
        worker.listen(Sockets { inbound, outbounds: vec![(None, outbound)], deaf }).unwrap();
        Self {
            worker,
            inbound: at,
            outbound: out,
            stopper,
            hand,
            enforced,
            lines,
            counter: 0,
            _kept: (svid, bundles),
            _judged: judged,
            _tasks: Cut(vec![tasks, own_connections]),
        }
    }

    /// Puts a snapshot in force; nobody is quarantined unless that was said.
    pub(crate) fn enforce(&mut self, snapshot: v1::Snapshot) {
        if self.counter == 0 {
            self.quarantine(v1::Quarantines::default());
        }
        self.counter += 1;
        let snapshot = v1::Snapshot {
            revision: Some(v1::Revision { epoch: 1, counter: self.counter }),
            identity: self.worker.shared.identity.to_string(),
            policy_language: POLICY_LANGUAGE,
            ..snapshot
        };
        let current = self.enforced.borrow().clone();
        let read = read(&snapshot, &self.worker.shared.identity, &current).unwrap();
        self.enforced.send_replace(Arc::new(current.with_snapshot(read)));
    }

    pub(crate) fn quarantine(&mut self, quarantines: v1::Quarantines) {
        self.counter += 1;
        let revision = Some(v1::Revision { epoch: 1, counter: self.counter });
        let current = self.enforced.borrow().clone();
        let read = read_quarantines(&v1::Quarantines { revision, ..quarantines }, &current).unwrap();
        self.enforced.send_replace(Arc::new(current.with_quarantines(read)));
    }

    /// The next line of a call.
    pub(crate) async fn next_call(&mut self) -> Call {
        loop {
            if let Event::Call(call) = self.next_event().await {
                return *call;
            }
        }
    }

    pub(crate) async fn next_event(&mut self) -> Event {
        timeout(LIMIT, self.lines.recv()).await.expect("a line").unwrap().event
    }
}

type Seen =
    (watch::Receiver<Option<Arc<Svid>>>, watch::Receiver<Arc<BundleSet>>, watch::Receiver<Arc<Enforced>>);

fn shared(
    own: &SpiffeId,
    capture: Capture,
    applications: Applications,
    stop: Stop,
    (svid, bundles, enforced): Seen,
) -> (Shared, mpsc::UnboundedReceiver<Line>, ManualClock) {
    let (sink, lines) = mpsc::unbounded_channel();
    let (writer, _) = Writer::start(Sink { sink, rest: Vec::new() }, QUEUE_LINES).unwrap();
    let (clock, hand) = Clock::manual(Clock::system().now());
    let reports = Arc::new(Reports::default());
    let log = Log::new(own.to_string(), clock.clone(), writer, reports, Arc::new(Metrics::new()));
    let now = clock.clone();
    let credentials = Credentials::new(svid.clone(), bundles.clone(), Now::new(move || now.now()));
    let shared = Shared {
        identity: own.clone(),
        capture,
        applications,
        subscriptions: Arc::new(Subscriptions::default()),
        svid,
        enforced,
        bundles,
        credentials,
        log,
        clock,
        numbers: Arc::new(SessionNumbers::default()),
        streams_per_identity: 64,
        stop,
    };
    (shared, lines, hand)
}

/// Where the log's thread writes.
struct Sink {
    sink: mpsc::UnboundedSender<Line>,
    rest: Vec<u8>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = Line::from_json(std::str::from_utf8(&line).unwrap()).unwrap();
            // The test may have ended.
            let _ = self.sink.send(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An application that answers each request with 200, and its tasks.
pub(crate) async fn http_application() -> (SocketAddr, impl Drop) {
    application(|mut stream| async move {
        let mut seen = Vec::new();
        while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
            if seen.ends_with(b"\r\n\r\n") {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                if seen.windows(5).any(|window| window == b"close") {
                    return;
                }
                seen.clear();
            }
        }
    })
    .await
}

/// An application that sends back what it gets.
pub(crate) async fn echo_application() -> (SocketAddr, impl Drop) {
    application(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        // A connection that is cut is what some tests are about.
        if tokio::io::copy(&mut read, &mut write).await.is_ok() {
            let _ = write.shutdown().await;
        }
    })
    .await
}

async fn application<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, impl Drop)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new();
    let connections = tasks.clone();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    (address, Cut(vec![tasks]))
}

/// One request over a connection of its own; the whole answer.
pub(crate) async fn get(at: SocketAddr) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: payments\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}
