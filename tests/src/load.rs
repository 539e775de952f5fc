//! Open-loop load: attempts start on time whether or not the ones before were answered; nothing is retried; an
//! attempt that takes longer than a second has failed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use kith_runtime::Tasks;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::client::{Connection, Version, read};

/// Carries the attempt's number.
pub(crate) const ATTEMPT_HEADER: &str = "x-attempt";
/// An attempt that takes longer has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The application answered.
    Answered,
    /// A sidecar refused, under this denial id.
    Refused(String),
    /// Neither: the mesh failed.
    Failed(String),
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it started, counted from the start of the load.
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// Load that runs until it is stopped.
#[derive(Debug)]
pub struct Load {
    attempts: Arc<Mutex<BTreeMap<u64, Attempt>>>,
    started: Arc<AtomicU64>,
    begun: Instant,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Load {
    /// Begins `rate` attempts a second, each on a connection of its own, `GET /attempt/N` with the number in a
    /// header too. At most `most` attempts are made.
    pub fn start(address: SocketAddr, rate: u32, most: u64) -> Self {
        let load = Self {
            attempts: Arc::default(),
            started: Arc::default(),
            begun: Instant::now(),
            stop: CancellationToken::new(),
            tasks: Tasks::new(),
        };
        let (attempts, started, stop) =
            (Arc::clone(&load.attempts), Arc::clone(&load.started), load.stop.clone());
        let (begun, tasks) = (load.begun, load.tasks.clone());
        load.tasks.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / rate);
            // A late tick is made up for: the rate is promised, not the gap.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 1..=most {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stop.cancelled() => return,
                }
                started.store(number, Ordering::SeqCst);
                let attempts = Arc::clone(&attempts);
                tasks.spawn(async move {
                    let attempt = attempt(address, number, begun).await;
                    if let Ok(mut attempts) = attempts.lock() {
                        attempts.insert(number, attempt);
                    }
                });
            }
        });
        load
    }

    /// How long the load has been running.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The attempts that have ended so far.
    pub fn ended(&self) -> BTreeMap<u64, Attempt> {
        self.attempts.lock().map(|attempts| attempts.clone()).unwrap_or_default()
    }

    /// Stops beginning attempts, waits for those under way, and returns all of them.
    pub async fn stop(self) -> BTreeMap<u64, Attempt> {
        self.stop.cancel();
        let cut = self.tasks.finish(LIMIT * 3).await;
        let ended = self.ended();
        assert_eq!(
            (cut, ended.len() as u64),
            (0, self.started.load(Ordering::SeqCst)),
            "an attempt got lost"
        );
        ended
    }
}

async fn attempt(address: SocketAddr, number: u64, begun: Instant) -> Attempt {
    let started = begun.elapsed();
    let call = timeout(LIMIT, call(address, number)).await;
    let took = begun.elapsed() - started;
    let outcome = match call {
        Err(_) => Outcome::Failed(format!("no answer within {LIMIT:?}")),
        Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
        Ok(Ok(outcome)) => outcome,
    };
    Attempt { started, took, outcome }
}

async fn call(address: SocketAddr, number: u64) -> anyhow::Result<Outcome> {
    let mut connection = Connection::open(address, Version::Http1).await?;
    let request = Request::get("/").header(ATTEMPT_HEADER, number);
    let response =
        connection.send(request, &format!("/attempt/{number}"), Empty::<Bytes>::new().boxed()).await?;
    let answer = read(response).await?;
    Ok(match (answer.denial_id(), answer.status.as_u16()) {
        (Some(id), _) => Outcome::Refused(id.to_owned()),
        (None, 200) => Outcome::Answered,
        (None, status) => {
            Outcome::Failed(format!("status {status}: {}", String::from_utf8_lossy(&answer.body)))
        }
    })
}
