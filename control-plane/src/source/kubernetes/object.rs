//! Our own kinds as the API server sends them: whatever is in them is kept, and read by `kith_policy` alone. A type that
//! left unknown fields out would widen rules.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::Value;

use crate::index::cluster::Kind;

const GROUP: &str = "kith.dev";
const VERSION: &str = "v1alpha1";

/// All objects of one of our kinds.
pub(super) fn api(client: Client, kind: Kind, singular: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(GROUP, VERSION, singular);
    Api::all_with(client, &ApiResource::from_gvk_with_plural(&gvk, kind.name()))
}

/// The object as it is stored. In a list the API server may leave out which kind it is of: it is the list's.
pub(super) fn whole(mut object: DynamicObject, singular: &str) -> Value {
    let of_list = || TypeMeta { api_version: format!("{GROUP}/{VERSION}"), kind: singular.to_owned() };
    object.types.get_or_insert_with(of_list);
    // Managed fields are of no use here, and may be larger than the rest.
    object.metadata.managed_fields = None;
    serde_json::to_value(object).unwrap_or_default()
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
        let whole = whole(object, "AuthorizationPolicy");
        assert_eq!(whole["apiVersion"], "kith.dev/v1alpha1");
        assert_eq!(whole["kind"], "AuthorizationPolicy");
        assert_eq!(whole["metadata"], json!({ "name": "callers", "namespace": "shop" }));
        assert_eq!(whole["spec"], stored["spec"]);
    }
}
