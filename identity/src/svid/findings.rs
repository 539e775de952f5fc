//! What was found to be wrong with one certificate. Owns that one list of rules serves both who stops at the first and who
//! wants to see all of them, and that nothing passes of which a rule was found broken.

use super::profile::{Broken, ProfileError};
use crate::der::Malformed;

/// Enough for whoever repairs a certificate; a bound on what somebody else's certificate makes us write down.
const EVERY: usize = 100;

/// Broken rules, in the order in which they were checked.
pub(crate) struct Findings {
    broken: Vec<Broken>,
    most: usize,
}

impl Findings {
    /// Keeps the first alone. Allocates nothing while nothing is wrong.
    pub(crate) fn first() -> Self {
        Self { broken: Vec::new(), most: 1 }
    }

    /// Keeps every one.
    pub(crate) fn every() -> Self {
        Self { broken: Vec::new(), most: EVERY }
    }

    /// A rule is broken here.
    pub(crate) fn add(&mut self, offset: usize, rule: ProfileError) {
        if self.broken.len() < self.most {
            self.broken.push(Broken { rule, offset });
        }
    }

    /// What could be read, or nothing and the rule that made it impossible.
    pub(crate) fn read<T>(
        &mut self,
        result: Result<T, Malformed>,
        rule: impl FnOnce(crate::der::DerError) -> ProfileError,
    ) -> Option<T> {
        result.map_err(|malformed| self.add(malformed.offset, rule(malformed.error))).ok()
    }

    /// The value, if no rule is broken. One that could not be read for no reason at all is refused all the same.
    pub(crate) fn verdict<T>(self, value: Option<T>) -> Result<T, Broken> {
        match (self.broken.into_iter().next(), value) {
            (None, Some(value)) => Ok(value),
            (Some(broken), _) => Err(broken),
            (None, None) => Err(Broken { rule: ProfileError::NotACertificate, offset: 0 }),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Broken> {
        self.broken
    }
}
