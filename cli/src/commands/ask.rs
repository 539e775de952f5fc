//! Questions to a control plane that may be restarting just now: asked again for a moment, as long as the mesh runs.

use std::time::Duration;

use kith_proto::v1::StatusResponse;
use tokio::time::{Instant, sleep, timeout};

use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError};
use crate::mesh::Mesh;
use crate::render::Closed;

/// How long a control plane that restarts may take.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(50);
/// How much longer one answer may take that waits for sidecars.
const MORE_FOR_CHANGES: Duration = Duration::from_secs(15);

/// The answer to a question.
pub(super) async fn ask<T>(
    mesh: &Mesh,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    patiently(mesh, mesh.limit(), question).await
}

/// The answer to a request that changes something. It is sent again as a question is: done twice, each of these
/// changes is as good as done once.
pub(super) async fn change<T>(
    mesh: &Mesh,
    request: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    patiently(mesh, mesh.limit() + MORE_FOR_CHANGES, request).await
}

async fn patiently<T>(
    mesh: &Mesh,
    limit: Duration,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match within(mesh, limit, &question).await {
            Err(error) if mesh.may_come_back(&error)? => {
                if Instant::now() >= deadline {
                    return Err(gone(mesh, error).into());
                }
                sleep(RETRY).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// What is said of a control plane that was waited for.
fn gone(mesh: &Mesh, error: AdminError) -> AdminError {
    match mesh {
        Mesh::Local(socket) => AdminError::Restarting { mesh: socket.name() },
        Mesh::Cluster(installation) => match error {
            AdminError::Unreachable { socket, reason } => {
                let advice = format!("ask again, or see: kith check -n {}", installation.namespace());
                AdminError::Unreachable { socket, reason: format!("{reason}; {advice}") }
            }
            error => error,
        },
    }
}

/// Asks without a second try.
pub(super) async fn once<T>(
    mesh: &Mesh,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    within(mesh, mesh.limit(), question).await
}

async fn within<T>(
    mesh: &Mesh,
    limit: Duration,
    question: impl AsyncFn(Admin) -> Result<T, AdminError>,
) -> Result<T, AdminError> {
    let answer = timeout(limit, async { question(mesh.connect().await?).await });
    answer.await.unwrap_or_else(|_| {
        let reason = format!("no answer within {limit:?}");
        Err(AdminError::Unreachable { socket: mesh.place(), reason })
    })
}

/// The state of the mesh.
pub(super) async fn status(mesh: &Mesh) -> anyhow::Result<StatusResponse> {
    ask(mesh, async |mut admin| admin.status().await).await
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
        let mesh = Mesh::Local(claim.socket().clone());
        let error = status(&mesh).await.unwrap_err();
        assert_eq!(error.to_string(), "the mesh \"demo\" runs, its control plane is restarting");
        assert!(began.elapsed() >= PATIENCE);
        drop(claim);
        let began = Instant::now();
        let error = status(&mesh).await.unwrap_err();
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
