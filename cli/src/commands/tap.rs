//! `kith tap`: the calls of a running mesh, as they happen, until Ctrl-C or until the mesh is stopped. The control
//! plane may restart meanwhile.

use std::time::Duration;

use kith_control_plane::kubernetes::ClusterError;
use kith_proto::v1::{TapRequest, TappedLines};
use kith_runtime::signals;
use kith_sidecar::identity_log::Line;
use tokio::time::{Instant, sleep};

use super::ask::{ask, once};
use super::rows;
use crate::args::{Output, TapArgs};
use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError, Tap};
use crate::local::layout::{LayoutError, Presence};
use crate::mesh::Mesh;
use crate::render;
use crate::render::event::Shown;
use crate::render::name::Naming;

/// How long a mesh whose supervisor was killed may take to be started again.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pod of the control plane that was replaced, with its volume.
const PATIENCE_IN_CLUSTER: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(100);
/// A mesh that is stopped ends its control plane last: by then it is gone as a whole.
const FAREWELL: Duration = Duration::from_millis(500);

/// Follows until Ctrl-C.
pub(crate) async fn run(args: TapArgs) -> anyhow::Result<Exit> {
    let mesh = Mesh::find(&args.ask).await?;
    let request = TapRequest { denied_only: args.denied, workload: args.workload.unwrap_or_default() };
    let tap = ask(&mesh, async |admin| open(admin, &request).await).await?;
    rows::begin(args.ask.output, mesh.naming())?;
    tokio::select! {
        ended = follow(&mesh, &request, tap, args.ask.output) => ended.map(|()| Exit::Ok),
        signal = signals::stop_requested() => signal.map(|_| Exit::Ok).map_err(Into::into),
    }
}

async fn open(mut admin: Admin, request: &TapRequest) -> Result<Tap, AdminError> {
    admin.tap(request.clone()).await
}

/// Shows what comes, until the mesh was stopped.
async fn follow(mesh: &Mesh, request: &TapRequest, mut tap: Tap, output: Output) -> anyhow::Result<()> {
    loop {
        match tap.next().await {
            Ok(Some(lines)) => show(&lines, output, mesh.naming())?,
            Ok(None) | Err(AdminError::Unreachable { .. }) => match reconnect(mesh, request).await? {
                Some(again) => tap = again,
                None => {
                    render::report("kith: the mesh was stopped");
                    return Ok(());
                }
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for the control plane for as long as its mesh runs; `None` when the mesh was stopped in order.
async fn reconnect(mesh: &Mesh, request: &TapRequest) -> anyhow::Result<Option<Tap>> {
    let gone = Instant::now();
    let mut told = false;
    loop {
        let error = match once(mesh, async |admin| open(admin, request).await).await {
            Err(error) if is_away(&error) => error,
            answer => return Ok(Some(answer?)),
        };
        match waits(mesh, gone.elapsed())? {
            Waits::No => return Ok(None),
            Waits::NoLonger => return Err(error.into()),
            Waits::Silently => {}
            Waits::Yes if !told => {
                told = true;
                render::report("kith: the control plane is gone; waiting for it");
            }
            Waits::Yes => {}
        }
        sleep(RETRY).await;
    }
}

fn is_away(error: &AdminError) -> bool {
    use ClusterError::{NotReady, Unreachable};
    matches!(
        error,
        AdminError::Unreachable { .. } | AdminError::Cluster(NotReady { .. } | Unreachable { .. })
    )
}

/// Whether a control plane is waited for.
enum Waits {
    Yes,
    /// It may have been stopped, which shows in a moment.
    Silently,
    /// It was stopped in order.
    No,
    /// It does not come back.
    NoLonger,
}

fn waits(mesh: &Mesh, gone: Duration) -> Result<Waits, LayoutError> {
    let socket = match mesh {
        Mesh::Local(socket) => socket,
        Mesh::Cluster(_) if gone >= PATIENCE_IN_CLUSTER => return Ok(Waits::NoLonger),
        Mesh::Cluster(_) => return Ok(Waits::Yes),
    };
    Ok(match socket.presence()? {
        Presence::Stopped => Waits::No,
        Presence::Left if gone >= PATIENCE => Waits::NoLonger,
        // Its socket goes first, and its lock a moment later.
        Presence::Running if !socket.path().exists() && gone < FAREWELL => Waits::Silently,
        Presence::Running | Presence::Left => Waits::Yes,
    })
}

fn show(lines: &TappedLines, output: Output, naming: Naming) -> anyhow::Result<()> {
    if lines.lost > 0 {
        render::report(&format!("kith: {} lines came too fast and were left out", lines.lost));
    }
    // A control plane of an older version names nobody.
    let ends = lines.ends.iter().map(Some).chain(std::iter::repeat(None));
    for (line, ends) in lines.lines.iter().zip(ends) {
        let Ok(line) = Line::from_json(line) else {
            render::report("kith: a line of another version was left out");
            continue;
        };
        if let Some(mut shown) = Shown::of_line(&line) {
            if let Some(ends) = ends {
                shown = shown.between(&ends.source, &ends.destination);
            }
            rows::show(output, naming, &shown)?;
        }
    }
    Ok(())
}
