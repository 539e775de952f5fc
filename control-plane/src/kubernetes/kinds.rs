//! Our own kinds at the API server. Owns what they are called there, and that an object of theirs is taken whole:
//! whatever is in it is kept, and read by `kith_policy` alone. A type that left unknown fields out would widen rules.

use kith_policy::document::{API_VERSION, GROUP, POLICY_KIND, VERSION, quarantine};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::Value;

/// One of our kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OurKind {
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
}

pub(crate) const AUTHORIZATION_POLICY: OurKind =
    OurKind { kind: POLICY_KIND, plural: "authorizationpolicies" };
pub(crate) const QUARANTINE: OurKind = OurKind { kind: quarantine::KIND, plural: "quarantines" };

impl OurKind {
    pub(crate) fn resource(self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, self.kind), self.plural)
    }

    /// All objects of it, in all namespaces.
    pub(crate) fn all(self, client: Client) -> Api<DynamicObject> {
        Api::all_with(client, &self.resource())
    }

    /// An object as it is stored. In a list the API server may leave out which kind it is of: it is the list's.
    pub(crate) fn whole(self, mut object: DynamicObject) -> Value {
        let of_list = || TypeMeta { api_version: API_VERSION.to_owned(), kind: self.kind.to_owned() };
        object.types.get_or_insert_with(of_list);
        // Managed fields are of no use here, and may be larger than the rest.
        object.metadata.managed_fields = None;
        serde_json::to_value(object).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_stays_whole_with_the_fields_that_nobody_knows_and_has_its_kind() {
        let stored = json!({
            "metadata": { "name": "callers", "namespace": "shop", "managedFields": [{ "manager": "kubectl" }] },
            "spec": { "action": "ALLOW", "misspelt": { "deep": [1, -2, 1.5, null, "x"] } },
            "status": {},
        });
        let object = serde_json::from_value(stored.clone()).unwrap();
        let whole = AUTHORIZATION_POLICY.whole(object);
        assert_eq!(whole["apiVersion"], "kith.dev/v1alpha1");
        assert_eq!(whole["kind"], "AuthorizationPolicy");
        assert_eq!(whole["metadata"], json!({ "name": "callers", "namespace": "shop" }));
        assert_eq!(whole["spec"], stored["spec"]);
    }
}
