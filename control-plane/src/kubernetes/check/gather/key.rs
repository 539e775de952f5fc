//! The Secret with the key that seals the authority's file: whether it has one, and who may read it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use zeroize::Zeroizing;

use super::super::facts::{KeySecret, Known, Stored};
use super::told;
use crate::config::seal_key_of;
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::Installation;

/// What the documentation calls it, and most people will.
const USUAL_NAME: &str = "kith-key";
/// Where in a Secret the key is, unless the Deployment says otherwise.
const USUAL_ENTRY: &str = "key";

impl Installation {
    /// That of an installation.
    pub(super) async fn key(&self, deployment: &Deployment) -> Known<Option<KeySecret>> {
        match key_of(deployment) {
            Some((name, entry)) => Ok(Some(self.secret(name, &entry, true).await)),
            None => Ok(None),
        }
    }

    /// That of an installation to come: the one that is named, or the usual one.
    pub(super) async fn key_to_come(&self, named: Option<&str>) -> KeySecret {
        self.secret(named.unwrap_or(USUAL_NAME).to_owned(), USUAL_ENTRY, named.is_some()).await
    }

    async fn secret(&self, name: String, entry: &str, expected: bool) -> KeySecret {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "get", "secrets");
        let stored = told(answer(&access, secrets.get_opt(&name)).await).map(|it| judged(it, entry));
        let readers = self.readers_of(&name).await;
        KeySecret { name, expected, stored, readers }
    }

    /// Of those that stand for everybody.
    async fn readers_of(&self, secret: &str) -> Known<Vec<String>> {
        let everybody = [
            ("anybody without credentials", "system:anonymous", ["system:unauthenticated"].as_slice()),
            ("everybody with credentials", "kith-check", &["system:authenticated"]),
            (
                "every service account",
                "system:serviceaccount:default:default",
                &["system:serviceaccounts", "system:authenticated"],
            ),
        ];
        let mut readers = Vec::new();
        for (who, user, groups) in everybody {
            if self.may_read(user, groups, secret).await? {
                readers.push(who.to_owned());
            }
        }
        Ok(readers)
    }

    async fn may_read(&self, user: &str, groups: &[&str], secret: &str) -> Known<bool> {
        let attributes = ResourceAttributes {
            verb: Some("get".to_owned()),
            resource: Some("secrets".to_owned()),
            name: Some(secret.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let access = Access::everywhere("create", "subjectaccessreviews.authorization.k8s.io");
        let answered = told(answer(&access, reviews.create(&PostParams::default(), &review)).await)?;
        Ok(answered.status.is_some_and(|status| status.allowed))
    }
}

/// The Secret that is mounted as the key, and the entry of it.
fn key_of(deployment: &Deployment) -> Option<(String, String)> {
    let volumes = deployment.spec.template.spec.as_ref()?.volumes.as_ref()?;
    let mounted = volumes.iter().find(|volume| volume.name == "key")?.secret.as_ref()?;
    let entry = mounted.items.iter().flatten().next().map(|item| item.key.clone());
    Some((mounted.secret_name.clone()?, entry.unwrap_or_else(|| USUAL_ENTRY.to_owned())))
}

/// As the control plane would take it. The content is looked at here, and goes no further.
fn judged(secret: Option<Secret>, entry: &str) -> Stored {
    let Some(secret) = secret else { return Stored::Missing };
    let mut data = secret.data.unwrap_or_default();
    let Some(bytes) = data.remove(entry) else {
        let others: Vec<_> = data.keys().map(String::as_str).collect();
        let has = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        return Stored::Wrong(format!("it has no entry {entry}; it has {has}"));
    };
    match seal_key_of(&Zeroizing::new(bytes.0)) {
        Ok(_) => Stored::Good,
        Err(why) => Stored::Wrong(format!("its entry {entry}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use serde_json::json;

    use super::*;

    fn of(entry: &str, bytes: &[u8]) -> Stored {
        let data = [(entry.to_owned(), ByteString(bytes.to_vec()))].into();
        judged(Some(Secret { data: Some(data), ..Secret::default() }), "key")
    }

    #[test]
    fn the_secret_is_read_as_the_control_plane_reads_it_and_nothing_of_it_is_repeated() {
        assert_eq!(judged(None, "key"), Stored::Missing);
        for good in [&[0xab; 32][..], "0a".repeat(32).as_bytes(), format!("{}\n", "0a".repeat(32)).as_bytes()]
        {
            assert_eq!(of("key", good), Stored::Good);
        }
        for (entry, bytes, why) in [
            ("kee", &[7; 32][..], "it has no entry key; it has kee"),
            ("key", &[7; 31], "31 bytes"),
            ("key", b"", "0 bytes"),
            ("key", "zq".repeat(32).as_bytes(), "hexadecimal"),
            ("key", format!("{}\r\n", "0a".repeat(32)).as_bytes(), "66 bytes"),
            // Encoded once too often, which is the usual slip.
            ("key", b"q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=", "44 bytes"),
        ] {
            let Stored::Wrong(said) = of(entry, bytes) else {
                panic!("{entry} {bytes:?} is taken for a key")
            };
            assert!(said.contains(why), "{said}");
            assert!(!said.contains("zq") && !said.contains("q6u") && !said.contains("0a0a"), "{said}");
        }
        assert_eq!(
            judged(Some(Secret::default()), "key"),
            Stored::Wrong("it has no entry key; it has nothing".into())
        );
    }

    #[test]
    fn the_deployment_names_the_secret_and_its_entry() {
        let named = |secret: serde_json::Value| {
            let volumes = json!([{ "name": "key", "secret": secret }]);
            let template = json!({ "spec": { "containers": [], "volumes": volumes } });
            key_of(
                &serde_json::from_value(json!({ "spec": { "selector": {}, "template": template } })).unwrap(),
            )
        };
        let items = json!([{ "key": "other", "path": "key" }]);
        assert_eq!(named(json!({ "secretName": "a", "items": items })), Some(("a".into(), "other".into())));
        assert_eq!(named(json!({ "secretName": "a" })), Some(("a".into(), "key".into())));
        assert_eq!(named(json!({})), None);
    }
}
