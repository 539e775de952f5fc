//! A pod's sidecar under test, with connections that were for any of its ports.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use kith_policy::{AuthorizationPolicy, document};
use kith_proto::convert::policy_to_wire;
use kith_proto::v1;
use kith_runtime::Tasks;
use tokio::net::{TcpListener, TcpStream};

use super::application;
use crate::capture::{Accepted, Applications, Capture, OwnAddresses};
use crate::identity_log::{Call, Event, SessionRefused};
use crate::inbound;
use crate::test_mesh::{Authority, TestSidecar};

pub(super) const OWN: &str = "spiffe://demo.local/ns/shop/sa/orders";
/// How long Observe lasts: less than an svid.
pub(super) const OBSERVE: Duration = Duration::from_secs(600);
/// A policy that denies everybody everything.
pub(super) const NOBODY: &str = "{ action: DENY, rules: [{}] }";
/// A policy that allows everybody everything.
pub(super) const ANYBODY: &str = "{ rules: [{}] }";

pub(super) struct Pod {
    pub(super) sidecar: TestSidecar,
    pub(super) authority: Authority,
    /// What is declared of its ports.
    ports: HashMap<u32, i32>,
    tasks: Tasks,
}

impl Pod {
    /// One that nobody has told anything yet.
    pub(super) async fn start(applications: Applications) -> Self {
        let own = OwnAddresses::new([]);
        let capture = Capture::Told { destination: SocketAddr::from(([127, 0, 0, 1], 0)), own };
        let authority = Authority::new();
        let sidecar = TestSidecar::start(&authority, "orders", capture, applications).await;
        Self { sidecar, authority, ports: HashMap::new(), tasks: Tasks::new() }
    }

    /// In Observe, by these policies.
    pub(super) async fn observing(specs: &[&str]) -> Self {
        let mut pod = Self::start(Applications::OriginalDestination).await;
        pod.enforce(v1::Posture::Observe, specs);
        pod
    }

    /// Each policy is a spec in flow style.
    pub(super) fn enforce(&mut self, posture: v1::Posture, specs: &[&str]) {
        let now = self.sidecar.worker.shared.clock.now();
        let until = (now + OBSERVE).duration_since(UNIX_EPOCH).unwrap().as_millis();
        let observe_until_ms =
            if posture == v1::Posture::Observe { i64::try_from(until).unwrap() } else { 0 };
        let policies = policies(specs).iter().map(policy_to_wire).collect();
        let posture = posture.into();
        let ports = self.ports.clone();
        let rest = v1::Snapshot::default();
        self.sidecar.enforce(v1::Snapshot { posture, observe_until_ms, policies, ports, ..rest });
    }

    /// The next snapshots say that this is spoken on a port.
    pub(super) fn declare(&mut self, port: u16, protocol: v1::Protocol) {
        self.ports.insert(port.into(), protocol.into());
    }

    /// A connection to the workload that was for `destination` before it was redirected.
    pub(super) async fn connect(&self, destination: SocketAddr) -> TcpStream {
        let (client, stream, peer) = pair().await;
        self.begin(stream, Accepted { peer, destination });
        client
    }

    /// The same from an address that the test says.
    pub(super) async fn connect_from(&self, peer: SocketAddr, destination: SocketAddr) -> TcpStream {
        let (client, stream, _) = pair().await;
        self.begin(stream, Accepted { peer, destination });
        client
    }

    fn begin(&self, stream: TcpStream, accepted: Accepted) {
        let worker = Arc::clone(&self.sidecar.worker);
        self.tasks.spawn(inbound::connection(worker, stream, accepted));
    }

    /// An address of the pod as its rules have it: the first connection there comes from another sidecar and meets this
    /// one; the second is what this one then sends to the application, which sends back what it gets.
    pub(super) async fn front(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let destination = listener.local_addr().unwrap();
        let (worker, connections) = (Arc::clone(&self.sidecar.worker), self.tasks.clone());
        self.tasks.spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            connections.spawn(inbound::connection(worker, stream, Accepted { peer, destination }));
            application::echo(listener.accept().await.unwrap().0).await;
        });
        destination
    }

    /// The next line, whatever it is of.
    pub(super) async fn event(&mut self) -> Event {
        self.sidecar.next_event().await
    }

    /// The next line, which is of a call.
    pub(super) async fn call(&mut self) -> Call {
        match self.sidecar.next_event().await {
            Event::Call(call) => *call,
            other => panic!("{other:?}"),
        }
    }

    /// The next line, which is of a connection that was refused.
    pub(super) async fn refused(&mut self) -> SessionRefused {
        match self.sidecar.next_event().await {
            Event::SessionRefused(refused) => refused,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// Both ends of a connection, and where the first of them is.
async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(connecting, listener.accept());
    let (stream, peer) = accepted.unwrap();
    (client.unwrap(), stream, peer)
}

fn policies(specs: &[&str]) -> Vec<AuthorizationPolicy> {
    let policy = |(number, spec): (usize, &&str)| {
        format!(
            "---\napiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
             metadata: {{ name: p{number}, namespace: shop }}\nspec: {spec}\n"
        )
    };
    let text: String = specs.iter().enumerate().map(policy).collect();
    document::parse("p.yaml", &text).unwrap()
}
