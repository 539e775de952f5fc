//! Quarantines in a cluster whose control plane cannot be asked just now. They are objects, so they are written, deleted
//! and listed all the same. Owns when that is done, and that nothing is claimed which only the control plane knows: who is
//! hit, and since when anything is in force.

use kith_control_plane::kubernetes::{ClusterError, Installation, StoredQuarantine};
use kith_policy::document::quarantine::QuarantineTarget as ObjectTarget;
use kith_proto::convert::to_millis;
use kith_proto::v1::{
    AddQuarantineRequest, ListQuarantinesResponse, Quarantine, QuarantineResponse, RemoveQuarantineRequest,
};

use super::{delete, object_target, store};
use crate::args::Output;
use crate::commands::ask::answered;
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::mesh::Mesh;
use crate::render::quarantine::{Change, EffectJson, stored};
use crate::render::{self, json};

/// When what is written here is so.
const LATER: &str = "it takes force when the control plane hears of it, and until then sidecars keep to what they were \
                     told last";

/// Whether the cluster is there, and only its control plane cannot be asked.
pub(super) fn applies(mesh: &Mesh, error: &anyhow::Error) -> bool {
    let away = match error.downcast_ref() {
        Some(AdminError::Unreachable { .. }) => true,
        Some(AdminError::Cluster(error)) => {
            matches!(error, ClusterError::NotReady { .. } | ClusterError::NotPermitted { .. })
        }
        _ => false,
    };
    away && mesh.installation().is_some()
}

pub(super) async fn add(
    mesh: &Mesh,
    request: &AddQuarantineRequest,
    why: &anyhow::Error,
    output: Output,
) -> anyhow::Result<Exit> {
    let installation = installation(mesh, why)?;
    let target = object_target(request.target.as_ref())?;
    tell(why, &format!("whom it hits is not known here; {LATER}"));
    let known = same(&installation.stored_quarantines().await?, &target);
    let unchanged = !known.is_empty();
    let objects = if unchanged {
        render::report(&format!("kith: cut off already by the Quarantine {}", known.join(", ")));
        known
    } else {
        vec![store(installation, &target, &request.reason).await?.name]
    };
    done(Change::Add, &target, objects, unchanged, output)
}

pub(super) async fn remove(
    mesh: &Mesh,
    request: &RemoveQuarantineRequest,
    why: &anyhow::Error,
    output: Output,
) -> anyhow::Result<Exit> {
    let installation = installation(mesh, why)?;
    let target = object_target(request.target.as_ref())?;
    tell(why, &format!("who is let in again is not known here; {LATER}"));
    let objects = same(&installation.stored_quarantines().await?, &target);
    if objects.is_empty() {
        let list = "see: kith quarantine list";
        return Err(AdminError::BadQuestion {
            reason: format!("no Quarantine means {}; {list}", told(&target)),
        }
        .into());
    }
    delete(installation, &objects).await?;
    done(Change::Remove, &target, objects, false, output)
}

pub(super) async fn list(mesh: &Mesh, why: &anyhow::Error) -> anyhow::Result<ListQuarantinesResponse> {
    let all = installation(mesh, why)?.stored_quarantines().await?;
    tell(why, "these are the objects as they are written; whom each of them hits is not known here");
    let one = |stored: StoredQuarantine| Quarantine {
        identity: match &stored.target {
            Some(ObjectTarget::Identity(identity)) => identity.to_string(),
            _ => String::new(),
        },
        target: stored.target.as_ref().map_or_else(|| "cannot be read".to_owned(), told),
        since_ms: to_millis(stored.since),
        reason: stored.reason,
        object: stored.name,
        ..Quarantine::default()
    };
    Ok(ListQuarantinesResponse { quarantines: all.into_iter().map(one).collect() })
}

/// It was looked at before: there is one wherever this is done.
fn installation<'a>(mesh: &'a Mesh, why: &anyhow::Error) -> anyhow::Result<&'a Installation> {
    mesh.installation().ok_or_else(|| anyhow::anyhow!("{why}"))
}

fn tell(why: &anyhow::Error, so: &str) {
    render::report(&format!("kith: the control plane cannot be asked: {why}"));
    render::report(&format!("kith: {so}"));
}

/// The names of those that mean the same.
fn same(stored: &[StoredQuarantine], target: &ObjectTarget) -> Vec<String> {
    let means = |stored: &&StoredQuarantine| stored.target.as_ref().is_some_and(|it| is_same(it, target));
    stored.iter().filter(means).map(|stored| stored.name.clone()).collect()
}

/// A service account is an identity of the mesh's own trust domain, and no other identity can be cut off.
fn is_same(one: &ObjectTarget, other: &ObjectTarget) -> bool {
    match (one, other) {
        (ObjectTarget::Identity(identity), ObjectTarget::ServiceAccount { namespace, name })
        | (ObjectTarget::ServiceAccount { namespace, name }, ObjectTarget::Identity(identity)) => identity
            .service_account()
            .is_some_and(|it| (it.namespace, it.name) == (namespace.as_str(), name.as_str())),
        _ => one == other,
    }
}

/// As the control plane tells it, as far as that is known.
fn told(target: &ObjectTarget) -> String {
    match target {
        ObjectTarget::Identity(identity) => identity.to_string(),
        ObjectTarget::ServiceAccount { namespace, name } => format!("service account {namespace}/{name}"),
        ObjectTarget::Pod { namespace, name } => format!("pod {namespace}/{name}"),
        ObjectTarget::Node(name) => format!("node {name}"),
    }
}

/// Nobody said that it is in force, which is no success.
fn done(
    change: Change,
    target: &ObjectTarget,
    objects: Vec<String>,
    unchanged: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let identity = match target {
        ObjectTarget::Identity(identity) => identity.to_string(),
        _ => String::new(),
    };
    let answer = QuarantineResponse {
        identity,
        target: told(target),
        objects,
        unchanged,
        ..QuarantineResponse::default()
    };
    let text = match output {
        Output::Table => stored(change, &answer),
        Output::Json => json::pretty(&EffectJson::new(change, false, &answer))?,
    };
    answered(render::print(&text), Exit::Failed)
}

#[cfg(test)]
mod tests {
    use kith_identity::SpiffeId;
    use kith_policy::document::Name;
    use kith_proto::v1::quarantine_target::Of;
    use kith_proto::v1::{NamespacedName, QuarantineTarget};

    use super::*;

    fn account() -> ObjectTarget {
        let of = |text| Name::parse(text).unwrap();
        ObjectTarget::ServiceAccount { namespace: of("shop"), name: of("web") }
    }

    fn asked(of: Of) -> Result<ObjectTarget, AdminError> {
        object_target(Some(&QuarantineTarget { of: Some(of) }))
    }

    #[test]
    fn whom_an_object_can_name_needs_no_control_plane_and_a_workloads_name_does() {
        let named = NamespacedName { namespace: "shop".into(), name: "web".into() };
        assert_eq!(asked(Of::ServiceAccount(named)).unwrap(), account());
        let identity = "spiffe://mesh.example/ns/shop/sa/web";
        let known = asked(Of::Workload(identity.into())).unwrap();
        assert_eq!(known.to_string(), identity);
        for unknown in ["web", "shop/web", "shop/web-0"] {
            let error = asked(Of::Workload(unknown.into())).unwrap_err();
            assert!(error.to_string().contains("--service-account"), "{error}");
        }
        assert!(asked(Of::Node("No Node".into())).is_err());
    }

    #[test]
    fn an_object_that_means_the_same_in_other_words_is_found() {
        let stored = |name: &str, target: Option<ObjectTarget>| StoredQuarantine {
            name: name.into(),
            target,
            since: std::time::UNIX_EPOCH,
            reason: String::new(),
        };
        let identity = |text: &str| ObjectTarget::Identity(SpiffeId::parse(text).unwrap());
        let web = identity("spiffe://mesh.example/ns/shop/sa/web");
        let all = [
            stored("sa-shop-web", Some(account())),
            stored("by-hand", Some(web.clone())),
            stored("other", Some(identity("spiffe://mesh.example/ns/shop/sa/web2"))),
            stored("broken", None),
        ];
        assert_eq!(same(&all, &account()), ["sa-shop-web", "by-hand"]);
        assert_eq!(same(&all, &web), ["sa-shop-web", "by-hand"]);
    }
}
