//! Events: what others said of objects, the latest last. Kubernetes keeps them for about an hour, so what they say need not
//! be so any more.

use std::time::SystemTime;

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::super::facts::Known;
use super::{PAGE, all_of};
use crate::kubernetes::error::Access;
use crate::kubernetes::installation::Installation;

/// More of a message is not repeated.
const MOST_CHARS: usize = 400;

/// What Kubernetes writes before the last of many that differ by a name.
const COMBINED: &str = "(combined from similar events): ";

/// Something that was said of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) is_warning: bool,
    pub(super) reason: String,
    pub(super) message: String,
    at: Option<SystemTime>,
}

impl Installation {
    /// All that is known of one namespace.
    pub(super) async fn said_in(&self, namespace: &str) -> Known<Vec<Said>> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let access = Access::within(namespace, "list", "events");
        Ok(in_order(all_of(&api, &access, ListParams::default().limit(PAGE)).await?))
    }

    /// In the whole cluster, for one reason.
    pub(super) async fn said_because_of(&self, reason: &str) -> Known<Vec<Said>> {
        let api: Api<Event> = Api::all(self.client.clone());
        let wanted = ListParams::default().limit(PAGE).fields(&format!("reason={reason}"));
        Ok(in_order(all_of(&api, &Access::everywhere("list", "events"), wanted).await?))
    }
}

pub(super) fn in_order(events: Vec<Event>) -> Vec<Said> {
    let mut said: Vec<_> = events.into_iter().map(said).collect();
    said.sort_by_key(|said| said.at);
    said
}

fn said(event: Event) -> Said {
    let series = event.series.and_then(|series| series.last_observed_time).map(|time| time.0);
    let last = series.or(event.last_timestamp.map(|time| time.0)).or(event.event_time.map(|time| time.0));
    let last = last.or(event.metadata.creation_timestamp.map(|time| time.0));
    let of = event.involved_object;
    Said {
        kind: of.kind.unwrap_or_default(),
        namespace: of.namespace.unwrap_or_default(),
        name: of.name.unwrap_or_default(),
        is_warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.unwrap_or_default(),
        message: short(event.message.unwrap_or_default().trim_start_matches(COMBINED)),
        at: last.map(SystemTime::from),
    }
}

/// On one line, and not too long.
pub(super) fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
