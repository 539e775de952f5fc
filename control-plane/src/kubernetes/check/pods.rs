//! Pods as Kubernetes sees them: who has a sidecar and who ought to, who is not made at all, and what is written on them.

use std::collections::BTreeSet;

use super::excused::{Excused, beside_excused};
use super::facts::{Facts, Pod, Refused};
use super::namespaces::{is_labelled, is_never_injected, is_strict};
use super::{Judgement, Outcome};
use crate::index::cluster::vocabulary::pod_mistakes;
use crate::inject::INJECT_LABEL;

/// Pods in one finding: a cluster may have thousands.
const MOST_NAMED: usize = 10;
pub(super) const RESTART: &str =
    "restart what made them, such as with: kubectl -n NAMESPACE rollout restart deployment NAME";
/// What the API server says when it could not ask us about a pod.
const UNASKED: &str = "failed calling webhook \"inject.kith.dev\"";
/// What its words name when a pod came with a sidecar that the injector did not give it.
pub(super) const MEMBERS_POLICY: &str = "ValidatingAdmissionPolicy 'kith-members'";
/// What it says when Pod Security forbids one.
const POD_SECURITY: &str = "violates PodSecurity";

fn in_labelled(facts: &Facts) -> Result<impl Fn(&str) -> bool + '_, &str> {
    let namespaces = facts.namespaces.as_ref().map_err(String::as_str)?;
    let labelled: BTreeSet<_> =
        namespaces.iter().filter(|it| is_labelled(it)).map(|it| it.name.as_str()).collect();
    Ok(move |name: &str| labelled.contains(name))
}

/// The pods, and which of their namespaces are labelled.
fn pods_and_labelled(facts: &Facts) -> Result<(&[Pod], impl Fn(&str) -> bool + '_), Judgement> {
    let pods = facts.pods.as_deref().map_err(|reason| Judgement::unknown(reason))?;
    Ok((pods, in_labelled(facts).map_err(Judgement::unknown)?))
}

pub(super) fn injected(facts: &Facts) -> Judgement {
    let (pods, labelled) = match pods_and_labelled(facts) {
        Ok(known) => known,
        Err(unknown) => return unknown,
    };
    let never = |name: &str| is_never_injected(&facts.namespace, name);
    let outside =
        |pod: &&Pod| labelled(&pod.namespace) && !never(&pod.namespace) && !pod.in_mesh && pod.goes_on();
    let meant: Vec<_> =
        pods.iter().filter(outside).filter(|pod| !pod.opted_out && !pod.host_network).collect();
    let others = pods.iter().filter(outside).count() - meant.len();
    let namespaces = facts.namespaces.iter().flatten().filter(|it| is_labelled(it) && never(&it.name));
    let mut causes: Vec<_> = namespaces
        .map(|it| format!("{} has the label {INJECT_LABEL}, and is never injected", it.name))
        .collect();
    let mut ways = Vec::new();
    if !causes.is_empty() {
        ways.push(format!(
            "remove the label where it does nothing: kubectl label namespace NAMESPACE {INJECT_LABEL}-"
        ));
    }
    if !meant.is_empty() {
        ways.push(format!("a pod gets its sidecar when it is made; {RESTART}"));
    }
    causes.extend(named(&meant, |pod| format!("{} has no sidecar", pod.full_name())));
    let mut judgement = Judgement::from_causes(Outcome::Warning, causes, &ways.join("; "));
    if judgement.outcome == Outcome::Ok && others > 0 {
        judgement.detail = Some(format!("{others} outside by their own label, or on their node's network"));
    }
    judgement
}

/// The other way round: members that nobody said are to be.
pub(super) fn left(facts: &Facts) -> Judgement {
    let (pods, labelled) = match pods_and_labelled(facts) {
        Ok(known) => known,
        Err(unknown) => return unknown,
    };
    let left = pods.iter().filter(|pod| pod.is_member() && !labelled(&pod.namespace));
    let causes = named(&left.collect::<Vec<_>>(), |pod| {
        format!("{} has a sidecar, and its namespace has no label {INJECT_LABEL} any more", pod.full_name())
    });
    let hint = "each stays a member until it is restarted: kubectl -n NAMESPACE rollout restart \
                deployment,statefulset,daemonset; or set the label again";
    Judgement::from_causes(Outcome::Warning, causes, hint)
}

pub(super) fn refused(facts: &Facts) -> Judgement {
    let refused = match &facts.refused {
        Ok(refused) => refused,
        Err(reason) => return Judgement::unknown(reason),
    };
    let news: Vec<_> = refused.iter().filter(|it| !is_told_already(facts, it)).collect();
    if news.is_empty() && !refused.is_empty() {
        let causes: BTreeSet<_> = refused.iter().map(|it| it.owner()).collect();
        let owners = shortened(causes.into_iter().collect()).join(", ");
        return Judgement::skipped(format!("because what is said above refuses the pods of {owners}"));
    }
    let told = |it: &&Refused| format!("{}: {}", it.owner(), it.message);
    Judgement::from_causes(
        Outcome::Error,
        shortened(news.iter().map(told).collect()),
        &way_to_be_made(facts, &news),
    )
}

/// What to do about pods that are refused; with commands for the namespaces that only lack the label.
fn way_to_be_made(facts: &Facts, news: &[&Refused]) -> String {
    let by_members: BTreeSet<_> = news
        .iter()
        .filter(|it| it.message.contains(MEMBERS_POLICY))
        .map(|it| it.namespace.as_str())
        .collect();
    let mut way = "mend what the message names; whoever manages the pods tries again by itself".to_owned();
    if by_members.is_empty() {
        return way;
    }
    way.push_str(
        ". A text that has the sidecar in it already, such as what kith inject prints, is accepted only in a labelled \
         namespace: label it, or apply the text without the sidecar",
    );
    let to_label = by_members.iter().filter(|name| !is_never_injected(&facts.namespace, name));
    for name in to_label.take(MOST_NAMED) {
        way.push_str(&format!("\nkubectl label namespace {name} {INJECT_LABEL}=enabled"));
    }
    way
}

/// Whether it is refused because of something that another check has found: nothing runs that could be asked about the pod,
/// or its namespace forbids what every member needs.
fn is_told_already(facts: &Facts, refused: &Refused) -> bool {
    let away = matches!(&facts.deployment, Ok(Some(deployment)) if deployment.ready < deployment.wanted.max(1))
        || matches!(facts.deployment, Ok(None));
    let namespaces = facts.namespaces.iter().flatten();
    let strict = || {
        namespaces.clone().any(|it| it.name == refused.namespace && is_strict(&facts.namespace, it).is_some())
    };
    (refused.message.contains(UNASKED) && away) || (refused.message.contains(POD_SECURITY) && strict())
}

pub(super) fn labels(facts: &Facts) -> Judgement {
    let (pods, labelled) = match pods_and_labelled(facts) {
        Ok(known) => known,
        Err(unknown) => return unknown,
    };
    let mut causes = Vec::new();
    // What the chart writes on the control plane's own pod is nobody's mistake.
    for pod in pods.iter().filter(|pod| pod.goes_on() && pod.namespace != facts.namespace) {
        let mistakes = pod_mistakes(&pod.labels, &pod.annotations);
        causes.extend(mistakes.iter().map(|said| format!("{}: {said}", pod.full_name())));
        let asks = pod.labels.get(INJECT_LABEL).is_some_and(|value| value == "enabled");
        if asks && !pod.in_mesh && !labelled(&pod.namespace) {
            causes.push(format!(
                "{} has the label {INJECT_LABEL}=enabled, which alone does nothing: its namespace needs it",
                pod.full_name()
            ));
        }
    }
    let hint = "correct the template of what made the pod; docs/kubernetes.md has all labels and annotations";
    Judgement::from_causes(Outcome::Warning, shortened(causes), hint)
}

pub(super) fn ready(facts: &Facts) -> Judgement {
    let pods = match &facts.pods {
        Ok(pods) => pods,
        Err(reason) => return Judgement::unknown(reason),
    };
    let excused = Excused::of(facts);
    let unready = |pod: &&Pod| pod.is_member() && !pod.sidecar_ready;
    let (broken, others): (Vec<&Pod>, Vec<_>) =
        pods.iter().filter(unready).partition(|pod| excused.is_settled(pod));
    let causes = named(&broken, |pod| format!("the sidecar of {} is not ready", pod.full_name()));
    if !causes.is_empty() {
        let hint = "kubectl -n NAMESPACE logs POD -c kith-sidecar says why";
        return Judgement::from_causes(Outcome::Error, causes, hint);
    }
    let meant =
        others.iter().filter_map(|pod| Some(format!("{} is {}", pod.full_name(), excused.cut_off(pod)?)));
    let hint = "it is not to be reached, and not ready while that is so; kith quarantine list says since when and why";
    let judgement = Judgement::from_causes(Outcome::Warning, shortened(meant.collect()), hint);
    beside_excused(judgement, facts)
}

/// A sentence for each, of the first of them.
pub(super) fn named(pods: &[&Pod], sentence: impl Fn(&Pod) -> String) -> Vec<String> {
    shortened(pods.iter().map(|pod| sentence(pod)).collect())
}

/// The first of them, and how many more there are.
pub(super) fn shortened(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        all.truncate(MOST_NAMED);
        all.push(format!("and {more} more"));
    }
    all
}
