//! What made a pod, by the pod's name. Owns which endings controllers generate; everything else is part of a name that
//! somebody chose.
//!
//! | made by | name of its pod |
//! | --- | --- |
//! | DaemonSet, Job, ReplicaSet | `MAKER-x2x4z` |
//! | Deployment (by a ReplicaSet) | `MAKER-6b9c7d5f4d-x2x4z` |
//! | CronJob (by a Job) | `MAKER-29345678-x2x4z` |
//! | StatefulSet | `MAKER-0` |

use std::ops::RangeInclusive;

/// What Kubernetes makes random names of: nothing that could spell a word.
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";
const RANDOM_LENGTH: RangeInclusive<usize> = 5..=5;
/// The ten digits of a template's hash, as Kubernetes writes them.
const HASH: &str = "456789bcdf";
/// It is a number of 32 bits; a shorter one is as good as never met, and would be taken for a word.
const HASH_LENGTH: RangeInclusive<usize> = 6..=10;
const DIGITS: &str = "0123456789";
const ORDINAL_LENGTH: RangeInclusive<usize> = 1..=6;
/// Minutes since 1970.
const SCHEDULED_LENGTH: RangeInclusive<usize> = 8..=9;

/// Who may have made a pod of this name, the nearest first.
pub(super) fn makers(pod: &str) -> impl Iterator<Item = &str> {
    let set = without(pod, DIGITS, ORDINAL_LENGTH);
    let direct = without(pod, RANDOM, RANDOM_LENGTH);
    let deployment = direct.and_then(|replicas| without(replicas, HASH, HASH_LENGTH));
    let cron = direct.and_then(|job| without(job, DIGITS, SCHEDULED_LENGTH));
    [set, direct, deployment, cron].into_iter().flatten()
}

/// The name before its last part, where that part is made of these characters.
fn without<'a>(name: &'a str, of: &str, length: RangeInclusive<usize>) -> Option<&'a str> {
    let (before, last) = name.rsplit_once('-')?;
    let generated = length.contains(&last.len()) && last.chars().all(|character| of.contains(character));
    (generated && !before.is_empty()).then_some(before)
}
