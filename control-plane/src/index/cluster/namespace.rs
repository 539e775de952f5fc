//! Namespaces: what the platform says of them by labels and annotations. A value that cannot be read closes the namespace:
//! it may have been meant to be stricter than whatever we would take it for.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

use super::key::{Key, Unreadable};
use super::table::Row;
use super::vocabulary::{is_known, is_ours};
use crate::index::{Egress, Namespace, Posture};
use crate::inject::NamespaceFacts;

pub(super) const POSTURE: &str = "kith.dev/posture";
pub(super) const EGRESS: &str = "kith.dev/egress";
pub(super) const OBSERVE_UNTIL: &str = "config.kith.dev/observe-until";
/// The one posture that needs a second statement.
const OBSERVE: &str = "Observe";

/// What the platform wrote on one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NamespaceObject {
    /// Those that are ours.
    pub(crate) labels: BTreeMap<String, String>,
    /// Those that are ours.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl NamespaceObject {
    pub(crate) fn read(metadata: ObjectMeta) -> Result<(Key, Self), Unreadable> {
        let key = Key::of(&metadata)?;
        Ok((key, Self { labels: ours(metadata.labels), annotations: ours(metadata.annotations) }))
    }

    /// What it says that an earlier version did not. Observe and its end are one statement, whichever of them is new; so
    /// what is left may be wrong only by what was changed.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let anew = |now: &BTreeMap<String, String>, before: &BTreeMap<String, String>| {
            let new = now.iter().filter(|(key, value)| before.get(*key) != Some(*value));
            new.map(|(key, value)| (key.clone(), value.clone())).collect::<BTreeMap<_, _>>()
        };
        let mut said = Self {
            labels: anew(&self.labels, &before.labels),
            annotations: anew(&self.annotations, &before.annotations),
        };
        let (posture, end) = (self.labels.get(POSTURE), self.annotations.get(OBSERVE_UNTIL));
        let new = said.labels.contains_key(POSTURE) || end != before.annotations.get(OBSERVE_UNTIL);
        if let Some(posture) = posture.filter(|posture| *posture == OBSERVE && new) {
            said.labels.insert(POSTURE.to_owned(), posture.clone());
            said.annotations.extend(end.map(|end| (OBSERVE_UNTIL.to_owned(), end.clone())));
        }
        said
    }

    /// When Observe ends, if that is written, whatever the posture is.
    pub(crate) fn end_of_observe(&self, name: &str) -> Option<Result<SystemTime, String>> {
        self.annotations.contains_key(OBSERVE_UNTIL).then(|| self.observe_until(name))
    }

    /// What it means for the workloads there.
    pub(crate) fn meaning(&self, name: &str) -> Namespace {
        match self.parsed(name) {
            Ok((posture, egress)) => Namespace { posture, egress, refuse_all: None },
            Err(reason) => Namespace { refuse_all: Some(reason), ..Namespace::default() },
        }
    }

    fn parsed(&self, name: &str) -> Result<(Posture, Egress), String> {
        NamespaceFacts::read(name, &self.labels, &self.annotations).map_err(|refusal| refusal.to_string())?;
        Ok((self.posture(name)?, self.egress(name)?))
    }

    fn posture(&self, name: &str) -> Result<Posture, String> {
        match self.labels.get(POSTURE).map(String::as_str) {
            None | Some("Enforce") => Ok(Posture::Enforce),
            Some("Encrypt") => Ok(Posture::Encrypt),
            Some(OBSERVE) => Ok(Posture::Observe { until: self.observe_until(name)? }),
            Some(other) => {
                let advice = "write Observe, Encrypt or Enforce, or remove the label";
                Err(wrong(name, "labels", POSTURE, Some(other), advice))
            }
        }
    }

    fn observe_until(&self, name: &str) -> Result<SystemTime, String> {
        let text = self.annotations.get(OBSERVE_UNTIL).map(String::as_str);
        let advice = "Observe needs the time of its end, such as 2027-01-31T00:00:00Z";
        text.and_then(time).ok_or_else(|| wrong(name, "annotations", OBSERVE_UNTIL, text, advice))
    }

    fn egress(&self, name: &str) -> Result<Egress, String> {
        match self.labels.get(EGRESS).map(String::as_str) {
            None => Ok(Egress::ByPosture),
            Some("Observe") => Ok(Egress::Observe),
            Some("Deny") => Ok(Egress::Deny),
            Some("Allow") => Ok(Egress::Allow),
            Some(other) => {
                let advice = "write Deny, Observe or Allow, or remove the label";
                Err(wrong(name, "labels", EGRESS, Some(other), advice))
            }
        }
    }
}

impl Row for NamespaceObject {}

/// What is kept of a namespace: others may write any amount beside it. A value that is too long stands there as one that
/// is wrong for every key: its namespace is closed.
fn ours(map: Option<BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let ours = map.into_iter().flatten().filter(|(key, _)| is_ours(key));
    let (mut kept, strays): (Vec<_>, Vec<_>) = ours.partition(|(key, _)| is_known(key));
    // Admission says what is wrong with them, of so many at once.
    kept.extend(strays.into_iter().take(MOST_STRAYS));
    kept.into_iter()
        .map(|(key, value)| (key, if value.len() <= MOST_BYTES { value } else { TOO_LONG.to_owned() }))
        .collect()
}

/// Keys with our prefix that mean nothing.
const MOST_STRAYS: usize = 32;
/// Longer than every list of ports that somebody has.
const MOST_BYTES: usize = 4_096;
const TOO_LONG: &str = "(longer than 4096 bytes)";

/// Longer than every value that is right.
const MOST_CHARS: usize = 64;

fn wrong(name: &str, map: &str, key: &str, value: Option<&str>, advice: &str) -> String {
    let value = match value {
        Some(value) => format!("is {:?}", value.chars().take(MOST_CHARS).collect::<String>()),
        None => "is missing".to_owned(),
    };
    format!("namespace {name}: metadata.{map}[{key}] {value}; {advice}")
}

/// RFC 3339, and nothing else that the parser knows; not before 1970.
fn time(text: &str) -> Option<SystemTime> {
    let date_and_zone = text.as_bytes().get(10) == Some(&b'T') && !text.contains('[') && text.is_ascii();
    let time = text.parse::<Timestamp>().ok().filter(|_| date_and_zone)?;
    Some(SystemTime::from(time)).filter(|time| *time > UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
