//! The objects of one kind by their names. Owns what the three things that can happen do to them; a kind says itself
//! what it takes over from its former version.

use std::collections::BTreeMap;

use super::Key;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event<T> {
    /// There is this object, new or changed.
    Apply(Key, T),
    /// There is no such object any more.
    Delete(Key),
    /// There are exactly these.
    All(Vec<(Key, T)>),
}

impl<T> Event<T> {
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::All(_))
    }
}

/// An object as it is kept.
pub(super) trait Row: Sized + PartialEq {
    /// What is kept when this follows an earlier version under the same name.
    fn after(self, _before: &Self) -> Self {
        self
    }
}

/// All of a kind.
#[derive(Debug)]
pub(super) struct Table<T>(BTreeMap<Key, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Row> Table<T> {
    /// Takes in what happened; whether anything that is kept differs from before.
    pub(super) fn take(&mut self, event: Event<T>) -> bool {
        match event {
            Event::Apply(key, row) => {
                let before = self.0.get(&key);
                let row = joined(row, before);
                let differs = before != Some(&row);
                self.0.insert(key, row);
                differs
            }
            Event::Delete(key) => self.0.remove(&key).is_some(),
            Event::All(rows) => {
                let before = std::mem::take(&mut self.0);
                for (key, row) in rows {
                    let row = joined(row, before.get(&key));
                    self.0.insert(key, row);
                }
                self.0 != before
            }
        }
    }
}

impl<T> Table<T> {
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// In the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.0.iter()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.values_mut()
    }
}

fn joined<T: Row>(row: T, before: Option<&T>) -> T {
    match before {
        Some(before) => row.after(before),
        None => row,
    }
}
