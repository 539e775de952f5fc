//! Step 2: calls that no policy allows, and what `kith why` says of their denial ids: the policy that would allow the one
//! of a stranger, and by what the one of somebody known missed its rule.

use kith_policy::document;

use super::stage::Stage;
use super::{DENIED, Measured, why};
use crate::render::snippet::place;

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let stranger = stage.intrude().await?;
    let why = why::look_up(stage, &stranger).await?;
    let suggests =
        document::parse("suggestion", &why.answer.suggestion).is_ok_and(|policies| policies.len() == 1);
    let known = stage.cancel().await?;
    let near = why::look_up(stage, &known).await?.answer;
    let at = near.origin.as_ref().map(place);
    let explained = at.is_some() && !near.nearest_miss.is_empty();
    let mut lines = vec![format!("intruder's charge answered {}, denial {}", stranger.status, why.id)];
    lines.extend(why.lines(stage));
    lines.push(format!(
        "web's DELETE of an order answered {}: {} ({})",
        known.status,
        near.nearest_miss,
        at.unwrap_or_default()
    ));
    Ok(Measured {
        held: [stranger.status, known.status] == [DENIED; 2]
            && suggests
            && explained
            && !why.answer.allowed_now,
        lines,
    })
}
