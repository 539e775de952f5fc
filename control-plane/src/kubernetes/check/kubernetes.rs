//! The cluster itself, and what must not be there before an installation.

use super::Outcome::{Error, Warning};
use super::facts::{Facts, Namespace, Right};
use super::rights::OPERATOR;
use super::{Judgement, Outcome};
use crate::inject::INJECT_LABEL;

/// The first version in which a sidecar may be an init container that goes on running, as a stable feature's beta.
const OLDEST: (u32, u32) = (1, 31);
/// How strictly Pod Security admits pods.
pub(super) const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
const POD_SECURITY_LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

pub(super) fn reachable(facts: &Facts) -> Judgement {
    match &facts.api {
        Ok(version) => Judgement::ok_with(version.text.clone()),
        Err(reason) => Judgement::error(reason.clone(), "see that kubectl get --raw /version answers"),
    }
}

pub(super) fn version(facts: &Facts) -> Judgement {
    match &facts.api {
        Ok(version) if (version.major, version.minor) >= OLDEST => Judgement::ok_with(version.text.clone()),
        Ok(version) => {
            let cause =
                format!("it is {}, where sidecars cannot start before other containers", version.text);
            Judgement::error(cause, "upgrade the cluster")
        }
        Err(reason) => Judgement::unknown(reason),
    }
}

pub(super) fn rights(facts: &Facts) -> Judgement {
    let is_extra = |right: &&Right| right.role == Some(OPERATOR) && right.allowed == Ok(false);
    let (extra, needed): (Vec<_>, Vec<_>) = facts.rights.iter().partition(is_extra);
    let causes = needed.iter().filter_map(|right| match &right.allowed {
        Ok(true) => None,
        Ok(false) => Some(match right.role {
            Some(role) => format!("you may not {}; the {role} grants it", right.what),
            None => format!("you may not {}", right.what),
        }),
        Err(reason) => Some(format!("whether you may {} cannot be told: {reason}", right.what)),
    });
    let hint = "have these rights bound to you: kubectl create clusterrolebinding NAME --clusterrole ROLE --user YOU, and for \
                a Role: kubectl -n NAMESPACE create rolebinding NAME --role ROLE --user YOU; without them, checks below \
                cannot tell";
    let mut judgement = Judgement::from_causes(Warning, causes.collect(), hint);
    if judgement.outcome == Outcome::Ok && !extra.is_empty() {
        let what: Vec<_> = extra.iter().map(|right| right.what.as_str()).collect();
        // To see and to cut off are two roles on purpose.
        judgement.detail =
            Some(format!("you may not {}, which only the {OPERATOR} grants", what.join(" and ")));
    }
    judgement
}

pub(super) fn leftovers(facts: &Facts) -> Judgement {
    match &facts.leftovers {
        Ok(left) => {
            let causes = left.iter().map(|object| format!("{object} is there")).collect();
            let hint = "Kith is installed already (check without --pre), or was not uninstalled whole: delete these. \
                        A webhook without its control plane refuses pods in labelled namespaces";
            Judgement::from_causes(Error, causes, hint)
        }
        Err(reason) => Judgement::unknown(reason),
    }
}

/// The control plane's pod meets `restricted`, so that every level lets it run.
pub(super) fn own_namespace(facts: &Facts) -> Judgement {
    let namespaces = match &facts.namespaces {
        Ok(namespaces) => namespaces,
        Err(reason) => return Judgement::unknown(reason),
    };
    let Some(own) = namespaces.iter().find(|namespace| namespace.name == facts.namespace) else {
        return Judgement::ok_with(format!("{} is to be made", facts.namespace));
    };
    Judgement::from_causes(Error, wrong_with(own), "correct these labels, or install Kith elsewhere")
}

fn wrong_with(own: &Namespace) -> Vec<String> {
    let mut causes = Vec::new();
    if let Some(value) = own.labels.get(INJECT_LABEL) {
        causes.push(format!(
            "{} has the label {INJECT_LABEL}={value}; the control plane is no member of the mesh",
            own.name
        ));
    }
    if let Some(level) = own.labels.get(POD_SECURITY)
        && !POD_SECURITY_LEVELS.contains(&level.as_str())
    {
        causes
            .push(format!("{} has {POD_SECURITY}={level}, which Kubernetes takes for restricted", own.name));
    }
    causes
}
