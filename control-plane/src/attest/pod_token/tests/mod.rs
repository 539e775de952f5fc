//! The order of the checks, and what needs a stopped clock: limits, budgets, what is remembered. In place of the platform
//! stand answers that each test gives, and a count of the questions. That an API server answers so is not shown here:
//! `tests/attestation` asks a genuine one, with its own tokens.

mod limits;
mod outage;
mod pods;
mod reviews;

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::Pod;
use kith_identity::BundleSet;
use kith_proto::v1;
use serde_json::{Value, json};

use super::questions::{ASK_TIME, PAUSE};
use super::*;
use crate::index::cluster::{Change, Cluster, Event, Kind, ServiceAccount};
use crate::index::{PodAddress, Services, Workload, Workloads};
use crate::testing::trust_domain;

const WEB: &str = "uid-of-web";
const WEB_ADDRESS: &str = "10.0.0.7";
const OTHER_ADDRESS: &str = "10.0.0.8";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Without svid, from web's own address.
fn from_web() -> Connection<'static> {
    Connection { peer: None, address: address(WEB_ADDRESS) }
}

/// What the API server would sign for a pod of the service account `web`.
fn claims(uid: &str) -> Value {
    json!({
        "aud": ["kith.dev/ca"],
        "exp": 1_800_000_600_u64,
        "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "node-a", "uid": "uid-of-node-a" },
            "pod": { "name": "web", "uid": uid },
            "serviceaccount": { "name": "web", "uid": "uid-of-account" },
        },
    })
}

fn sign(claims: &Value, signature: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part("{}"), part(&claims.to_string()), part(signature))
}

fn token() -> String {
    sign(&claims(WEB), "good")
}

/// What a real API server answers for such a token.
fn vouched(uid: &str) -> Value {
    json!({
        "authenticated": true,
        "audiences": ["kith.dev/ca"],
        "user": {
            "username": "system:serviceaccount:shop:web",
            "uid": "uid-of-account",
            "groups": ["system:serviceaccounts"],
            "extra": {
                "authentication.kubernetes.io/pod-name": ["web"],
                "authentication.kubernetes.io/pod-uid": [uid],
                "authentication.kubernetes.io/node-name": ["node-a"],
            },
        },
    })
}

fn pod(uid: &str) -> Value {
    json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": uid },
        "spec": {
            "serviceAccountName": "web",
            "nodeName": "node-a",
            "initContainers": [{ "name": "kith-redirect" }, { "name": "kith-sidecar" }],
            "containers": [{ "name": "app" }],
        },
        "status": { "phase": "Running" },
    })
}

/// One answer of the platform.
#[derive(Clone)]
enum Answer {
    With(Value),
    /// An error: 500, 429, a broken connection.
    Fails,
    /// Nothing, for ever.
    Silent,
}

/// What the platform answers, and how often it was asked.
struct Script {
    review: Mutex<Answer>,
    pod: Mutex<Answer>,
    reviews: AtomicUsize,
    gets: AtomicUsize,
}

struct Scripted(Arc<Script>);

async fn given<T: serde::de::DeserializeOwned>(answer: Answer) -> Result<T, Away> {
    match answer {
        Answer::With(value) => Ok(serde_json::from_value(value).unwrap()),
        Answer::Fails => Err(Away),
        Answer::Silent => std::future::pending().await,
    }
}

impl Platform for Scripted {
    fn review<'a>(&'a self, _: &'a Token) -> BoxFuture<'a, Result<TokenReviewStatus, Away>> {
        async {
            self.0.reviews.fetch_add(1, Ordering::SeqCst);
            let answer = self.0.review.lock().unwrap().clone();
            given(answer).await
        }
        .boxed()
    }

    fn pod<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<Pod>, Away>> {
        async {
            self.0.gets.fetch_add(1, Ordering::SeqCst);
            let answer = self.0.pod.lock().unwrap().clone();
            given(answer).await
        }
        .boxed()
    }
}

/// An attestor, the answers that it gets, and what the index knows.
struct House {
    tokens: PodTokens,
    script: Arc<Script>,
    worlds: Worlds,
    facts: watch::Sender<Arc<Facts>>,
    issued: IssuedSvids,
}

/// What the index says of service accounts when `web` has this uid.
fn facts(uid: &str) -> Arc<Facts> {
    let (mut cluster, mut facts) = (Cluster::new(trust_domain()), Facts::default());
    let metadata = json!({ "namespace": "shop", "name": "web", "uid": uid });
    let (key, account) = ServiceAccount::read(&serde_json::from_value(metadata).unwrap()).unwrap();
    cluster.take(Change::ServiceAccounts(Event::Apply(key, account)));
    facts.refresh(&cluster, Kind::ServiceAccounts);
    Arc::new(facts)
}

impl House {
    /// One pod is known, `web`, and the answer vouches for it.
    fn new() -> Self {
        Self::with(FromElsewhere::Refuse)
    }

    fn with(from_elsewhere: FromElsewhere) -> Self {
        let script = Arc::new(Script {
            review: Mutex::new(Answer::With(vouched(WEB))),
            pod: Mutex::new(Answer::With(Value::Null)),
            reviews: AtomicUsize::new(0),
            gets: AtomicUsize::new(0),
        });
        let (issued, metrics) = (IssuedSvids::default(), Arc::new(Metrics::new()));
        let platform = Box::new(Scripted(Arc::clone(&script)));
        let (facts, known_facts) = watch::channel(facts("uid-of-account"));
        let tokens = PodTokens::new(platform, from_elsewhere, known_facts, issued.clone(), metrics);
        let house = Self {
            tokens,
            script,
            worlds: Worlds::new(World::new(1, trust_domain(), BundleSet::default())),
            facts,
            issued,
        };
        house.know([workload(WEB, "node-a")]);
        house.at(WEB_ADDRESS, WEB);
        house
    }

    /// The index hears that these are all pods in the mesh.
    fn know(&self, workloads: impl IntoIterator<Item = Workload>) {
        let workloads: Workloads = workloads.into_iter().collect();
        self.worlds.update(|world| world.replace_workloads(workloads));
    }

    /// The index hears that a pod has this address.
    fn at(&self, address: &str, uid: &str) {
        self.worlds.update(|world| {
            let mut services = Services::clone(&world.services);
            let pod = PodAddress { pod: format!("shop/{uid}"), workload: Some(WorkloadId::new(uid)) };
            services.pods.insert(address.parse().unwrap(), pod);
            Some(World { services: Arc::new(services), ..world.clone() })
        });
    }

    fn answer_reviews(&self, answer: Answer) {
        *self.script.review.lock().unwrap() = answer;
    }

    fn answer_gets(&self, answer: Answer) {
        *self.script.pod.lock().unwrap() = answer;
    }

    fn reviews(&self) -> usize {
        self.script.reviews.load(Ordering::SeqCst)
    }

    async fn attest(&self, token: String) -> Result<Attested, NotAttested> {
        self.tokens.attest(token, from_web(), &self.worlds, now()).await
    }

    async fn refused(&self, token: String) -> PodTokenError {
        match self.attest(token).await {
            Err(NotAttested::PodToken(error)) => error,
            other => panic!("not refused for its token: {other:?}"),
        }
    }
}

fn workload(uid: &str, node: &str) -> Workload {
    let identity = "spiffe://demo.local/ns/shop/sa/web";
    Workload {
        id: WorkloadId::new(uid),
        name: "shop/web".into(),
        identity: SpiffeId::parse(identity).unwrap(),
        namespace: "shop".into(),
        service_account: "web".into(),
        labels: [].into(),
        closed: None,
        inbound: None,
        port: 0,
        calls: Vec::new(),
        protocol: v1::Protocol::Unspecified,
        ports: [].into(),
        skipped: Vec::new(),
        node: Some(node.into()),
    }
}
