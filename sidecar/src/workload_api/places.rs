//! How much each user may have at once. Owns the counting, nothing of what is counted: one user that takes all it can get
//! leaves the others theirs (W6).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// So many places for each user.
#[derive(Debug, Clone)]
pub(super) struct Places {
    each: usize,
    taken: Arc<Mutex<HashMap<u32, usize>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    uid: u32,
    taken: Arc<Mutex<HashMap<u32, usize>>>,
}

impl Places {
    pub(super) fn new(each: usize) -> Self {
        Self { each, taken: Arc::default() }
    }

    /// A place of this user, unless it has all of its own.
    pub(super) fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let count = taken.entry(uid).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { uid, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(count) = taken.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // W6.
    #[test]
    fn a_user_that_has_all_its_places_takes_none_of_the_others() {
        let places = Places::new(2);
        let (first, _second) = (places.take(1).unwrap(), places.take(1).unwrap());
        assert!(places.take(1).is_none());
        let other = places.take(2).unwrap();
        drop(first);
        assert!(places.take(1).is_some(), "a place that was given back");
        drop(other);
        assert_eq!(lock(&places.taken).len(), 1, "nothing is kept of those who left");
    }
}
