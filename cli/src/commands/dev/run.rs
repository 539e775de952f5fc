//! One run of a local mesh on this screen, from its name being claimed to nothing being left of it. What the mesh
//! consists of is its callers' business: the demo, or a file of somebody's own.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::time::Instant;

use super::show::Show;
use crate::args::RuntimeArgs;
use crate::commands::stop_signals::StopSignals;
use crate::exit::Exit;
use crate::local::banner::{About, Banner};
use crate::local::layout::Temporary;
use crate::local::{Claim, KeptState, MeshSpec, Supervisor, UnusablePolicies, check_mesh_name, story, sweep};
use crate::render;

/// Which mesh is to run.
pub(in crate::commands) struct Wanted<'a> {
    /// Its name, which no other of this user's has.
    pub(in crate::commands) name: &'a str,
    /// Where its socket and its temporary files go.
    pub(in crate::commands) runtime: &'a RuntimeArgs,
}

/// A mesh that can be started.
pub(in crate::commands) struct Prepared {
    /// The mesh.
    pub(in crate::commands) spec: MeshSpec,
    /// What is said of it when it is ready; `None` when nobody reads that.
    pub(in crate::commands) about: Option<About>,
    /// Its state, when that outlives it: nobody else uses it meanwhile.
    pub(in crate::commands) kept: Option<KeptState>,
}

/// Runs until a signal, or until everything was shown. Whatever happens, no process, socket or file stays but what is
/// kept on purpose. `prepare` is given a temporary folder.
pub(in crate::commands) async fn run_mesh(
    wanted: Wanted<'_>,
    mut show: Show,
    prepare: impl FnOnce(&Path) -> anyhow::Result<Prepared>,
) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let Wanted { name, runtime } = wanted;
    check_mesh_name(name)?;
    let mut stop = StopSignals::listen().context("cannot wait for signals")?;
    // First of all: a second mesh of this name ends here, before it has done anything.
    let claim = runtime.sockets().claim(name)?;
    for error in sweep(runtime.temporary()) {
        render::report(&format!("kith: what an earlier mesh left: {error}"));
    }
    let home = Temporary::make(&format!("kith-{name}-"), runtime.temporary())?;
    let Prepared { spec, about, kept } = prepare(home.path())?;
    let policies = spec.policies_dir.clone();
    let supervisor = tokio::select! {
        started = start(spec, about, claim, began) => started?,
        // A start that is given up is dropped, and what it had started with it.
        () = stop.next() => return Ok(show.interrupted()),
    };
    let ended = tokio::select! {
        ended = show.run(&supervisor, &policies) => show.ended(ended),
        () = stop.next() => Ok(show.interrupted()),
    };
    let children = supervisor.pids().len();
    tokio::select! {
        stopped = supervisor.stop() => stopped?,
        // Dropped half-way, the supervisor kills what is left.
        () = stop.next() => render::report("kith: stopped at once"),
    }
    home.remove()?;
    drop(kept);
    if let Show::Live(view) = &show {
        render::report(&format!("stopped {children} processes. {}.", view.summary()));
    }
    ended
}

/// Our own file, even when it was replaced on disk meanwhile.
pub(in crate::commands) fn own_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// Starts the mesh and says where everything is.
async fn start(
    spec: MeshSpec,
    about: Option<About>,
    claim: Claim,
    began: Instant,
) -> anyhow::Result<Supervisor> {
    let (policies, watched) = (spec.policies_dir.clone(), spec.watch_policies);
    let mesh = Supervisor::start_claimed(spec, claim).await?;
    let status = mesh.until_programmed(story::PATIENCE).await?;
    if !watched && !status.policies_error.is_empty() {
        return Err(UnusablePolicies { reason: status.policies_error }.into());
    }
    let took = began.elapsed();
    render::report(&match &about {
        Some(about) => {
            Banner { mesh: &mesh, status: &status, policies: &policies, watched, about, took }.text()
        }
        None => format!("ready in {:.1} s", took.as_secs_f64()),
    });
    Ok(mesh)
}
