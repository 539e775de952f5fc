//! `kith demo --story` and `kith demo --check`: six steps, each of which proves a promise by measuring it on the running
//! mesh. Owns the order of the steps, what is put back after them, and how they are told; what counts as held is each
//! step's own business, and what the identity logs say of it is `check`'s.

mod allowed;
mod control_plane;
mod denied;
mod edit;
mod flip;
mod journal;
mod load;
mod policy_files;
mod quarantine;
mod recorder;
mod rotation;
mod stage;
mod telling;
mod why;

use std::path::Path;
use std::time::Duration;

use kith_runtime::Clock;
use tokio::time::Instant;

use self::journal::Journal;
use self::policy_files::PolicyFiles;
use self::recorder::Recorder;
use self::stage::Stage;
pub(crate) use self::telling::Finding;
pub use self::telling::Telling;
use super::check::{self, Mark, StepReport};
use super::supervisor::Supervisor;

/// The shortest lifetime there is, so that a story holds several rotations.
pub const SVID_SECONDS: u32 = 20;
/// How many steps there are.
pub const PROMISES: usize = 6;
/// How long anything that must happen may take; longer when svids live longer, for they have to be replaced.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(5);
const ALLOWED: u16 = 200;
const DENIED: u16 = 403;
/// An edit is in force, and an open stream is cut, before this.
const AT_MOST: Duration = Duration::from_secs(1);

/// What a step measured, and whether its promise held.
#[derive(Debug)]
struct Measured {
    held: bool,
    lines: Vec<String>,
}

/// The story, as far as it was told.
#[derive(Debug)]
pub struct Story {
    telling: Telling,
    patience: Duration,
    journal: Journal,
    told: Vec<StepReport>,
}

impl Story {
    /// A story that was not begun, of a mesh with svids of so many seconds. Its clock runs from now on.
    pub fn new(telling: Telling, svid_seconds: u32) -> Self {
        let journal = Journal::new(Clock::system());
        journal.mark(Mark::Started);
        let patience = PATIENCE.max(Duration::from_secs(svid_seconds.into()));
        Self { telling, patience, journal, told: Vec::new() }
    }

    /// How many steps were told to their end.
    pub fn told(&self) -> usize {
        self.told.len()
    }

    /// Whether it is held against the identity logs.
    pub fn is_check(&self) -> bool {
        matches!(self.telling, Telling::Check(_))
    }

    /// Tells the whole story; whether every promise held, and where it is checked, whether the logs say so too.
    pub async fn tell(&mut self, mesh: &Supervisor, policies: &Path) -> anyhow::Result<bool> {
        // The first reader of events has everything since the start of the mesh.
        let recorder = Recorder::of(mesh.events());
        let (journal, files) = (self.journal.clone(), PolicyFiles::read(policies)?);
        let stage = Stage { mesh, files: &files, journal: &journal, patience: self.patience };
        self.step(1, "an allowed call", allowed::run(&stage)).await?;
        self.step(2, "a denied call, and why", denied::run(&stage)).await?;
        self.step(3, "a policy edited on disk", edit::run(&stage)).await?;
        self.step(4, "svids rotate under load", rotation::run(&stage)).await?;
        self.step(5, "an identity is cut off", quarantine::run(&stage)).await?;
        self.step(6, "the control plane is killed", control_plane::run(&stage)).await?;
        stage.put_back().await?;
        let held = self.told.iter().all(|step| step.held);
        if !self.is_check() {
            self.telling.end(&self.told)?;
            return Ok(held);
        }
        recorder.until_whole(&journal).await;
        let report = recorder.with(&journal, |evidence| check::check(evidence, self.told.clone()));
        self.telling.report(&report)?;
        Ok(report.is_good())
    }

    /// Runs a step and says what it found. A step that breaks off did not hold; the next is tried all the same.
    async fn step(
        &mut self,
        step: u8,
        title: &'static str,
        run: impl Future<Output = anyhow::Result<Measured>>,
    ) -> anyhow::Result<()> {
        self.telling.begin(step, title)?;
        let began = Instant::now();
        let measured =
            run.await.unwrap_or_else(|error| Measured { held: false, lines: vec![format!("{error:#}")] });
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let finding = Finding { step, title, held: measured.held, took_ms, measured: measured.lines };
        self.telling.found(&finding)?;
        self.told.push(StepReport { step, title, held: finding.held, took_ms });
        Ok(())
    }
}
