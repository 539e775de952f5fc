//! What is in force, and when that changes: the supervisor asks the control plane, as anybody may, and tells. Owns
//! which changes are news; how they look is `render::event`'s business.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kith_policy::Revision;
use kith_proto::v1::StatusResponse;
use tokio::time::sleep;

use super::admin::{Admin, AdminError};
use super::events::{Event, EventSink};

/// How often it is asked for.
const EVERY: Duration = Duration::from_millis(500);

/// Policies that cannot be used, and of which no edit would be seen.
#[derive(Debug, thiserror::Error)]
#[error("the policies cannot be used; mend them and start again, or start with --watch\n{reason}")]
pub struct UnusablePolicies {
    /// Where and why.
    pub reason: String,
}

/// The policies of a mesh, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyState {
    /// The snapshot that is in force.
    pub revision: Option<Revision>,
    /// How many policies there are in it.
    pub policies: u32,
    /// Why the newest edit is not in force, without the name of the folder; empty when it is.
    pub error: String,
    /// No policies could be read since the control plane started.
    pub nothing_in_force: bool,
}

impl From<&StatusResponse> for PolicyState {
    fn from(status: &StatusResponse) -> Self {
        let (error, folder) = (&status.policies_error, &status.policies_folder);
        let inside = error.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
        Self {
            revision: status.revision.map(Revision::from),
            policies: status.policies,
            error: inside.unwrap_or(error).to_owned(),
            nothing_in_force: status.nothing_in_force,
        }
    }
}

/// Tells of every state that differs from the one before; ends only by being dropped.
pub(crate) async fn watch(socket: PathBuf, mut known: PolicyState, events: EventSink) {
    let mut admin = None;
    loop {
        sleep(EVERY).await;
        match ask(&socket, &mut admin).await {
            Ok(state) => {
                if state != known {
                    known = state.clone();
                    events.report(Event::Policies(state));
                }
            }
            // It restarts, which is told by its keeper; what it says afterwards is news again.
            Err(_) => admin = None,
        }
    }
}

/// Asks over the connection that there is, else over a new one.
async fn ask(socket: &Path, admin: &mut Option<Admin>) -> Result<PolicyState, AdminError> {
    let admin = match admin {
        Some(admin) => admin,
        None => admin.insert(Admin::connect(socket).await?),
    };
    Ok(PolicyState::from(&admin.status().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_policies_goes_without_saying() {
        let error = |policies_error: &str| {
            let (policies_folder, policies_error) = ("/tmp/p".to_owned(), policies_error.to_owned());
            let status = StatusResponse { policies_folder, policies_error, ..StatusResponse::default() };
            PolicyState::from(&status).error
        };
        assert_eq!(error("/tmp/p/a.yaml:1:1: no text"), "a.yaml:1:1: no text");
        assert_eq!(error("a.yaml:1:1: no text"), "a.yaml:1:1: no text");
        assert_eq!(error("/tmp/ppp: no such folder"), "/tmp/ppp: no such folder");
    }
}
