//! What a namespace says about its pods. Owns the reading of its labels and annotations; who may set them is for
//! Kubernetes to know: the platform, not the author of a pod.

use std::collections::BTreeMap;

use kith_proto::pod::PortRange;

use super::annotations::port_ranges;
use super::refusal::Refusal;

/// On a namespace: whether its pods become members. On a pod: whether it stays outside.
pub const INJECT_LABEL: &str = "kith.dev/inject";
/// The namespace of what the cluster itself runs on. It is never injected, as that of the installation never is: the
/// chart's webhooks ask about neither.
pub(crate) const CLUSTERS_OWN: &str = "kube-system";
/// On a namespace: ports of their own that its pods may leave out.
pub(crate) const PERMIT_SKIP_INBOUND: &str = "config.kith.dev/permit-skip-inbound-ports";
/// On a namespace: ports elsewhere that its pods may leave out.
pub(crate) const PERMIT_SKIP_OUTBOUND: &str = "config.kith.dev/permit-skip-outbound-ports";

/// Whether pods of a namespace become members of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// They do not.
    Off,
    /// They do, unless they say otherwise.
    Enabled,
    /// They do, whatever they say.
    Required,
}

/// A namespace, as far as injection depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its name.
    pub name: String,
    /// Whether its pods become members.
    pub injection: Membership,
    /// The ports of theirs that pods may leave to be reached without the sidecar.
    pub permit_skip_inbound: Vec<PortRange>,
    /// The ports elsewhere that pods may reach without the sidecar.
    pub permit_skip_outbound: Vec<PortRange>,
}

impl NamespaceFacts {
    /// Reads them. A value that nobody knows is refused: it may have been meant to be the strictest.
    pub fn read(
        name: &str,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self, Refusal> {
        let field = |map: &str, key: &str| format!("namespace {name}: metadata.{map}[{key}]");
        let injection = match labels.get(INJECT_LABEL).map(String::as_str) {
            None => Membership::Off,
            Some("enabled") => Membership::Enabled,
            Some("required") => Membership::Required,
            Some(other) => {
                let advice = "write enabled or required, or remove the label";
                return Err(Refusal::of_text(&field("labels", INJECT_LABEL), other, advice));
            }
        };
        let ranges = |key| match annotations.get(key) {
            None => Ok(Vec::new()),
            Some(text) => port_ranges(&field("annotations", key), text),
        };
        Ok(Self {
            name: name.to_owned(),
            injection,
            permit_skip_inbound: ranges(PERMIT_SKIP_INBOUND)?,
            permit_skip_outbound: ranges(PERMIT_SKIP_OUTBOUND)?,
        })
    }

    /// A namespace that is not looked at: for a text on its way into a cluster, whose admission asks again.
    pub fn unseen(name: &str) -> Self {
        let all = PortRange::parse("1-65535").expect("the constant is a range of ports");
        Self {
            name: name.to_owned(),
            injection: Membership::Enabled,
            permit_skip_inbound: vec![all],
            permit_skip_outbound: vec![all],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_label_says_who_becomes_a_member_and_one_that_nobody_knows_is_refused() {
        let read = |value: &str| NamespaceFacts::read("shop", &map(&[(INJECT_LABEL, value)]), &map(&[]));
        assert_eq!(NamespaceFacts::read("shop", &map(&[]), &map(&[])).unwrap().injection, Membership::Off);
        assert_eq!(read("enabled").unwrap().injection, Membership::Enabled);
        assert_eq!(read("required").unwrap().injection, Membership::Required);
        for value in ["", "Enabled", "true", "disabled", "require"] {
            let refusal = read(value).unwrap_err().to_string();
            assert!(refusal.contains("namespace shop") && refusal.contains(INJECT_LABEL), "{refusal}");
        }
    }

    #[test]
    fn permissions_are_ports_and_ranges_and_anything_else_is_refused() {
        let annotations = map(&[(PERMIT_SKIP_INBOUND, "9000-9100, 25"), (PERMIT_SKIP_OUTBOUND, "443")]);
        let facts = NamespaceFacts::read("shop", &map(&[]), &annotations).unwrap();
        assert_eq!((facts.permit_skip_inbound.len(), facts.permit_skip_outbound.len()), (2, 1));
        let wrong = map(&[(PERMIT_SKIP_INBOUND, "all")]);
        assert!(NamespaceFacts::read("shop", &map(&[]), &wrong).is_err());
    }
}
