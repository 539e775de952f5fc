//! One `AdmissionReview` (admission.k8s.io/v1): read strictly, and answered from what is handed in and nothing else, but
//! for the random nonce of a new member's hooks. Owns the form of question and answer; fields that a newer API server
//! adds are left alone, those that are needed are never guessed. What is said of a namespace is `namespaces`' own.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kith_policy::document::{GROUP, VERSION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::namespaces;
use crate::crd::{self, Reviewed};
use crate::index::World;
use crate::index::cluster::{Facts, Present};
use crate::inject::{
    self, HookNonce, Injection, Membership, NamespaceFacts, NoRandomness, Settings, Untouched,
};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
/// The API server's are 36 characters.
const MAX_UID: usize = 128;
const MAX_REPEATED: usize = 128;
/// More than this the API server passes on in part.
const MAX_WARNING: usize = 256;

/// What answers are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) facts: &'a Facts,
    pub(super) world: &'a World,
    pub(super) settings: &'a Settings,
    /// The namespace of the installation.
    pub(super) own_namespace: &'a str,
    pub(super) now: SystemTime,
}

/// What is asked, by the path that it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// `/inject`: make the pod a member of the mesh.
    Inject,
    /// `/validate/pods`: may it be stored as it is now?
    Pods,
    /// `/validate/policies`: may one of our own objects be?
    Policies,
    /// `/validate/namespaces`: may a namespace say of the mesh what it says?
    Namespaces,
}

/// What the question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    NewPod,
    EphemeralContainers,
    /// A pod that is there already.
    ChangedPod,
    OurObject,
    NewNamespace,
    /// A namespace that is there already.
    ChangedNamespace,
}

impl About {
    /// Whether what was there before counts.
    fn is_change(self) -> bool {
        matches!(self, Self::EphemeralContainers | Self::ChangedPod | Self::ChangedNamespace)
    }

    /// Whether it is in a namespace, always.
    fn is_in_namespace(self) -> bool {
        matches!(self, Self::NewPod | Self::EphemeralContainers | Self::ChangedPod)
    }
}

/// A question that is understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    uid: String,
    question: Question,
    about: About,
    namespace: String,
    object: Value,
    old_object: Value,
}

/// A body that is no such question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRequest {
    #[error("the body is no AdmissionReview: {0}")]
    Json(String),
    #[error("the body is a {kind:?} of {api_version:?}, not an AdmissionReview of admission.k8s.io/v1")]
    OtherKind { api_version: String, kind: String },
    #[error("request.uid has {0} bytes, not 1 to {MAX_UID}")]
    Uid(usize),
    #[error("{operation:?} of {resource:?} is not asked about here; see the rules of the webhook")]
    OtherObject { operation: String, resource: String },
    #[error("request.{0} is missing")]
    Missing(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReview {
    api_version: String,
    kind: String,
    request: Option<WireRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest {
    uid: String,
    resource: WireResource,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    namespace: String,
    operation: String,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    old_object: Value,
}

#[derive(Deserialize)]
struct WireResource {
    group: String,
    version: String,
    resource: String,
}

impl Question {
    pub(super) fn of_path(path: &str) -> Option<Self> {
        match path {
            "/inject" => Some(Self::Inject),
            "/validate/pods" => Some(Self::Pods),
            "/validate/policies" => Some(Self::Policies),
            "/validate/namespaces" => Some(Self::Namespaces),
            _ => None,
        }
    }

    /// `None`: it has another webhook, or none.
    fn about(self, request: &WireRequest) -> Option<About> {
        let WireResource { group, version, resource } = &request.resource;
        let place = (group.as_str(), version.as_str(), resource.as_str(), request.sub_resource.as_str());
        match (self, place, request.operation.as_str()) {
            (Self::Inject | Self::Pods, ("", "v1", "pods", ""), "CREATE") => Some(About::NewPod),
            (Self::Pods, ("", "v1", "pods", "ephemeralcontainers"), "UPDATE") => {
                Some(About::EphemeralContainers)
            }
            (Self::Pods, ("", "v1", "pods", "" | "resize"), "UPDATE") => Some(About::ChangedPod),
            (
                Self::Policies,
                (GROUP, VERSION, "authorizationpolicies" | "quarantines", ""),
                "CREATE" | "UPDATE",
            ) => Some(About::OurObject),
            (Self::Namespaces, ("", "v1", "namespaces", ""), "CREATE") => Some(About::NewNamespace),
            (Self::Namespaces, ("", "v1", "namespaces", ""), "UPDATE") => Some(About::ChangedNamespace),
            _ => None,
        }
    }
}

impl Request {
    /// K20: whatever the body holds, a request or a reason.
    pub(super) fn read(question: Question, body: &[u8]) -> Result<Self, NoRequest> {
        let read = serde_json::from_slice(body);
        let review: WireReview = read.map_err(|error| NoRequest::Json(short(&error.to_string())))?;
        if (review.api_version.as_str(), review.kind.as_str()) != (API_VERSION, KIND) {
            let (api_version, kind) = (short(&review.api_version), short(&review.kind));
            return Err(NoRequest::OtherKind { api_version, kind });
        }
        let request = review.request.ok_or(NoRequest::Missing("uid"))?;
        if !(1..=MAX_UID).contains(&request.uid.len()) {
            return Err(NoRequest::Uid(request.uid.len()));
        }
        let Some(about) = question.about(&request) else {
            let WireResource { group, version, resource } = request.resource;
            let resource = format!("{group}/{version}/{resource}/{}", request.sub_resource);
            let (operation, resource) = (short(&request.operation), short(&resource));
            return Err(NoRequest::OtherObject { operation, resource });
        };
        let WireRequest { uid, namespace, object, old_object, .. } = request;
        if !object.is_object() {
            return Err(NoRequest::Missing("object"));
        }
        if about.is_change() && !old_object.is_object() {
            return Err(NoRequest::Missing("oldObject"));
        }
        if about.is_in_namespace() && namespace.is_empty() {
            return Err(NoRequest::Missing("namespace"));
        }
        Ok(Self { uid, question, about, namespace, object, old_object })
    }

    /// Whether what the answer depends on is known. A namespace that the API server asks about is labelled; until that
    /// has been heard of, no answer would be true.
    pub(super) fn can_be_answered(&self, facts: &Facts) -> bool {
        self.about != About::NewPod || !matches!(self.namespace(facts), Err(Denial::NotKnown(_)))
    }

    /// The whole `AdmissionReview`, for the API server.
    pub(super) fn answer(&self, ground: Ground<'_>) -> Value {
        let mut response = match self.decide(ground) {
            Ok(Allowed { patch, warnings }) => {
                let mut response = json!({ "allowed": true });
                if let Some(patch) = patch {
                    response["patchType"] = "JSONPatch".into();
                    response["patch"] = STANDARD.encode(patch.to_string()).into();
                }
                if !warnings.is_empty() {
                    let shortened = |it: String| it.chars().take(MAX_WARNING).collect::<String>();
                    response["warnings"] = warnings.into_iter().map(shortened).collect();
                }
                response
            }
            Err(denial) => json!({
                "allowed": false,
                "status": { "code": denial.code(), "reason": denial.reason(), "message": denial.to_string() },
            }),
        };
        response["uid"] = self.uid.as_str().into();
        json!({ "apiVersion": API_VERSION, "kind": KIND, "response": response })
    }

    fn decide(&self, ground: Ground<'_>) -> Result<Allowed, Denial> {
        let Ground { facts, world, settings, own_namespace: own, now } = ground;
        match (self.about, self.question) {
            (About::OurObject, _) => {
                let reviewed = crd::review(&world.trust_domain, &self.object).map_err(Denial::Invalid)?;
                return Ok(Allowed::with(self.unmatched(&reviewed, facts, world)));
            }
            (About::NewNamespace, _) => {
                return allowed(namespaces::review(&Value::Null, &self.object, own, world, now));
            }
            (About::ChangedNamespace, _) => {
                return allowed(namespaces::review(&self.old_object, &self.object, own, world, now));
            }
            (About::EphemeralContainers, _) => inject::check_ephemeral(&self.old_object, &self.object)?,
            (About::ChangedPod, _) => inject::check_update(&self.old_object, &self.object)?,
            (About::NewPod, Question::Inject) => return self.inject(&self.namespace(facts)?, settings),
            (About::NewPod, _) => inject::check_pod(&self.object, &self.namespace(facts)?, settings)?,
        }
        Ok(Allowed::default())
    }

    /// Whom an object names that is not there now: never a reason to refuse it, because objects are made in any order. Not
    /// said again where something else of the object changes.
    fn unmatched(&self, reviewed: &Reviewed, facts: &Facts, world: &World) -> Vec<String> {
        let Some(workloads) = world.workloads.as_deref() else { return Vec::new() };
        if self.old_object["spec"] == self.object["spec"] {
            return Vec::new();
        }
        let present = Present { trust_domain: &world.trust_domain, facts, workloads };
        match reviewed {
            Reviewed::Policy(policy) => present.unmatched(policy),
            Reviewed::Quarantine(target) => present.unmatched_quarantine(target).into_iter().collect(),
        }
    }

    fn inject(&self, namespace: &NamespaceFacts, settings: &Settings) -> Result<Allowed, Denial> {
        Ok(match inject::inject(&self.object, namespace, settings, HookNonce::random()?)? {
            Injection::Patch(steps) => Allowed { patch: Some(json!(steps)), ..Allowed::default() },
            Injection::Nothing(untouched @ (Untouched::OptedOut | Untouched::Mirror)) => {
                Allowed::with(vec![format!("the pod stays outside the mesh: {untouched}")])
            }
            Injection::Nothing(Untouched::AlreadyInjected | Untouched::NotLabelled) => Allowed::default(),
        })
    }

    fn namespace(&self, facts: &Facts) -> Result<NamespaceFacts, Denial> {
        let name = &self.namespace;
        let object = facts.namespace(name).ok_or_else(|| Denial::NotKnown(name.clone()))?;
        let namespace = NamespaceFacts::read(name, &object.labels, &object.annotations)?;
        match namespace.injection {
            Membership::Off => Err(Denial::NotKnown(name.clone())),
            Membership::Enabled | Membership::Required => Ok(namespace),
        }
    }
}

/// As much of what somebody wrote as is worth repeating.
fn short(text: &str) -> String {
    text.chars().take(MAX_REPEATED).collect()
}

#[derive(Default)]
struct Allowed {
    patch: Option<Value>,
    /// For whoever asked the API server.
    warnings: Vec<String>,
}

impl Allowed {
    fn with(warnings: Vec<String>) -> Self {
        Self { patch: None, warnings }
    }
}

fn allowed(said: Result<Vec<String>, String>) -> Result<Allowed, Denial> {
    said.map(Allowed::with).map_err(Denial::Invalid)
}

/// Why an object is not stored: one sentence with field, value and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Denial {
    #[error(transparent)]
    Pod(#[from] inject::Refusal),
    #[error("{0}")]
    Invalid(String),
    #[error(
        "the control plane has not heard yet that the namespace {0} has the label kith.dev/inject; try again"
    )]
    NotKnown(String),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Denial {
    fn code(&self) -> u16 {
        match self {
            Self::Pod(_) => 403,
            Self::Invalid(_) => 422,
            Self::NotKnown(_) => 503,
            Self::NoRandomness(_) => 500,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Pod(_) => "Forbidden",
            Self::Invalid(_) => "Invalid",
            Self::NotKnown(_) => "ServiceUnavailable",
            Self::NoRandomness(_) => "InternalError",
        }
    }
}

#[cfg(test)]
mod tests;
