//! Counters that differ by labels. Owns the bound on how many there are (D8), and that counting is cheap: a hash of
//! what is counted, a shared lock that only the first of its kind excludes, an atomic addition; nothing is allocated.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

#[cfg(test)]
mod tests;

/// Label sets of one family; what is beyond them is counted with [`OTHER`] in its open labels.
pub const MOST_SETS: usize = 1_000;
/// The value of an open label beyond the bound. No identity, policy or rule reads like it.
pub const OTHER: &str = "other";

/// A label's name, and where its values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// From the code, which has few: it keeps its value beyond the bound.
    Closed(&'static str),
    /// From outside, such as an identity.
    Open(&'static str),
}

/// A family of counters with `N` labels each. Shared by reference; counting takes no exclusive lock but for what was
/// never counted before.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    labels: [Label; N],
    hasher: RandomState,
    sets: RwLock<Sets<N>>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Sets<const N: usize> {
    /// By the hash of the values: a borrowed set finds the owned one without being copied.
    by_hash: HashMap<u64, Vec<Arc<Counted<N>>>>,
    count: usize,
}

#[derive(Debug)]
struct Counted<const N: usize> {
    values: [Box<str>; N],
    count: AtomicU64,
}

impl<const N: usize> Counters<N> {
    /// Nothing was counted yet.
    pub fn new(labels: [Label; N]) -> Self {
        let sets = RwLock::new(Sets { by_hash: HashMap::new(), count: 0 });
        Self { labels, hasher: RandomState::new(), sets, dropped: AtomicU64::new(0) }
    }

    /// Counts one with these values, in the order of the labels. An absent value is empty.
    pub fn count(&self, values: [&str; N]) {
        let hash = self.hasher.hash_one(values);
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = sets.find(hash, values) {
            counted.count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Beyond the bound the shared lock has to do as well: whoever floods must not make others wait.
        let (hash, values) =
            if sets.count < MOST_SETS { (hash, values) } else { self.beyond_the_bound(values) };
        match sets.find(hash, values) {
            Some(counted) => {
                counted.count.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                drop(sets);
                self.count_first(hash, values);
            }
        }
    }

    /// How many were counted under [`OTHER`] for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes the whole family, sorted by its values.
    pub fn encode(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        let mut all = self.all();
        all.sort_by(|one, other| one.values.cmp(&other.values));
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for counted in all {
            let labels: [(&str, &str); N] =
                std::array::from_fn(|number| (self.labels[number].name(), &*counted.values[number]));
            let count = ConstCounter::new(counted.count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// Only the pointers are copied under the lock: writing the text takes longer than a call should wait.
    fn all(&self) -> Vec<Arc<Counted<N>>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.by_hash.values().flatten().cloned().collect()
    }

    fn count_first(&self, hash: u64, values: [&str; N]) {
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        // Between the two locks somebody else may have come first, or taken the last place.
        let known = sets.find(hash, values).is_some();
        let (hash, values) = if known || sets.count < MOST_SETS || self.is_beyond(values) {
            (hash, values)
        } else {
            self.beyond_the_bound(values)
        };
        match sets.find(hash, values) {
            Some(counted) => {
                counted.count.fetch_add(1, Ordering::Relaxed);
            }
            None => sets.insert(hash, values),
        }
    }

    /// The same with every open value replaced. What is left is one of a few: closed values are the code's.
    fn beyond_the_bound<'a>(&self, mut values: [&'a str; N]) -> (u64, [&'a str; N]) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        for (value, label) in values.iter_mut().zip(&self.labels) {
            if matches!(label, Label::Open(_)) {
                *value = OTHER;
            }
        }
        (self.hasher.hash_one(values), values)
    }

    fn is_beyond(&self, values: [&str; N]) -> bool {
        values.iter().zip(&self.labels).all(|(value, label)| match label {
            Label::Open(_) => *value == OTHER,
            Label::Closed(_) => true,
        })
    }
}

impl<const N: usize> Sets<N> {
    fn find(&self, hash: u64, values: [&str; N]) -> Option<&Counted<N>> {
        let same = self.by_hash.get(&hash)?;
        same.iter().map(Arc::as_ref).find(|counted| counted.values.iter().map(|own| &**own).eq(values))
    }

    /// Counts the first of these values.
    fn insert(&mut self, hash: u64, values: [&str; N]) {
        let counted = Counted { values: values.map(Box::from), count: AtomicU64::new(1) };
        self.by_hash.entry(hash).or_default().push(Arc::new(counted));
        self.count += 1;
    }
}

impl Label {
    fn name(self) -> &'static str {
        match self {
            Self::Closed(name) | Self::Open(name) => name,
        }
    }
}
