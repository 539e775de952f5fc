//! The authority's certificates, and how long they hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::facts::Facts;
use super::installed::read_config;
use super::{Judgement, Outcome, rights};

const DAY: Duration = Duration::from_secs(86_400);
/// The root lives a year, and replacing it takes people.
const ROOT_AHEAD: Duration = Duration::from_secs(60 * 86_400);
/// The issuing authority lives seven days and is replaced after half of them: less than this was missed.
const ISSUING_AHEAD: Duration = Duration::from_secs(2 * 86_400);
const NO_ANSWER: &str =
    "see the checks of the installation; what the control plane would say is not known below either";

pub(super) fn answers(facts: &Facts) -> Judgement {
    match &facts.status {
        Ok(status) => Judgement::ok_with(format!("{}, trust domain {}", status.version, status.trust_domain)),
        // Whether it answers others is not known: nothing is wrong with it.
        Err(_) if rights::may_not_ask(facts) => {
            Judgement::skipped("because you may not ask it; see your rights above")
        }
        Err(reason) => Judgement::error(reason.clone(), NO_ANSWER),
    }
}

pub(super) fn root(facts: &Facts) -> Judgement {
    match &facts.status {
        Ok(status) => ends(
            facts.now,
            status.root_not_after_ms,
            ROOT_AHEAD,
            "replace it in time: every pod has to learn the new root before the old one ends",
        ),
        Err(reason) => Judgement::unknown(reason),
    }
}

pub(super) fn issuing(facts: &Facts) -> Judgement {
    match &facts.status {
        Ok(status) => ends(
            facts.now,
            status.issuing_not_after_ms,
            ISSUING_AHEAD,
            "the control plane replaces it by itself after half its life; its log says why it did not",
        ),
        Err(reason) => Judgement::unknown(reason),
    }
}

fn ends(now: SystemTime, not_after_ms: i64, ahead: Duration, hint: &str) -> Judgement {
    let not_after = UNIX_EPOCH + Duration::from_millis(u64::try_from(not_after_ms).unwrap_or_default());
    match not_after.duration_since(now) {
        Err(ago) => Judgement::error(format!("it ended {} ago", days(ago.duration())), hint),
        Ok(left) if left < ahead => Judgement::warning(format!("it ends in {}", days(left)), hint),
        Ok(left) => Judgement::ok_with(format!("{} left", days(left))),
    }
}

fn days(time: Duration) -> String {
    match time.as_secs() / DAY.as_secs() {
        0 => format!("{} hours", time.as_secs() / 3600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

pub(super) fn trial(facts: &Facts) -> Judgement {
    match read_config(facts) {
        Ok(config) if config.dev => Judgement::warning(
            "the configuration has dev: true, which permits certificates of seconds and an authority that is not kept",
            "install with dev: false before anybody depends on it",
        ),
        Ok(_) => Judgement::ok(),
        Err(reason) => Judgement { outcome: Outcome::Warning, ..Judgement::unknown(&reason) },
    }
}
