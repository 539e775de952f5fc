//! What `kith why` says of a refusal. Owns the waiting: a refusal is reported a moment after it is answered, and the
//! caller's sidecar, which does not know the reason, may be first.

use anyhow::{Context as _, bail};
use kith_proto::v1::WhyResponse;
use kith_sidecar::identity_log::{Event, Line};
use tokio::time::{sleep, timeout};

use super::LIMIT;
use super::flip::AGAIN;
use super::stage::Stage;
use crate::local::admin::AdminError;
use crate::local::demo_mesh::name_flag;
use crate::local::http_call::Answer;
use crate::render::why;

const DENIAL_HEADER: &str = "kith-denial-id";
/// What the caller's sidecar says of a refusal by the other one.
const BY_PEER: &str = "refused_by_peer";

/// A refusal that was looked up.
pub(super) struct Why {
    pub(super) id: String,
    pub(super) answer: WhyResponse,
}

/// Looks up what an answer refused with.
pub(super) async fn look_up(stage: &Stage<'_>, refused: &Answer) -> anyhow::Result<Why> {
    let id = refused.headers.get(DENIAL_HEADER).and_then(|id| id.to_str().ok());
    let id = id.with_context(|| format!("the answer {} has no denial id", refused.status))?.to_owned();
    let asked = timeout(LIMIT, async {
        let mut admin = stage.admin().await?;
        loop {
            match admin.why(&id).await {
                Err(AdminError::UnknownDenial { .. }) => {}
                Ok(answer) if reason(&answer).as_deref() == Some(BY_PEER) => {}
                answer => return anyhow::Ok(answer?),
            }
            sleep(AGAIN).await;
        }
    });
    match asked.await {
        Ok(answer) => Ok(Why { answer: answer?, id }),
        Err(_) => bail!("nobody knows the reason of denial {id} after {LIMIT:?}"),
    }
}

impl Why {
    /// The stable code of the refusal.
    pub(super) fn reason(&self) -> Option<String> {
        reason(&self.answer)
    }

    /// The command, and what it prints.
    pub(super) fn lines(&self, stage: &Stage<'_>) -> [String; 2] {
        let place = why::Place::Folder(Some(stage.files.folder().to_owned()));
        let shown = why::Why::new(&self.answer, &place).table();
        let start = self.id.get(..8).unwrap_or(&self.id);
        [
            format!("kith why{} {start}", name_flag(stage.mesh.name())),
            anstream::adapter::strip_str(&shown).to_string(),
        ]
    }
}

fn reason(answer: &WhyResponse) -> Option<String> {
    match Line::from_json(&answer.line).ok()?.event {
        Event::Call(call) => call.denial_reason,
        _ => None,
    }
}
