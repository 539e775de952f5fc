//! The labels and annotations of ours that namespaces and pods may have. Owns which there are and where each belongs, so
//! that a slip of the finger can be told from a wish; what their values mean is read where it always is (`namespace`,
//! and `crate::inject`). Pure, and shared by admission and `kith check`.

use std::collections::BTreeMap;

use kith_policy::closest;

use super::NamespaceObject;
use super::namespace::{EGRESS, OBSERVE_UNTIL, POSTURE};
use crate::inject::{self, INJECT_LABEL};

/// What begins with one of these is ours.
const OURS: [&str; 2] = ["kith.dev/", "config.kith.dev/"];
/// More of a key than this is not repeated; Kubernetes stores longer ones.
const MOST_CHARS: usize = 96;

type Map = BTreeMap<String, String>;

/// Which object, and which of its two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Plural, for sentences.
    of: &'static str,
    map: &'static str,
}

const NAMESPACE_LABEL: Place = Place { of: "namespaces", map: "label" };
const NAMESPACE_ANNOTATION: Place = Place { of: "namespaces", map: "annotation" };
const POD_LABEL: Place = Place { of: "pods", map: "label" };
const POD_ANNOTATION: Place = Place { of: "pods", map: "annotation" };

/// Whether a label or annotation is ours to understand.
pub(crate) fn is_ours(key: &str) -> bool {
    OURS.iter().any(|prefix| key.starts_with(prefix))
}

/// Whether a key means something somewhere: of these there are few, whoever writes what.
pub(super) fn is_known(key: &str) -> bool {
    known().any(|(known, _)| known == key)
}

/// What is wrong with the labels and annotations of a namespace, one sentence each: keys that nobody knows or that are in
/// the wrong place, then the first value that closes the namespace. What is not ours is nobody's business here.
pub(crate) fn namespace_mistakes(name: &str, labels: &Map, annotations: &Map) -> Vec<String> {
    let mut mistakes = misplaced(labels, NAMESPACE_LABEL);
    mistakes.extend(misplaced(annotations, NAMESPACE_ANNOTATION));
    let mut mistakes: Vec<_> = mistakes.into_iter().map(|said| format!("namespace {name}: {said}")).collect();
    let object = NamespaceObject { labels: labels.clone(), annotations: annotations.clone() };
    mistakes.extend(object.meaning(name).refuse_all);
    mistakes
}

/// The same of a pod.
pub(crate) fn pod_mistakes(labels: &Map, annotations: &Map) -> Vec<String> {
    let mut mistakes = misplaced(labels, POD_LABEL);
    mistakes.extend(misplaced(annotations, POD_ANNOTATION));
    if let Some(value) = labels.get(INJECT_LABEL)
        && !inject::POD_INJECT_VALUES.contains(&value.as_str())
    {
        let [enabled, disabled] = inject::POD_INJECT_VALUES;
        mistakes.push(format!(
            "metadata.labels[{INJECT_LABEL}] is {:?}; on a pod, write {disabled} to keep it outside the mesh, or {enabled}",
            shortened(value)
        ));
    }
    mistakes.extend(inject::misread_annotations(annotations).iter().map(ToString::to_string));
    mistakes
}

/// Every key that means something, and where.
fn known() -> impl Iterator<Item = (String, Place)> {
    let namespaces = [INJECT_LABEL, POSTURE, EGRESS].map(|key| (key.to_owned(), NAMESPACE_LABEL));
    let annotations = [inject::PERMIT_SKIP_INBOUND, inject::PERMIT_SKIP_OUTBOUND, OBSERVE_UNTIL];
    let annotations = annotations.map(|key| (key.to_owned(), NAMESPACE_ANNOTATION));
    let pods = inject::known_annotations().map(|key| (key, POD_ANNOTATION));
    namespaces.into_iter().chain(annotations).chain([(INJECT_LABEL.to_owned(), POD_LABEL)]).chain(pods)
}

fn misplaced(map: &Map, place: Place) -> Vec<String> {
    let ours = map.keys().filter(|key| is_ours(key));
    ours.filter_map(|key| Some(format!("metadata.{}s[{}] {}", place.map, shortened(key), wrong(key, place)?)))
        .collect()
}

/// What is wrong with a key in a place; `None` when it belongs there.
fn wrong(key: &str, place: Place) -> Option<String> {
    let places: Vec<_> = known().filter(|(known, _)| known == key).map(|(_, place)| place).collect();
    if places.contains(&place) {
        return None;
    }
    if let Some(of_same) = places.iter().find(|known| known.of == place.of) {
        return Some(format!("is {}, not {}", with_article(of_same.map), with_article(place.map)));
    }
    Some(match (places.first(), meant(key, place)) {
        // What pods ask for, their namespace permits: the names differ by a word.
        (Some(elsewhere), _) => format!("means something on {} only", elsewhere.of),
        (None, Some((meant, at))) => format!("means nothing; did you mean the {} {meant}?", at.map),
        (None, None) => {
            let all = known().filter(|(_, known)| *known == place).map(|(key, _)| key);
            format!("means nothing; known are {}", all.collect::<Vec<_>>().join(", "))
        }
    })
}

/// The nearest key of the same object, whichever of our two prefixes stands before it.
fn meant(key: &str, place: Place) -> Option<(String, Place)> {
    let of_object: Vec<_> = known().filter(|(_, known)| known.of == place.of).collect();
    let names: Vec<_> = of_object.iter().map(|(key, _)| name(key)).collect();
    let nearest = closest(name(key), &names)?;
    of_object.iter().find(|(key, _)| name(key) == nearest).cloned()
}

fn name(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, name)| name)
}

fn with_article(word: &str) -> String {
    let article = if word.starts_with('a') { "an" } else { "a" };
    format!("{article} {word}")
}

/// On one line, and not too long.
fn shortened(text: &str) -> String {
    text.chars().take(MOST_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Map {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn on_namespace(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> String {
        namespace_mistakes("shop", &map(labels), &map(annotations)).join("\n")
    }

    fn on_pod(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> String {
        pod_mistakes(&map(labels), &map(annotations)).join("\n")
    }

    #[test]
    fn what_is_right_and_what_is_not_ours_is_no_mistake() {
        let labels =
            [("kith.dev/inject", "required"), ("kith.dev/posture", "Observe"), ("kith.dev/egress", "Deny")];
        let until = ("config.kith.dev/observe-until", "2099-01-31T00:00:00Z");
        let permits = ("config.kith.dev/permit-skip-inbound-ports", "9000-9100");
        assert_eq!(on_namespace(&labels, &[until, permits]), "");
        assert_eq!(
            on_namespace(&[("kith.developers/x", "y"), ("team", "z")], &[("akith.dev/inject", "q")]),
            ""
        );
        assert_eq!(on_pod(&[("kith.dev/inject", "disabled")], &[]), "");
        let asked = [("config.kith.dev/skip-inbound-ports", "9000"), ("config.kith.dev/injected", "0.1.0")];
        assert_eq!(on_pod(&[("kith.dev/inject", "enabled"), ("app", "web")], &asked), "");
    }

    #[test]
    fn a_key_that_nobody_knows_is_told_with_the_nearest_one() {
        for (labels, annotations, wanted) in [
            (
                vec![("kith.dev/injct", "enabled")],
                vec![],
                "metadata.labels[kith.dev/injct] means nothing; did you mean the label kith.dev/inject?",
            ),
            (
                vec![("config.kith.dev/posture", "Observe")],
                vec![],
                "did you mean the label kith.dev/posture?",
            ),
            (
                vec![],
                vec![("config.kith.dev/posture", "Observe")],
                "metadata.annotations[config.kith.dev/posture] means nothing; did you mean the label kith.dev/posture?",
            ),
            (
                vec![],
                vec![("config.kith.dev/observe-untill", "x")],
                "did you mean the annotation config.kith.dev/observe-until?",
            ),
            (
                vec![("kith.dev/owner", "me")],
                vec![],
                "means nothing; known are kith.dev/inject, kith.dev/posture, kith.dev/egress",
            ),
        ] {
            let said = on_namespace(&labels, &annotations);
            assert!(said.contains(wanted) && said.starts_with("namespace shop: "), "{said}");
        }
        let said = on_pod(&[], &[("config.kith.dev/skip-inbond-ports", "1")]);
        assert!(said.contains("did you mean the annotation config.kith.dev/skip-inbound-ports?"), "{said}");
        assert_eq!(said.lines().count(), 1, "told once: {said}");
    }

    #[test]
    fn a_label_that_is_an_annotation_and_what_belongs_on_another_object_are_told() {
        for (labels, annotations, wanted) in [
            (
                vec![],
                vec![("kith.dev/inject", "enabled")],
                "metadata.annotations[kith.dev/inject] is a label, not an annotation",
            ),
            (vec![("config.kith.dev/observe-until", "x")], vec![], "is an annotation, not a label"),
            (vec![], vec![("config.kith.dev/skip-inbound-ports", "1")], "means something on pods only"),
        ] {
            let said = on_namespace(&labels, &annotations);
            assert!(said.contains(wanted), "{said}");
        }
        assert!(
            on_pod(&[("kith.dev/posture", "Observe")], &[]).contains("means something on namespaces only")
        );
        assert!(on_pod(&[], &[("kith.dev/inject", "disabled")]).contains("is a label, not an annotation"));
        assert!(
            on_pod(&[("config.kith.dev/log-level", "info")], &[]).contains("is an annotation, not a label")
        );
    }

    #[test]
    fn values_are_read_as_they_are_when_they_count() {
        assert!(
            on_namespace(&[("kith.dev/posture", "observe")], &[])
                .contains("write Observe, Encrypt or Enforce")
        );
        assert!(on_namespace(&[("kith.dev/posture", "Observe")], &[]).contains("observe-until] is missing"));
        assert!(on_pod(&[("kith.dev/inject", "no")], &[]).contains("write disabled"));
        let said =
            on_pod(&[], &[("config.kith.dev/cpu-limit", "much"), ("config.kith.dev/log-level", "--x")]);
        assert_eq!(said.lines().count(), 2, "{said}");
        assert!(said.contains("cpu-limit") && said.contains("log-level"), "{said}");
    }

    #[test]
    fn a_key_cannot_break_a_line() {
        let said = on_namespace(&[("kith.dev/a\nb", "")], &[]);
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
