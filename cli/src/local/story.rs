//! `kith demo --story`: five steps, each of which proves a promise by measuring it on the running mesh. Owns the
//! steps and what counts as held; every number that is printed was measured in this run.

mod control_plane;
mod edit;
mod load;
mod rotation;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use kith_proto::v1::{ExplainRequest, StatusResponse};
use serde::Serialize;
use tokio::time::Instant;

use super::admin::Admin;
use super::demo_mesh::name_flag;
use super::http_call::{Answer, call};
use super::supervisor::Supervisor;
use crate::args::Output;
use crate::render::escape::lines;
use crate::render::table::Tone;
use crate::render::{self, explain};

/// The shortest lifetime there is, so that a story holds several rotations.
pub const SVID_SECONDS: u32 = 20;
/// How many steps there are.
pub const PROMISES: usize = 5;
/// How long anything that must happen may take; longer when svids live longer, for they have to be replaced.
pub const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(5);
const ALLOWED: u16 = 200;
const DENIED: u16 = 403;
const DENIAL_HEADER: &str = "kith-denial-id";

/// What a step found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    step: u8,
    title: &'static str,
    held: bool,
    took_ms: u128,
    /// What was measured, one sentence a line.
    measured: Vec<String>,
}

/// What a step measured, and whether its promise held.
pub(crate) struct Measured {
    pub(crate) held: bool,
    pub(crate) lines: Vec<String>,
}

/// Everything that a step may need.
pub(crate) struct Stage<'a> {
    pub(crate) mesh: &'a Supervisor,
    pub(crate) policies: &'a Path,
    pub(crate) patience: Duration,
}

/// The story, as far as it was told.
#[derive(Debug)]
pub struct Story {
    output: Output,
    patience: Duration,
    told: usize,
}

impl Story {
    /// A story that was not begun, of a mesh with svids of so many seconds.
    pub fn new(output: Output, svid_seconds: u32) -> Self {
        let patience = PATIENCE.max(Duration::from_secs(svid_seconds.into()));
        Self { output, patience, told: 0 }
    }

    /// How many steps were told to their end.
    pub fn told(&self) -> usize {
        self.told
    }

    /// Tells the whole story; whether every promise held.
    pub async fn tell(&mut self, mesh: &Supervisor, policies: &Path) -> anyhow::Result<bool> {
        let stage = Stage { mesh, policies, patience: self.patience };
        // The first reader of events sees the past as well; the steps are about what happens while they watch.
        drop(mesh.events());
        let steps: [bool; PROMISES] = [
            self.step(1, "an allowed call", allowed(&stage)).await?,
            self.step(2, "a denied call, and why", denied(&stage)).await?,
            self.step(3, "a policy edited on disk", edit::run(&stage)).await?,
            self.step(4, "svids rotate under load", rotation::run(&stage)).await?,
            self.step(5, "the control plane is killed", control_plane::run(&stage)).await?,
        ];
        let held = steps.iter().filter(|held| **held).count();
        render::report(&format!("{held} of {PROMISES} promises held"));
        Ok(held == PROMISES)
    }

    /// Runs a step and says what it found. A step that breaks off did not hold; the next is tried all the same.
    async fn step(
        &mut self,
        step: u8,
        title: &'static str,
        run: impl Future<Output = anyhow::Result<Measured>>,
    ) -> anyhow::Result<bool> {
        if self.output == Output::Table {
            render::print(&Tone::Heading.paint(&format!("{step}. {title}")))?;
        }
        let began = Instant::now();
        let measured =
            run.await.unwrap_or_else(|error| Measured { held: false, lines: vec![format!("{error:#}")] });
        let took_ms = began.elapsed().as_millis();
        let finding = Finding { step, title, held: measured.held, took_ms, measured: measured.lines };
        match self.output {
            Output::Table => render::print(&finding.text())?,
            Output::Json => render::print_json(&finding)?,
        }
        self.told += 1;
        Ok(finding.held)
    }
}

impl Finding {
    fn text(&self) -> String {
        let (word, tone) = if self.held { ("✔ held", Tone::Good) } else { ("✗ DID NOT HOLD", Tone::Bad) };
        let measured = self.measured.iter().flat_map(|text| text.lines()).map(|line| format!("   {line}\n"));
        let measured: String = measured.collect();
        format!("{}   {} in {} ms\n", lines(&measured), tone.paint(word), self.took_ms)
    }
}

impl Stage<'_> {
    /// Where an application of the mesh reaches another, as that application would.
    pub(crate) fn outbound(&self, from: &str, to: &str) -> anyhow::Result<String> {
        let endpoints = self.mesh.endpoints(from).with_context(|| format!("there is no service {from}"))?;
        let address = endpoints.outbounds.get(to).with_context(|| format!("{from} does not call {to}"))?;
        Ok(format!("http://{address}"))
    }

    /// The call that no policy of the demo allows.
    pub(crate) async fn intrude(&self) -> anyhow::Result<Answer> {
        call(Method::POST, format!("{}/charge/7", self.outbound("intruder", "payments")?), LIMIT).await
    }

    pub(crate) async fn admin(&self) -> anyhow::Result<Admin> {
        Ok(Admin::connect(self.mesh.control_plane().admin_socket()).await?)
    }

    pub(crate) async fn status(&self) -> anyhow::Result<StatusResponse> {
        Ok(self.admin().await?.status().await?)
    }
}

async fn allowed(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let web = stage.mesh.endpoints("web").context("there is no service web")?;
    let url = format!("http://{}/checkout", web.app);
    let began = Instant::now();
    let answer = call(Method::GET, &url, LIMIT).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let body = String::from_utf8_lossy(&answer.body).trim().to_owned();
    Ok(Measured {
        held: answer.status == ALLOWED,
        lines: vec![
            format!("GET {url} answered {} in {took:.1} ms: {body}", answer.status),
            "web → orders → payments, each hop over mutual TLS and decided by a rule".to_owned(),
        ],
    })
}

async fn denied(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let answer = stage.intrude().await?;
    let id = answer.headers.get(DENIAL_HEADER).and_then(|id| id.to_str().ok()).unwrap_or("none");
    let request = ExplainRequest {
        source: "intruder".to_owned(),
        destination: "payments".to_owned(),
        method: "POST".to_owned(),
        path: "/charge/7".to_owned(),
    };
    let explained = stage.admin().await?.explain(request.clone()).await?;
    Ok(Measured {
        held: answer.status == DENIED && id != "none" && !explained.allowed,
        lines: vec![
            format!("intruder's POST /charge/7 answered {}, denial {id}", answer.status),
            format!("kith explain{} intruder payments POST /charge/7", name_flag(stage.mesh.name())),
            anstream::adapter::strip_str(&explain::table(&request, &explained)).to_string(),
        ],
    })
}
