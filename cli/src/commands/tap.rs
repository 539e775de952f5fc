//! `kith tap`: the calls of a running mesh, as they happen, until Ctrl-C. The control plane may restart meanwhile.

use std::path::Path;
use std::time::Duration;

use kith_proto::v1::{TapLines, TapRequest};
use kith_runtime::signals;
use kith_sidecar::identity_log::Line;
use tokio::time::{Instant, sleep};

use crate::args::{Output, TapArgs};
use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError, Tap};
use crate::render::event::{Columns, Shown};
use crate::render::{self, terminal_width};

/// How long a control plane may take to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(200);

/// Follows until Ctrl-C.
pub(crate) async fn run(args: TapArgs) -> anyhow::Result<Exit> {
    let socket = args.ask.find_socket()?;
    let request = TapRequest { denied_only: args.denied, workload: args.workload.unwrap_or_default() };
    let columns = (args.ask.output == Output::Table).then(|| Columns::new(terminal_width()));
    let tap = Admin::connect(&socket).await?.tap(request.clone()).await?;
    if let Some(columns) = columns {
        render::print(&columns.headings())?;
    }
    tokio::select! {
        ended = follow(&socket, &request, tap, columns) => ended.map(|()| Exit::Ok),
        signal = signals::stop_requested() => signal.map(|_| Exit::Ok).map_err(Into::into),
    }
}

async fn follow(
    socket: &Path,
    request: &TapRequest,
    mut tap: Tap,
    columns: Option<Columns>,
) -> anyhow::Result<()> {
    loop {
        match tap.next().await {
            Ok(Some(lines)) => show(&lines, columns)?,
            Ok(None) | Err(AdminError::Unreachable { .. }) => {
                render::report("kith: the control plane is gone; waiting for it");
                tap = reconnect(socket, request).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn reconnect(socket: &Path, request: &TapRequest) -> anyhow::Result<Tap> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let connected = async { Admin::connect(socket).await?.tap(request.clone()).await };
        match connected.await {
            Err(AdminError::Unreachable { .. }) if Instant::now() < deadline => sleep(RETRY).await,
            answer => return Ok(answer?),
        }
    }
}

fn show(lines: &TapLines, columns: Option<Columns>) -> anyhow::Result<()> {
    if lines.lost > 0 {
        render::report(&format!("kith: {} lines came too fast and were left out", lines.lost));
    }
    for line in &lines.lines {
        let Ok(line) = Line::from_json(line) else {
            render::report("kith: a line of another version was left out");
            continue;
        };
        let Some(shown) = Shown::of_line(&line) else { continue };
        match columns {
            Some(columns) => render::print(&columns.row(&shown))?,
            None => render::print_json(&shown)?,
        }
    }
    Ok(())
}
