//! The refusal that an id stands for. Owns what is an id, and which report is believed when there are two.

use kith_identity::SpiffeId;
use tonic::Status;

use super::line::Line;
use crate::observed::{Denial, Observed};

const DIGITS: usize = 32;
/// A beginning of fewer digits could be that of somebody else's denial.
const FEWEST_DIGITS: usize = 8;

/// Why an id stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum NotFound {
    #[error(
        "{0:?} is not a denial id: give its {DIGITS} hexadecimal digits, or the first {FEWEST_DIGITS} or more"
    )]
    NotAnId(String),
    #[error(
        "no denial that is kept begins with {0}; a new one arrives within a second, the newest of each caller are kept \
         until the control plane restarts, and older ones are in the identity log of the sidecar that refused"
    )]
    None(String),
    #[error("{count} denials begin with {id}; give more of the digits")]
    Several { id: String, count: usize },
    /// Whoever was refused knows the id, and its sidecar can put anything under it.
    #[error("{one} and {other} both report a refusal under {id}; look for it in their own identity logs")]
    Contradiction { id: String, one: SpiffeId, other: SpiffeId },
}

impl From<NotFound> for Status {
    fn from(error: NotFound) -> Self {
        let text = error.to_string();
        match error {
            NotFound::NotAnId(_) => Self::invalid_argument(text),
            NotFound::None(_) => Self::not_found(text),
            NotFound::Several { .. } | NotFound::Contradiction { .. } => Self::failed_precondition(text),
        }
    }
}

/// A refusal, by the sidecar that decided.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) reporter: SpiffeId,
    pub(super) denial: Denial,
    /// `None` when it cannot be read.
    pub(super) line: Option<Line>,
}

/// By id, or by the beginning of one.
pub(super) fn find(observed: &Observed, id: &str) -> Result<Found, NotFound> {
    let is_id = (FEWEST_DIGITS..=DIGITS).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_hexdigit());
    if !is_id {
        return Err(NotFound::NotAnId(id.chars().take(2 * DIGITS).collect()));
    }
    let id = id.to_ascii_lowercase();
    let found = observed.denials(&id).into_iter().map(|(reporter, denial)| {
        let line = Line::of(&denial);
        Found { reporter, denial, line }
    });
    choose(&id, found.collect())
}

/// Of one refusal there are two reports when the caller has a sidecar too: that of the side which decided counts.
fn choose(id: &str, mut found: Vec<Found>) -> Result<Found, NotFound> {
    let mut ids: Vec<_> = found.iter().map(|found| found.denial.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 {
        return Err(NotFound::Several { id: id.to_owned(), count: ids.len() });
    }
    let hearsay = |found: &Found| found.line.as_ref().is_some_and(Line::is_hearsay);
    // Hearsay comes last; it is an answer where the decision was not reported yet, or is not kept any more.
    found.sort_by_key(hearsay);
    let decided = found.iter().filter(|found| !hearsay(found)).count();
    let mut found = found.into_iter();
    let first = found.next().ok_or_else(|| NotFound::None(id.to_owned()))?;
    match found.take(decided.saturating_sub(1)).find(|other| other.reporter != first.reporter) {
        None => Ok(first),
        Some(other) => {
            let (one, other) = (first.reporter, other.reporter);
            Err(NotFound::Contradiction { id: id.to_owned(), one, other })
        }
    }
}
