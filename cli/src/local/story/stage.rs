//! Where the story plays: the mesh, its files, and the calls that are made in it. Owns the way from a service's name to
//! a call as that service's application would make it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::Method;
use kith_proto::v1::{RemoveQuarantineRequest, StatusResponse};

use super::LIMIT;
use super::journal::Journal;
use super::policy_files::PolicyFiles;
use crate::local::admin::{Admin, named};
use crate::local::check::{EVENTS_PATH, INTRUDER, Mark};
use crate::local::http_call::{Answer, OpenAnswer, call, open};
use crate::local::supervisor::Supervisor;

/// Everything that a step may need.
pub(super) struct Stage<'a> {
    pub(super) mesh: &'a Supervisor,
    pub(super) files: &'a PolicyFiles,
    pub(super) journal: &'a Journal,
    pub(super) patience: Duration,
}

impl Stage<'_> {
    /// Where an application of the mesh reaches another, as that application would.
    pub(super) fn outbound(&self, from: &str, to: &str) -> anyhow::Result<String> {
        let endpoints = self.mesh.endpoints(from).with_context(|| format!("there is no service {from}"))?;
        let address = endpoints.outbounds.get(to).with_context(|| format!("{from} does not call {to}"))?;
        Ok(format!("http://{address}"))
    }

    /// A charge by the intruder, which the policies of the demo do not allow.
    pub(super) async fn intrude(&self) -> anyhow::Result<Answer> {
        self.ask(INTRUDER, "payments", Method::POST, "charge").await
    }

    /// An order by web, which they allow.
    pub(super) async fn order(&self) -> anyhow::Result<Answer> {
        self.ask("web", "orders", Method::GET, "orders").await
    }

    /// The end of an order by web, which they do not: web may read orders.
    pub(super) async fn cancel(&self) -> anyhow::Result<Answer> {
        self.ask("web", "orders", Method::DELETE, "orders").await
    }

    /// A call to find out what its answer is.
    async fn ask(
        &self,
        from: &'static str,
        to: &'static str,
        method: Method,
        what: &str,
    ) -> anyhow::Result<Answer> {
        let base = self.outbound(from, to)?;
        let attempt = self.journal.begin(from, to, what, false);
        let answer = call(method, format!("{base}{}", attempt.path()), LIMIT).await;
        // Whether it was in time is what a check finds out.
        let _ = attempt.ended(&answer);
        answer
    }

    /// The intruder's stream of events.
    pub(super) async fn open_events(&self) -> anyhow::Result<OpenAnswer> {
        let url = format!("{}{EVENTS_PATH}", self.outbound(INTRUDER, "payments")?);
        let opened = tokio::time::timeout(LIMIT, open(Method::GET, &url)).await;
        opened.with_context(|| format!("{url} did not answer within {LIMIT:?}"))?
    }

    pub(super) async fn admin(&self) -> anyhow::Result<Admin> {
        Ok(Admin::connect(self.mesh.control_plane().admin_socket()).await?)
    }

    pub(super) async fn status(&self) -> anyhow::Result<StatusResponse> {
        Ok(self.admin().await?.status().await?)
    }

    /// Whether the intruder is listed as cut off.
    pub(super) async fn is_quarantined(&self) -> anyhow::Result<bool> {
        let status = self.status().await?;
        let intruder = status.workloads.iter().find(|workload| workload.name == INTRUDER);
        let intruder = intruder.with_context(|| format!("there is no workload {INTRUDER}"))?;
        let listed = self.admin().await?.quarantines().await?.quarantines;
        Ok(listed.iter().any(|entry| entry.identity == intruder.identity))
    }

    /// Everything as it was, whatever steps broke off.
    pub(super) async fn put_back(&self) -> anyhow::Result<()> {
        // What opens a door goes before what bolts it.
        self.files.restore()?;
        if self.is_quarantined().await? {
            self.journal.mark(Mark::Lifted);
            let request = RemoveQuarantineRequest { target: Some(named(INTRUDER)), dry_run: false };
            self.admin().await?.remove_quarantine(request).await?;
        }
        ensure!(!self.is_quarantined().await?, "the quarantine of {INTRUDER} could not be lifted");
        Ok(())
    }
}
