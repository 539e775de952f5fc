//! What waits on a Workload API that fails. Owns the bound and the chance; how pauses grow is `kith_runtime::Backoff`'s.

use std::time::Duration;

/// The longest pause: whoever comes back is found within seconds.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// A number in `[0, 1)`. Without randomness nobody is spread, and nothing else is lost.
pub(super) fn chance() -> f64 {
    let mut bytes = [0; 4];
    let drawn = aws_lc_rs::rand::fill(&mut bytes).map(|()| u32::from_be_bytes(bytes));
    f64::from(drawn.unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // W10
    #[test]
    fn those_who_fail_together_do_not_come_back_together() {
        let chances: Vec<_> = (0..20).map(|_| chance()).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)), "{chances:?}");
        assert!(chances.iter().any(|chance| *chance != chances[0]), "{chances:?}");
    }
}
