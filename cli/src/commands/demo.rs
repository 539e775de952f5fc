//! `kith demo`: a mesh on this machine, its calls as they happen, or the story of what it promises.

mod view;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kith_identity::TrustDomain;
use tokio::time::Instant;

use self::view::View;
use super::stop_signals::StopSignals;
use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::local::banner::Banner;
use crate::local::layout::{Temporary, make_private};
use crate::local::story::{self, Story};
use crate::local::{Claim, MeshSpec, Supervisor, check_mesh_name, demo_mesh, sweep};
use crate::render::{self, Closed};

const SVID_SECONDS: u32 = 60;

/// Runs until a signal, or until the story is told. Whatever happens, no process, socket or file stays.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let began = Instant::now();
    args.check()?;
    check_mesh_name(&args.name)?;
    let mut stop = StopSignals::listen().context("cannot wait for signals")?;
    // First of all: a second demo of this name ends here, before it has done anything.
    let claim = args.runtime.sockets().claim(&args.name)?;
    for error in sweep(args.runtime.temporary()) {
        render::report(&format!("kith: what an earlier mesh left: {error}"));
    }
    let home = Temporary::make(&format!("kith-{}-", args.name), args.runtime.temporary())?;
    let policies = home.path().join("policies");
    let mut show = Show::new(&args);
    let supervisor = tokio::select! {
        started = start(&args, claim, home.path(), began) => started?,
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
    if let Show::Live(view) = &show {
        render::report(&format!("stopped {children} processes. {}.", view.summary()));
    }
    ended
}

/// Starts the mesh and says where everything is.
async fn start(args: &DemoArgs, claim: Claim, home: &Path, began: Instant) -> anyhow::Result<Supervisor> {
    let spec = spec(args, home)?;
    let policies = spec.policies_dir.clone();
    make_private(&policies)?;
    demo_mesh::write_policies(&policies)?;
    let mesh = Supervisor::start_claimed(spec, claim).await?;
    let status = mesh.until_programmed(story::PATIENCE).await?;
    let banner = Banner { mesh: &mesh, status: &status, policies: &policies, took: began.elapsed() };
    render::report(&banner.text());
    Ok(mesh)
}

fn spec(args: &DemoArgs, home: &Path) -> anyhow::Result<MeshSpec> {
    // Our own file even when it was replaced on disk meanwhile.
    let kith = PathBuf::from("/proc/self/exe");
    let trust_domain = TrustDomain::parse(demo_mesh::TRUST_DOMAIN).context("the demo's trust domain")?;
    let services = demo_mesh::services(&kith, demo_mesh::WEB_PORT);
    let mut spec = MeshSpec::new(&args.name, trust_domain, home.join("policies"), kith, services);
    spec.svid_seconds = svid_seconds(args);
    spec.state_dir = Some(home.join("state"));
    spec.control_plane_port = demo_mesh::CONTROL_PLANE_PORT;
    spec.log_level.clone_from(&args.log_level);
    Ok(spec)
}

fn svid_seconds(args: &DemoArgs) -> u32 {
    let short = if args.story { story::SVID_SECONDS } else { SVID_SECONDS };
    args.svid_ttl.unwrap_or(short)
}

/// What is shown of a mesh that runs.
enum Show {
    Live(View),
    Story(Story),
}

impl Show {
    fn new(args: &DemoArgs) -> Self {
        if args.story {
            Self::Story(Story::new(args.output, svid_seconds(args)))
        } else {
            Self::Live(View::new(args.output))
        }
    }

    async fn run(&mut self, mesh: &Supervisor, policies: &Path) -> anyhow::Result<Exit> {
        match self {
            Self::Live(view) => view.follow(mesh).await.map(|()| Exit::Ok),
            Self::Story(story) => Ok(if story.tell(mesh, policies).await? { Exit::Ok } else { Exit::Failed }),
        }
    }

    /// How it ended by itself. A story whose reader went away was not told to its end.
    fn ended(&self, ended: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        match (ended, self) {
            (Err(error), Self::Story(_)) if error.is::<Closed>() => Ok(self.interrupted()),
            (ended, _) => ended,
        }
    }

    /// How it ends when somebody stops it: a demo in order, a story with promises that nobody has seen held.
    fn interrupted(&self) -> Exit {
        match self {
            Self::Live(_) => Exit::Ok,
            Self::Story(story) => {
                let (told, all) = (story.told(), story::PROMISES);
                render::report(&format!("stopped after {told} of {all} promises"));
                Exit::Failed
            }
        }
    }
}
