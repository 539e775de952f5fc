//! Locking what is always whole. What stands under a lock of this crate is changed in one step, so a panic elsewhere
//! leaves it as good as before, and the poison says nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
