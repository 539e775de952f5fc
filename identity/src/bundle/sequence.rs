//! Which bundle may replace which: Trust-Domain-and-Bundle §4.1.1. Whoever could put an old bundle in the place of a
//! new one would bring a withdrawn key back (F3).

use super::Bundle;
use crate::trust_domain::TrustDomain;

/// Why a bundle may not replace an older one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// They are of two trust domains, which are never mixed (Federation §4.2).
    #[error("a bundle of {found} cannot follow one of {wanted} (Federation 4.2)")]
    OtherTrustDomain {
        /// Of the older one.
        wanted: TrustDomain,
        /// Of the newer one.
        found: TrustDomain,
    },
    /// The number went back.
    #[error("spiffe_sequence went back from {from} to {to} (Trust-Domain-and-Bundle 4.1.1)")]
    WentBack {
        /// The older one's.
        from: u64,
        /// The newer one's.
        to: u64,
    },
    /// A source that counted no longer does: nobody could tell an old bundle from a new one.
    #[error("spiffe_sequence was {from} and is missing now (Trust-Domain-and-Bundle 4.1.1)")]
    Missing {
        /// The older one's.
        from: u64,
    },
    /// The content changed under the same number.
    #[error("the content changed and spiffe_sequence is still {sequence} (Trust-Domain-and-Bundle 4.1.1)")]
    Unchanged {
        /// Of both.
        sequence: u64,
    },
}

impl Bundle {
    /// Whether this bundle may replace `older`: its number is greater, or it is the same bundle. Two bundles without
    /// numbers may follow each other; the standard only recommends them.
    pub fn follows(&self, older: &Self) -> Result<(), SequenceError> {
        if self.trust_domain != older.trust_domain {
            let (wanted, found) = (older.trust_domain.clone(), self.trust_domain.clone());
            return Err(SequenceError::OtherTrustDomain { wanted, found });
        }
        match (older.sequence, self.sequence) {
            (Some(from), Some(to)) if to < from => Err(SequenceError::WentBack { from, to }),
            (Some(from), None) => Err(SequenceError::Missing { from }),
            (Some(from), Some(to)) if to == from && self.content() != older.content() => {
                Err(SequenceError::Unchanged { sequence: to })
            }
            _ => Ok(()),
        }
    }
}
