//! What the platform says of namespaces by labels and annotations, and what Pod Security forbids in them. Owns no reading of
//! its own: it is the control plane's.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::Judgement;
use super::Outcome::{Error, Warning};
use super::facts::{Facts, Namespace};
use super::kubernetes::POD_SECURITY;
use crate::index::Posture;
use crate::index::cluster::NamespaceObject;
use crate::inject::INJECT_LABEL;

/// The levels that forbid to add NET_ADMIN.
const STRICT: [&str; 2] = ["baseline", "restricted"];

/// Whether its pods are to be in the mesh.
pub(super) fn is_labelled(namespace: &Namespace) -> bool {
    namespace.labels.contains_key(INJECT_LABEL)
}

fn in_each(facts: &Facts, cause: impl Fn(&Namespace) -> Option<String>) -> Result<Vec<String>, Judgement> {
    match &facts.namespaces {
        Ok(namespaces) => Ok(namespaces.iter().filter_map(cause).collect()),
        Err(reason) => Err(Judgement::unknown(reason)),
    }
}

fn posture_of(namespace: &Namespace) -> Result<Posture, String> {
    let meaning = object(namespace).meaning(&namespace.name);
    match meaning.refuse_all {
        Some(reason) => Err(reason),
        None => Ok(meaning.posture),
    }
}

fn object(namespace: &Namespace) -> NamespaceObject {
    let ours = |map: &BTreeMap<String, String>| map.clone();
    NamespaceObject { labels: ours(&namespace.labels), annotations: ours(&namespace.annotations) }
}

pub(super) fn labels(facts: &Facts) -> Judgement {
    let causes = in_each(facts, |namespace| posture_of(namespace).err());
    let hint = "until then everything is refused there, and no pod starts";
    causes.map_or_else(|unknown| unknown, |causes| Judgement::from_causes(Error, causes, hint))
}

pub(super) fn pod_security(facts: &Facts) -> Judgement {
    let causes = in_each(facts, |namespace| {
        let level = namespace.labels.get(POD_SECURITY).filter(|level| STRICT.contains(&level.as_str()))?;
        is_labelled(namespace).then(|| {
            format!(
                "{} has {POD_SECURITY}={level}, which forbids NET_ADMIN to the redirect step",
                namespace.name
            )
        })
    });
    let hint = "there are two ways out: set enforce=privileged on the namespace and keep warn and audit at the stricter level; \
                or exempt the namespace in the API server's PodSecurity configuration";
    causes.map_or_else(|unknown| unknown, |causes| Judgement::from_causes(Warning, causes, hint))
}

pub(super) fn observe_end(facts: &Facts) -> Judgement {
    let causes = in_each(facts, |namespace| match posture_of(namespace) {
        Ok(Posture::Observe { until }) if until <= facts.now => Some(format!(
            "in {} it ended at {}, and the namespace is enforced since",
            namespace.name,
            shown(until)
        )),
        _ => None,
    });
    let hint =
        "set kith.dev/posture to what it is meant to be, or config.kith.dev/observe-until to a later time";
    causes.map_or_else(|unknown| unknown, |causes| Judgement::from_causes(Warning, causes, hint))
}

fn shown(time: SystemTime) -> String {
    k8s_openapi::jiff::Timestamp::try_from(time)
        .map_or_else(|_| "some time".to_owned(), |time| time.to_string())
}
