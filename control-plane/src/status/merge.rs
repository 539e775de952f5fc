//! A new status over the one that is stored. Owns what is kept of it: since when a condition is as it is, and what other
//! controllers wrote. And when it is better to say nothing yet.

use super::document::{
    ACCEPTED, Ancestor, CONTROLLER, Condition, PROGRAMMED, PolicyStatus, QuarantineStatus, condition,
};

/// Entries that other controllers may have written, beside our own.
const MOST_OF_OTHERS: usize = 16;

/// A status of one kind of object.
pub(super) trait Merge: Sized {
    /// Its conditions about the object as a whole.
    fn conditions(&self) -> &[Condition];

    /// The status as it is to be stored over another one.
    fn over(self, stored: &Self) -> Self;

    /// Whether the object was refused, as of a generation.
    fn refuses(&self, generation: i64) -> Option<&str> {
        let accepted = condition(self.conditions(), ACCEPTED)?;
        let refused = !accepted.holds() && accepted.observed_generation == generation;
        (refused && accepted.reason == "Invalid").then_some(accepted.message.as_str())
    }

    /// Whether this says of the same generation that it is in force no more, and only because sidecars have not confirmed
    /// it: right after a start of the control plane that is nobody's fault and soon over.
    fn only_waits(&self, stored: &Self) -> bool {
        let programmed = |status: &Self| condition(status.conditions(), PROGRAMMED).cloned();
        let (Some(new), Some(old)) = (programmed(self), programmed(stored)) else { return false };
        old.holds() && new.reason == "Reconciling" && new.observed_generation == old.observed_generation
    }
}

impl Merge for PolicyStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn over(mut self, stored: &Self) -> Self {
        keep_times(&mut self.conditions, &stored.conditions);
        for ancestor in &mut self.ancestors {
            let same = |other: &&Ancestor| {
                other.controller_name == CONTROLLER && other.ancestor_ref == ancestor.ancestor_ref
            };
            if let Some(before) = stored.ancestors.iter().find(same) {
                keep_times(&mut ancestor.conditions, &before.conditions);
            }
        }
        let others = stored.ancestors.iter().filter(|ancestor| ancestor.controller_name != CONTROLLER);
        self.ancestors.extend(others.take(MOST_OF_OTHERS).cloned());
        self
    }
}

impl Merge for QuarantineStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    fn over(mut self, stored: &Self) -> Self {
        keep_times(&mut self.conditions, &stored.conditions);
        self
    }
}

fn keep_times(conditions: &mut [Condition], stored: &[Condition]) {
    for new in conditions {
        if let Some(before) = condition(stored, &new.kind).filter(|before| before.status == new.status) {
            new.last_transition_time.clone_from(&before.last_transition_time);
        }
    }
}

#[cfg(test)]
mod tests;
