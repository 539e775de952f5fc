//! What one stream of Envoy asked for, and what it was sent. Owns which request is a new question, which accepts or rejects
//! an answer, and which comes too late to mean anything.

use kith_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use tonic::Status;

use super::secrets::{Content, SECRET_TYPE};
use crate::workload_api::complaints::Complaints;
use crate::workload_api::source::Source;

/// What is told of an error that Envoy found, at most.
const MAX_DETAIL: usize = 512;
/// Names that one stream may ask for.
const MAX_NAMES: usize = 64;

/// From the first request of a stream to its last.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Sorted, without doubles; `None` until something was asked for.
    names: Option<Vec<String>>,
    /// What the last answer was made of; `None` when other names were asked for since.
    sent: Option<Content>,
    /// Of the last answer, as both of its version and its nonce.
    number: u64,
    /// Of all streams: what Envoy rejects, it can reject as often as it likes.
    rejections: Complaints,
}

impl Subscription {
    pub(super) fn new(rejections: Complaints) -> Self {
        Self { names: None, sent: None, number: 0, rejections }
    }

    /// Takes note of a request. One that rejects the last answer is told of and not answered: what there is has not changed,
    /// and Envoy keeps what it had.
    pub(super) fn take(&mut self, request: &DiscoveryRequest) -> Result<(), Status> {
        if !["", SECRET_TYPE].contains(&request.type_url.as_str()) {
            return Err(Status::invalid_argument(format!(
                "there are no resources of type {:?} here",
                request.type_url
            )));
        }
        if self.number > 0 && request.response_nonce != self.number.to_string() {
            tracing::debug!(
                nonce = request.response_nonce,
                "Answer of Envoy to an earlier message passed over"
            );
            return Ok(());
        }
        if self.number > 0
            && let Some(error) = &request.error_detail
        {
            self.tell_rejection(request, &error.message);
        }
        let names = names(request)?;
        if self.names.as_ref() != Some(&names) {
            self.names = Some(names);
            self.sent = None;
        }
        Ok(())
    }

    fn tell_rejection(&self, request: &DiscoveryRequest, detail: &str) {
        let node = request.node.as_ref().map_or("", |node| node.id.as_str());
        let (detail, node) = (clipped(detail), clipped(node));
        match self.rejections.due() {
            Some(untold) => tracing::warn!(detail, node, untold, "Envoy rejected its secrets"),
            None => tracing::debug!(detail, node, "Envoy rejected its secrets"),
        }
    }

    /// The next answer, if what was asked for is other than what was sent.
    pub(super) fn due(&mut self, source: &Source) -> Result<Option<DiscoveryResponse>, Status> {
        let Some(names) = &self.names else { return Ok(None) };
        let content = Content::now(source, names)?;
        if self.sent.as_ref().is_some_and(|sent| sent.is(&content)) {
            return Ok(None);
        }
        let resources = content.secrets(names)?;
        self.sent = Some(content);
        self.number += 1;
        let number = self.number.to_string();
        Ok(Some(DiscoveryResponse {
            version_info: number.clone(),
            resources,
            type_url: SECRET_TYPE.to_owned(),
            nonce: number,
        }))
    }
}

fn names(request: &DiscoveryRequest) -> Result<Vec<String>, Status> {
    let mut names: Vec<_> = request.resource_names.iter().filter(|name| !name.is_empty()).cloned().collect();
    names.sort();
    names.dedup();
    if names.len() > MAX_NAMES {
        return Err(Status::invalid_argument(format!("at most {MAX_NAMES} secrets on one stream")));
    }
    Ok(names)
}

fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_DETAIL)]
}
