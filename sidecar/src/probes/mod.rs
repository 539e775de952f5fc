//! The kubelet's questions, asked of the application in its place. The kubelet has no identity and would be refused; so
//! the injector pointed its probes at the health port, and here each is asked as the pod's author wrote it. Owns which
//! paths there are, what is answered, and that each question is under way once at most: whoever can connect may ask,
//! and must not be able to make the application work harder by it.
//!
//! ```text
//! kubelet ─► health port /probe/CONTAINER/KIND ─► under way already? ─► http | tcp | grpc ─► the pod's own address
//!                                                        └─► its answer is this one's, too
//! ```
//!
//! Nothing is opened by an address that somebody comes from, and nothing but the declared questions can be asked. A
//! lifecycle hook is an order more than a question: its KIND ends with a nonce that stands in the pod alone
//! (`pre-stop/<32 digits>`), and without all of it there is no such page.

mod ask;
mod grpc;
mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::header::{HeaderValue, USER_AGENT};
use ::http::request::Parts;
use futures_util::FutureExt as _;
use futures_util::future::WeakShared;
use kith_proto::pod::{PROBE_PATH, Probe, Probes};
use kith_runtime::{Health, Page};

use self::ask::ask;
use crate::lock::lock;

/// The declared questions, by the path below [`PROBE_PATH`].
#[derive(Debug)]
struct Questions(BTreeMap<String, Question>);

#[derive(Debug)]
struct Question {
    probe: Arc<Probe>,
    address: IpAddr,
    /// Gone when nobody waits for it any more.
    under_way: Mutex<Option<WeakShared<Page>>>,
}

/// The pages of a pod's probes beside those that every sidecar has. The application is asked at `address`: the first of
/// the pod's, as the kubelet does.
pub(crate) fn replayed(health: Health, probes: &Probes, address: Option<IpAddr>) -> Health {
    let Some(address) = address else { return health };
    let seconds = probes.values().map(|probe| probe.timeout_seconds).max().unwrap_or_default();
    let questions = Questions::new(probes, address);
    health.with_pages(Duration::from_secs(seconds.into()), move |head| questions.page(head))
}

impl Questions {
    fn new(probes: &Probes, address: IpAddr) -> Self {
        let question = |probe: &Probe| {
            let probe = Arc::new(probe.clone());
            Question { probe, address, under_way: Mutex::default() }
        };
        Self(probes.iter().map(|(path, probe)| (path.clone(), question(probe))).collect())
    }

    /// By the whole key, byte for byte: a part of it, or another way to write it, is no page (A1).
    fn page(&self, head: &Parts) -> Option<Page> {
        let question = self.0.get(head.uri.path().strip_prefix(PROBE_PATH)?)?;
        Some(question.page(head.headers.get(USER_AGENT)))
    }
}

impl Question {
    /// The answer to it: the one that is awaited already, if somebody does.
    fn page(&self, agent: Option<&HeaderValue>) -> Page {
        let mut under_way = lock(&self.under_way);
        let joined = under_way.as_ref().and_then(WeakShared::upgrade).filter(|page| page.peek().is_none());
        if let Some(page) = joined {
            return Box::pin(page);
        }
        let page: Page = Box::pin(ask(Arc::clone(&self.probe), self.address, agent.cloned()));
        let page = page.shared();
        *under_way = page.downgrade();
        Box::pin(page)
    }
}
