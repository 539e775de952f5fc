//! What `kith svid fetch` does with a Workload API over time: waits for the first answer, hands every update on, connects
//! again when the stream is lost, and takes back what holds no longer. Owns when; `Sink` owns what.

use std::time::{Duration, SystemTime};

use kith_runtime::{Backoff, Clock};
use tokio::time::{Instant, sleep, timeout_at};

use super::pause::{LONGEST, chance};
use super::update::Update;
use super::workload_api::{FetchError, WorkloadApi};

/// Where updates go.
pub(super) trait Sink {
    /// This holds from now on, and nothing else does.
    fn accept(&mut self, update: &Update) -> anyhow::Result<()>;
    /// Nothing holds any more.
    fn withdraw(&mut self) -> anyhow::Result<()>;
    /// Something that a person should know.
    fn report(&mut self, text: &str);
}

/// A Workload API that is followed.
pub(super) struct Follower<S> {
    api: WorkloadApi,
    clock: Clock,
    sink: S,
    backoff: Backoff,
    /// When what was handed on ends.
    holds_until: Option<SystemTime>,
    /// What was said last: said once, however often it happens.
    told: Option<String>,
}

impl<S: Sink> Follower<S> {
    /// Calls nobody yet.
    pub(super) fn new(api: WorkloadApi, clock: Clock, sink: S) -> Self {
        Self { api, clock, sink, backoff: Backoff::default(), holds_until: None, told: None }
    }

    /// Hands the first update on, which comes within the limit or not at all.
    pub(super) async fn first(&mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        let mut last = None;
        loop {
            match timeout_at(deadline, self.api.next()).await {
                Ok(Ok(update)) => return self.accept(&update),
                Ok(Err(error)) if error.may_pass() => {
                    self.tell(&format!("{error}; waiting for it"));
                    last = Some(error);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let silent = || self.api.unreachable(&format!("no answer within {limit:?}"));
                    return Err(last.unwrap_or_else(silent).into());
                }
            }
            let pause = self.backoff.next(LONGEST, chance());
            if Instant::now() + pause >= deadline {
                return Err(last.unwrap_or_else(|| self.api.unreachable("no answer")).into());
            }
            sleep(pause).await;
        }
    }

    /// Hands every update on, until a refusal that no try will change.
    pub(super) async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            let next = tokio::select! {
                next = self.api.next() => next,
                () = expiry(&self.clock, self.holds_until) => {
                    self.expire()?;
                    continue;
                }
            };
            match next {
                Ok(update) => self.accept(&update)?,
                Err(error) if !error.may_pass() => {
                    self.withdraw()?;
                    return Err(error.into());
                }
                Err(error) => self.fail(&error).await?,
            }
        }
    }

    fn accept(&mut self, update: &Update) -> anyhow::Result<()> {
        self.backoff.reset();
        self.told = None;
        for left_out in &update.left_out {
            self.sink.report(&format!("left out: {left_out}"));
        }
        self.sink.accept(update)?;
        self.holds_until = Some(update.default_svid().leaf.not_after());
        Ok(())
    }

    /// Says what happened, and waits a moment before the next try.
    async fn fail(&mut self, error: &FetchError) -> anyhow::Result<()> {
        // Workload API §5.2.1: an svid that was taken back is used no longer.
        if matches!(error, FetchError::NoIdentity { .. }) {
            self.withdraw()?;
        }
        let kept = if self.holds_until.is_some() { "; what was fetched last holds on" } else { "" };
        self.tell(&format!("{error}{kept}"));
        // A message that was discarded leaves its stream open, so that the next one comes by itself.
        if !matches!(error, FetchError::Discarded { .. }) {
            let pause = self.backoff.next(LONGEST, chance());
            tokio::select! {
                () = sleep(pause) => {}
                () = expiry(&self.clock, self.holds_until) => self.expire()?,
            }
        }
        Ok(())
    }

    fn expire(&mut self) -> anyhow::Result<()> {
        self.tell("the svid has expired and was not renewed");
        self.withdraw()
    }

    fn withdraw(&mut self) -> anyhow::Result<()> {
        match self.holds_until.take() {
            Some(_) => self.sink.withdraw(),
            None => Ok(()),
        }
    }

    fn tell(&mut self, text: &str) {
        if self.told.as_deref() != Some(text) {
            self.sink.report(text);
            self.told = Some(text.to_owned());
        }
    }
}

/// Ends when what is held does; never, when nothing is.
async fn expiry(clock: &Clock, end: Option<SystemTime>) {
    match end {
        // Its last second is one in which it holds.
        Some(end) => clock.until(end + Duration::from_secs(1)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
