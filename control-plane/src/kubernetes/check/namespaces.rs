//! What the platform says of namespaces by labels and annotations, and what Pod Security forbids in them. Owns no reading of
//! its own: it is the control plane's.

use std::time::SystemTime;

use super::Judgement;
use super::Outcome::{Error, Warning};
use super::facts::{Facts, Namespace};
use super::kubernetes::POD_SECURITY;
use crate::index::Posture;
use crate::index::cluster::NamespaceObject;
use crate::index::cluster::vocabulary::namespace_mistakes;
use crate::inject::{CLUSTERS_OWN, INJECT_LABEL, NamespaceFacts};
use crate::webhook::INJECTOR;

/// The levels that forbid to add NET_ADMIN.
const STRICT: [&str; 2] = ["baseline", "restricted"];

/// What is said of pods that a stricter level would refuse.
const WARNING: [&str; 2] = ["pod-security.kubernetes.io/warn", "pod-security.kubernetes.io/audit"];

/// Whether its pods are to be in the mesh, and the webhooks asked about them.
pub(super) fn is_injected(own: &str, namespace: &Namespace) -> bool {
    is_labelled(namespace) && !is_never_injected(own, &namespace.name)
}

/// Whether its label does nothing.
pub(super) fn is_never_injected(own: &str, namespace: &str) -> bool {
    [own, CLUSTERS_OWN].contains(&namespace)
}

/// Whether somebody wrote that its pods are to be in the mesh.
pub(super) fn is_labelled(namespace: &Namespace) -> bool {
    namespace.labels.contains_key(INJECT_LABEL)
}

fn posture_of(namespace: &Namespace) -> Result<Posture, String> {
    let (labels, annotations) = (namespace.labels.clone(), namespace.annotations.clone());
    let meaning = NamespaceObject { labels, annotations }.meaning(&namespace.name);
    match meaning.refuse_all {
        Some(reason) => Err(reason),
        None => Ok(meaning.posture),
    }
}

pub(super) fn labels(facts: &Facts) -> Judgement {
    let namespaces = match &facts.namespaces {
        Ok(namespaces) => namespaces,
        Err(reason) => return Judgement::unknown(reason),
    };
    let mistakes = |it: &Namespace| namespace_mistakes(&it.name, &it.labels, &it.annotations);
    let hint =
        "a key that means nothing does nothing; with a value that means nothing everything is refused there";
    let hint = match namespaces.iter().any(|it| are_pods_refused(facts, it)) {
        true => format!("{hint}, and where injection depends on it no pod starts"),
        false => hint.to_owned(),
    };
    Judgement::from_causes(Error, namespaces.iter().flat_map(mistakes).collect(), &hint)
}

/// Whether the injector is there and cannot read what it needs of a namespace; posture and egress are not for it.
fn are_pods_refused(facts: &Facts, namespace: &Namespace) -> bool {
    let is_there =
        facts.webhooks.iter().any(|(name, it)| name.ends_with(INJECTOR) && matches!(it, Ok(Some(_))));
    let is_read = NamespaceFacts::read(&namespace.name, &namespace.labels, &namespace.annotations).is_ok();
    is_there && !is_read && is_injected(&facts.namespace, namespace)
}

/// The level at which Pod Security refuses every member of a namespace; `None` where it does not.
pub(super) fn is_strict<'a>(own: &str, namespace: &'a Namespace) -> Option<&'a str> {
    strict(namespace, POD_SECURITY).filter(|_| is_injected(own, namespace))
}

fn strict<'a>(namespace: &'a Namespace, label: &str) -> Option<&'a str> {
    namespace.labels.get(label).map(String::as_str).filter(|level| STRICT.contains(level))
}

pub(super) fn pod_security(facts: &Facts) -> Judgement {
    let namespaces = match &facts.namespaces {
        Ok(namespaces) => namespaces,
        Err(reason) => return Judgement::unknown(reason),
    };
    let (mut forbidden, mut told) = (Vec::new(), Vec::new());
    for namespace in namespaces.iter().filter(|it| is_injected(&facts.namespace, it)) {
        let name = &namespace.name;
        if let Some(level) = is_strict(&facts.namespace, namespace) {
            let what =
                format!("{name} has {POD_SECURITY}={level}, which forbids NET_ADMIN to the redirect step");
            match has_members(facts, name) {
                // Either it is exempt, or they are older than the level.
                true => told
                    .push(format!("{what}: if the API server does not exempt it, no new pod starts there")),
                false => forbidden.push(format!("{what}: no pod starts there")),
            }
        } else if !namespace.labels.contains_key(POD_SECURITY) {
            let label = WARNING.iter().find_map(|label| Some((label, strict(namespace, label)?)));
            told.extend(label.map(|(label, level)| {
                format!("{name} has {label}={level} and no {POD_SECURITY}: each member is complained about, and refused if that level is enforced")
            }));
        }
    }
    let outcome = if forbidden.is_empty() { Warning } else { Error };
    forbidden.extend(told);
    let hint = "there are two ways out: set enforce=privileged on the namespace and keep warn and audit at the stricter level; \
                or exempt the namespace in the API server's PodSecurity configuration";
    Judgement::from_causes(outcome, forbidden, hint)
}

fn has_members(facts: &Facts, namespace: &str) -> bool {
    facts.pods.iter().flatten().any(|pod| pod.namespace == namespace && pod.is_member())
}

pub(super) fn observe_end(facts: &Facts) -> Judgement {
    let namespaces = match &facts.namespaces {
        Ok(namespaces) => namespaces,
        Err(reason) => return Judgement::unknown(reason),
    };
    let ended = |namespace: &Namespace| match posture_of(namespace) {
        Ok(Posture::Observe { until }) if until <= facts.now => Some(format!(
            "in {} it ended at {}, and the namespace is enforced since",
            namespace.name,
            shown(until)
        )),
        _ => None,
    };
    let hint =
        "set kith.dev/posture to what it is meant to be, or config.kith.dev/observe-until to a later time";
    Judgement::from_causes(Warning, namespaces.iter().filter_map(ended).collect(), hint)
}

pub(super) fn shown(time: SystemTime) -> String {
    k8s_openapi::jiff::Timestamp::try_from(time)
        .map_or_else(|_| "some time".to_owned(), |time| time.to_string())
}
