//! `kith demo`: a mesh on this machine, its calls as they happen, or the story of what it promises.

use std::path::{Path, PathBuf};
use std::pin::pin;

use anyhow::Context as _;
use kith_identity::TrustDomain;
use kith_runtime::{Clock, signals};
use kith_sidecar::identity_log::rfc3339;
use tokio::time::Instant;

use crate::args::{DemoArgs, Output};
use crate::exit::Exit;
use crate::local::banner::banner;
use crate::local::layout::{make_private, temporary};
use crate::local::{ChildId, Event, Events, MeshSpec, Stream, Supervisor, demo_mesh, story};
use crate::render::event::{Columns, Kind, Shown, Tally};
use crate::render::{self, terminal_width};

const WEB_PORT: u16 = 8080;
const CONTROL_PLANE_PORT: u16 = 7450;
const SVID_SECONDS: u32 = 60;

/// Runs until Ctrl-C, or until the story is told. Whatever happens, no process, socket or file stays.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let mut stop = pin!(signals::stop_requested());
    let parent = args.runtime.folder().unwrap_or(Path::new("/tmp"));
    let home = temporary(&format!("kith-{}-", args.name), parent)?;
    let spec = spec(&args, home.path())?;
    let policies = spec.policies_dir.clone();
    make_private(&policies)?;
    demo_mesh::write_policies(&policies)?;
    let supervisor = tokio::select! {
        started = Supervisor::start(spec) => started?,
        // A start that is given up is dropped, and what it had started with it.
        signal = &mut stop => return signal.map(|_| Exit::Ok).context("cannot wait for signals"),
    };
    let status = supervisor.until_programmed(story::PATIENCE).await?;
    render::report(&banner(&supervisor, &status, &policies, began.elapsed()));
    let mut view = View::new(args.output);
    let (ended, mut signal) = tokio::select! {
        ended = tell(&args, &supervisor, &policies, &mut view) => (ended, None),
        signal = &mut stop => (Ok(Exit::Ok), Some(signal.context("cannot wait for signals")?)),
    };
    let children = supervisor.pids().len();
    let hurry = async {
        match &mut signal {
            Some(signal) => drop(signal.again().await),
            None => drop(stop.await),
        }
    };
    tokio::select! {
        stopped = supervisor.stop() => stopped?,
        // Dropped half-way, the supervisor kills what is left.
        () = hurry => render::report("kith: stopped at once"),
    }
    home.close().context("cannot remove the temporary folder")?;
    if !args.story {
        render::report(&format!("stopped {children} processes. {}.", view.tally.summary()));
    }
    ended
}

async fn tell(args: &DemoArgs, mesh: &Supervisor, policies: &Path, view: &mut View) -> anyhow::Result<Exit> {
    if args.story {
        let held = story::tell(mesh, policies, args.output).await?;
        return Ok(if held { Exit::Ok } else { Exit::Failed });
    }
    view.begin()?;
    let mut events = mesh.events();
    follow(&mut events, view).await?;
    Ok(Exit::Ok)
}

async fn follow(events: &mut Events, view: &mut View) -> anyhow::Result<()> {
    while let Some(event) = events.next().await {
        view.show(&event)?;
    }
    Ok(())
}

fn spec(args: &DemoArgs, home: &Path) -> anyhow::Result<MeshSpec> {
    // Our own file even when it was replaced on disk meanwhile.
    let kith = PathBuf::from("/proc/self/exe");
    let trust_domain = TrustDomain::parse(demo_mesh::TRUST_DOMAIN).context("the demo's trust domain")?;
    let services = demo_mesh::services(&kith, WEB_PORT);
    let mut spec = MeshSpec::new(&args.name, trust_domain, home.join("policies"), kith, services);
    let short = if args.story { story::SVID_SECONDS } else { SVID_SECONDS };
    spec.svid_seconds = args.svid_ttl.unwrap_or(short);
    spec.state_dir = Some(home.join("state"));
    spec.socket_dir = Some(args.runtime.sockets().path().to_owned());
    spec.control_plane_port = CONTROL_PLANE_PORT;
    spec.log_level.clone_from(&args.log_level);
    Ok(spec)
}

/// The live table, or one object a line.
struct View {
    columns: Option<Columns>,
    clock: Clock,
    tally: Tally,
}

impl View {
    fn new(output: Output) -> Self {
        let columns = (output == Output::Table).then(|| Columns::new(terminal_width()));
        Self { columns, clock: Clock::system(), tally: Tally::default() }
    }

    fn begin(&self) -> anyhow::Result<()> {
        self.columns.map_or(Ok(()), |columns| render::print(&columns.headings()))
    }

    fn show(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Line { line, .. } => match Shown::of_line(line) {
                Some(shown) => {
                    self.tally.count(&shown);
                    self.print(&shown)
                }
                None => Ok(()),
            },
            Event::ChildExited { child, pid, status } => {
                self.process(child, format!("ended: {status} (process {pid})"))
            }
            Event::Restarted { child, pid } => self.process(child, format!("started again as process {pid}")),
            Event::ChildStarted { .. } => Ok(()),
            Event::Raw { child, stream: Stream::Stderr | Stream::Stdout, text } => {
                render::report(&render::escape::escape(&format!("{child}: {text}")));
                Ok(())
            }
            Event::Warning { child, text } => {
                render::report(&render::escape::escape(&format!("kith: {child}: {text}")));
                Ok(())
            }
            Event::Lost { count } => {
                render::report(&format!("kith: this screen is too slow; {count} events are not shown"));
                Ok(())
            }
        }
    }

    fn process(&self, child: &ChildId, detail: String) -> anyhow::Result<()> {
        let time = rfc3339(self.clock.now());
        let src = Some(child.to_string());
        self.print(&Shown { src, detail: Some(detail), ..Shown::empty(&time, Kind::Process) })
    }

    fn print(&self, shown: &Shown) -> anyhow::Result<()> {
        match self.columns {
            Some(columns) => render::print(&columns.row(shown)),
            None => render::print_json(shown),
        }
    }
}
