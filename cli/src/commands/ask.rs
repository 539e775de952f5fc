//! Questions to a control plane that may be restarting just now: asked again for a moment, as long as the mesh runs.

use std::time::Duration;

use kith_proto::v1::StatusResponse;
use tokio::time::{Instant, sleep, timeout};

use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError};
use crate::local::layout::MeshSocket;
use crate::render::Closed;
use kith_policy::closest;

/// How long a control plane that restarts may take.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(50);
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long one may take that waits for sidecars.
const LIMIT_OF_CHANGES: Duration = Duration::from_secs(20);

/// The answer to a question.
pub(super) async fn ask<T>(
    socket: &MeshSocket,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    patiently(socket, LIMIT, question).await
}

/// The answer to a request that changes something. It is sent again as a question is: done twice, each of these
/// changes is as good as done once.
pub(super) async fn change<T>(
    socket: &MeshSocket,
    request: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    patiently(socket, LIMIT_OF_CHANGES, request).await
}

async fn patiently<T>(
    socket: &MeshSocket,
    limit: Duration,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match within(socket, limit, &question).await {
            Err(AdminError::Unreachable { .. }) if socket.is_claimed()? => {
                if Instant::now() >= deadline {
                    return Err(AdminError::Restarting { mesh: socket.name() }.into());
                }
                sleep(RETRY).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// Asks without a second try.
pub(super) async fn once<T>(
    socket: &MeshSocket,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    within(socket, LIMIT, question).await
}

async fn within<T>(
    socket: &MeshSocket,
    limit: Duration,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let answer = timeout(limit, async { question(Admin::connect(socket.path()).await?).await });
    answer.await.unwrap_or_else(|_| {
        let reason = format!("no answer within {limit:?}");
        Err(AdminError::Unreachable { socket: socket.path().display().to_string(), reason })
    })
}

/// The state of the mesh.
pub(super) async fn status(socket: &MeshSocket) -> anyhow::Result<StatusResponse> {
    ask(socket, async |mut admin| admin.status().await).await
}

/// Adds to the complaint about an unknown workload which one was probably meant, of the names that were given.
pub(super) async fn suggest(socket: &MeshSocket, error: anyhow::Error, given: &[&str]) -> anyhow::Error {
    let Some(AdminError::UnknownWorkload { reason }) = error.downcast_ref() else { return error };
    // Without the names there is only nothing to suggest.
    let Ok(status) = status(socket).await else { return error };
    let names: Vec<&str> = status.workloads.iter().map(|workload| workload.name.as_str()).collect();
    let unknown = given.iter().find(|name| !names.contains(name) && !name.contains("://"));
    match unknown.and_then(|name| closest(name, &names)) {
        Some(meant) => {
            AdminError::UnknownWorkload { reason: format!("{reason}; did you mean {meant:?}?") }.into()
        }
        None => error,
    }
}

/// How a command ends whose answer says it all: also when the reader has seen enough of it.
pub(super) fn answered(printed: anyhow::Result<()>, exit: Exit) -> anyhow::Result<Exit> {
    match printed {
        Err(error) if !error.is::<Closed>() => Err(error),
        _ => Ok(exit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::layout::SocketFolder;

    #[tokio::test(start_paused = true)]
    async fn a_mesh_that_is_locked_and_does_not_answer_restarts_and_is_asked_again_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let claim = SocketFolder::of_user(Some(folder.path())).claim("demo").unwrap();
        let began = Instant::now();
        let error = status(claim.socket()).await.unwrap_err();
        assert_eq!(error.to_string(), "the mesh \"demo\" runs, its control plane is restarting");
        assert!(began.elapsed() >= PATIENCE);
        let socket = claim.socket().clone();
        drop(claim);
        let began = Instant::now();
        let error = status(&socket).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(AdminError::Unreachable { .. })));
        assert!(began.elapsed() < RETRY, "nobody comes back");
    }

    #[test]
    fn a_closed_output_does_not_change_the_answer() {
        assert_eq!(answered(Err(Closed.into()), Exit::Findings).unwrap(), Exit::Findings);
        assert_eq!(answered(Ok(()), Exit::Findings).unwrap(), Exit::Findings);
        assert!(answered(Err(anyhow::anyhow!("disk full")), Exit::Ok).is_err());
    }
}
