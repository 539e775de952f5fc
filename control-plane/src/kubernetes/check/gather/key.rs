//! The Secret that seals the authority's file: whether it is there, and who may read it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;

use super::super::facts::{KeySecret, Known};
use super::told;
use crate::kubernetes::error::{Access, answer};
use crate::kubernetes::installation::Installation;

impl Installation {
    /// Of the Secret only whether it is there: its content is nobody's business here.
    pub(super) async fn key(&self, deployment: &Deployment) -> Known<Option<KeySecret>> {
        let Some(name) = key_of(deployment) else { return Ok(None) };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let access = Access::within(&self.namespace, "get", "secrets");
        let exists = told(answer(&access, secrets.get_metadata_opt(&name)).await).map(|it| it.is_some());
        let readers = self.readers_of(&name).await;
        Ok(Some(KeySecret { name, exists, readers }))
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

/// The Secret that is mounted as the key.
fn key_of(deployment: &Deployment) -> Option<String> {
    let volumes = deployment.spec.template.spec.as_ref()?.volumes.as_ref()?;
    let key = volumes.iter().find(|volume| volume.name == "key")?;
    key.secret.as_ref()?.secret_name.clone()
}
