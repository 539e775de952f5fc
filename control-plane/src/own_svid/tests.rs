//! The control plane's own svid over time, by a clock that is moved by hand.

use std::pin::Pin;

use kith_ca::{Lifetimes, OpenOptions, SealKey};
use kith_runtime::ManualClock;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::testing::trust_domain;

const LIFETIME: Duration = Duration::from_secs(60);
/// Of paused time: more rounds of every wait than there can be.
const LONG: Duration = Duration::from_secs(30);

struct Renewing {
    ca: Arc<Ca>,
    hand: ManualClock,
    clock: Clock,
    newest: watch::Receiver<Option<Arc<Svid>>>,
    renew: Pin<Box<dyn Future<Output = ()>>>,
    _dir: TempDir,
}

impl Renewing {
    fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::manual(Clock::system().now());
        let ca = Arc::new(
            Ca::open(OpenOptions {
                path: dir.path().join("state"),
                key: SealKey::from_bytes([7; 32]),
                trust_domain: trust_domain(),
                lifetimes: Lifetimes { svid: LIFETIME, ..Lifetimes::default() },
                now: clock.now(),
            })
            .unwrap(),
        );
        let own = OwnSvid::mint(Arc::clone(&ca), clock.clone()).unwrap();
        let newest = own.newest();
        Self { ca, hand, clock, newest, renew: Box::pin(own.renew()), _dir: dir }
    }

    fn svid(&self) -> Arc<Svid> {
        self.newest.borrow().clone().unwrap()
    }

    /// The next svid, if one comes while the clock stands where it is.
    async fn next(&mut self) -> Option<Arc<Svid>> {
        self.newest.mark_unchanged();
        tokio::select! {
            changed = timeout(LONG, self.newest.changed()) => changed.ok().map(|changed| changed.unwrap())?,
            () = self.renew.as_mut() => panic!("it never ends by itself"),
        }
        Some(self.svid())
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_in_its_window_with_a_fresh_key_and_never_runs_out() {
    let mut own = Renewing::begin();
    for _ in 0..20 {
        let (before, at) = (own.svid(), own.clock.now());
        own.hand.set(at + LIFETIME.mul_f64(0.44));
        assert!(own.next().await.is_none(), "its window has not begun");

        own.hand.set(at + LIFETIME.mul_f64(0.61));
        let after = own.next().await.expect("its window has begun");
        assert_ne!(after.serial(), before.serial());
        assert_ne!(after.key_hash(), before.key_hash());
        assert!(own.clock.now() < before.not_after(), "handshakes under way can still end with the old one");
        assert_eq!(*after.identity(), kith_identity::SpiffeId::control_plane(&trust_domain()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_and_the_old_one_stays_until_one_succeeds() {
    let mut own = Renewing::begin();
    let (before, at) = (own.svid(), own.clock.now());
    // Where no authority holds any more, nothing can be signed.
    own.hand.set(own.ca.root_not_after() + LIFETIME);
    assert!(own.next().await.is_none());
    assert_eq!(own.svid().serial(), before.serial());

    own.hand.set(at + LIFETIME.mul_f64(0.7));
    let after = own.next().await.expect("the next try succeeds");
    assert_ne!(after.serial(), before.serial());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_over_the_whole_lifetime_brings_a_new_one_at_once() {
    let mut own = Renewing::begin();
    own.hand.advance(LIFETIME * 10);
    let after = own.next().await.expect("it is long due");
    assert!(own.clock.now() < after.not_after());
}
