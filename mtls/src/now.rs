//! The time that certificates are judged at. Owns no clock: the caller brings one.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// A source of the present time.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Now {
    /// Asks `clock` at each handshake.
    pub fn new(clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(clock))
    }

    /// What the clock says.
    pub fn get(&self) -> SystemTime {
        (self.0)()
    }
}

impl TimeProvider for Now {
    /// A clock before 1970 is no time at all: the handshake fails rather than guess.
    fn current_time(&self) -> Option<UnixTime> {
        self.get().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now(..)")
    }
}
