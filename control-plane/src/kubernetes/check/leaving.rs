//! Before Kith is removed: who would be left without a control plane. A sidecar whose control plane is gone goes on until its
//! certificate ends, and refuses everything from then on; a labelled namespace gets no new pod.

use std::time::{Duration, UNIX_EPOCH};

use super::facts::{Facts, Pod};
use super::namespaces::{is_injected, shown};
use super::pods::named;
use super::{Judgement, Outcome};

/// For the pods of a namespace to be restarted without a sidecar.
const TO_LEAVE: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn namespaces(facts: &Facts) -> Judgement {
    let namespaces = match &facts.namespaces {
        Ok(namespaces) => namespaces,
        Err(reason) => return Judgement::unknown(reason),
    };
    let labelled: Vec<_> =
        namespaces.iter().filter(|it| is_injected(&facts.namespace, it)).map(|it| it.name.as_str()).collect();
    let causes =
        labelled.iter().map(|name| format!("{name} is labelled, and would get no new pod")).collect();
    Judgement::from_causes(Outcome::Error, causes, &way_out(facts, &labelled))
}

/// Why nobody leaves well while the control plane is down.
const NEEDED: &str = "without which no sidecar hears of Observe";

/// The commands of `docs/kubernetes.md` for one namespace: for the one that there is, if there is one.
fn way_out(facts: &Facts, labelled: &[&str]) -> String {
    let name = match labelled {
        [one] => one,
        _ => "NAMESPACE",
    };
    // Whole seconds: people read it, and write it.
    let seconds = (facts.now + TO_LEAVE).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let own = &facts.namespace;
    let until = shown(UNIX_EPOCH + Duration::from_secs(seconds));
    let first = match &facts.deployment {
        Ok(Some(deployment)) if deployment.ready > 0 => String::new(),
        Ok(Some(_)) => format!("start the control plane first (see: kith check -n {own}), {NEEDED}; then "),
        Ok(None) => format!(
            "there is no control plane in the namespace {own}, {NEEDED}: name its namespace with -n, or install it again; then "
        ),
        Err(_) => format!("see with kith status -n {own} that the control plane answers, {NEEDED}; then "),
    };
    format!(
        "{first}let each leave without an outage, in this order (docs/kubernetes.md, section 7):\n\
         kubectl annotate namespace {name} config.kith.dev/observe-until={until} --overwrite\n\
         kubectl label namespace {name} kith.dev/posture=Observe kith.dev/egress- --overwrite\n\
         kith status -n {own}   # again, until it says Observe of {name}: only then go on\n\
         kubectl label namespace {name} kith.dev/inject-\n\
         kubectl -n {name} rollout restart deployment,statefulset,daemonset"
    )
}

pub(super) fn members(facts: &Facts) -> Judgement {
    let pods = match &facts.pods {
        Ok(pods) => pods,
        Err(reason) => return Judgement::unknown(reason),
    };
    let members: Vec<&Pod> = pods.iter().filter(|pod| pod.is_member()).collect();
    let causes = named(&members, |pod| {
        format!("{} has a sidecar, which would refuse everything once its certificate ends", pod.full_name())
    });
    let hint = "restart what made them once their namespace has no label kith.dev/inject: kubectl -n NAMESPACE rollout restart \
                deployment,statefulset,daemonset; pods that nobody manages have to be deleted and made again";
    Judgement::from_causes(Outcome::Error, causes, hint)
}
