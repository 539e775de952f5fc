//! `kith tap`: the calls of a running mesh, as they happen, until Ctrl-C or until the mesh is stopped. The control
//! plane may restart meanwhile.

use std::time::Duration;

use kith_proto::v1::{TapLines, TapRequest};
use kith_runtime::signals;
use kith_sidecar::identity_log::Line;
use tokio::time::{Instant, sleep};

use super::ask::{ask, once};
use super::rows;
use crate::args::{Output, TapArgs};
use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError, Tap};
use crate::local::layout::{MeshSocket, Presence};
use crate::render;
use crate::render::event::Shown;

/// How long a mesh whose supervisor was killed may take to be started again.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(100);
/// A mesh that is stopped ends its control plane last: by then it is gone as a whole.
const FAREWELL: Duration = Duration::from_millis(500);

/// Follows until Ctrl-C.
pub(crate) async fn run(args: TapArgs) -> anyhow::Result<Exit> {
    let socket = args.ask.find_socket()?;
    let request = TapRequest { denied_only: args.denied, workload: args.workload.unwrap_or_default() };
    let tap = ask(&socket, async |admin| open(admin, &request).await).await?;
    rows::begin(args.ask.output)?;
    tokio::select! {
        ended = follow(&socket, &request, tap, args.ask.output) => ended.map(|()| Exit::Ok),
        signal = signals::stop_requested() => signal.map(|_| Exit::Ok).map_err(Into::into),
    }
}

async fn open(mut admin: Admin, request: &TapRequest) -> Result<Tap, AdminError> {
    admin.tap(request.clone()).await
}

/// Shows what comes, until the mesh was stopped.
async fn follow(
    socket: &MeshSocket,
    request: &TapRequest,
    mut tap: Tap,
    output: Output,
) -> anyhow::Result<()> {
    loop {
        match tap.next().await {
            Ok(Some(lines)) => show(&lines, output)?,
            Ok(None) | Err(AdminError::Unreachable { .. }) => match reconnect(socket, request).await? {
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
async fn reconnect(socket: &MeshSocket, request: &TapRequest) -> anyhow::Result<Option<Tap>> {
    let gone = Instant::now();
    let mut told = false;
    loop {
        let error = match once(socket, async |admin| open(admin, request).await).await {
            Err(error @ AdminError::Unreachable { .. }) => error,
            answer => return Ok(Some(answer?)),
        };
        match socket.presence()? {
            Presence::Stopped => return Ok(None),
            Presence::Left if gone.elapsed() >= PATIENCE => return Err(error.into()),
            // Its socket goes first, and its lock a moment later.
            Presence::Running if !socket.path().exists() && gone.elapsed() < FAREWELL => {}
            Presence::Running | Presence::Left if !told => {
                told = true;
                render::report("kith: the control plane is gone; waiting for it");
            }
            Presence::Running | Presence::Left => {}
        }
        sleep(RETRY).await;
    }
}

fn show(lines: &TapLines, output: Output) -> anyhow::Result<()> {
    if lines.lost > 0 {
        render::report(&format!("kith: {} lines came too fast and were left out", lines.lost));
    }
    for line in &lines.lines {
        let Ok(line) = Line::from_json(line) else {
            render::report("kith: a line of another version was left out");
            continue;
        };
        if let Some(shown) = Shown::of_line(&line) {
            rows::show(output, &shown)?;
        }
    }
    Ok(())
}
