//! Identities as people read them: short where that still names them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kith_identity::SpiffeId;
use kith_proto::v1::StatusResponse;

/// The service account, with its namespace where the other side's differs; a foreign identity whole.
pub fn short(identity: &str, other: Option<&str>) -> String {
    let parse = |text: &str| SpiffeId::parse(text).ok();
    let (Some(id), other) = (parse(identity), other.and_then(parse)) else { return identity.to_owned() };
    let foreign = other.as_ref().is_some_and(|other| other.trust_domain() != id.trust_domain());
    match id.service_account() {
        Some(account) if !foreign => {
            let near = other.as_ref().and_then(SpiffeId::service_account);
            let elsewhere = near.is_some_and(|near| near.namespace != account.namespace);
            if elsewhere {
                format!("{}/{}", account.namespace, account.name)
            } else {
                account.name.to_owned()
            }
        }
        _ => identity.to_owned(),
    }
}

/// How the identities of a mesh are written in a sentence or a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By the service account: a mesh on one machine has one namespace as a rule.
    Local,
    /// By namespace and service account: two of them may be called alike.
    Cluster,
}

impl Naming {
    /// One identity, beside another one.
    pub fn of(self, identity: &str, other: Option<&str>) -> String {
        let short = short(identity, other);
        let account = SpiffeId::parse(identity).ok();
        let account = account.as_ref().and_then(SpiffeId::service_account);
        match (self, account) {
            // A foreign one is whole already.
            (Self::Cluster, Some(account)) if short == account.name => {
                format!("{}/{}", account.namespace, account.name)
            }
            _ => short,
        }
    }
}

/// Namespace and service account, where the trust domain goes without saying; else the identity whole.
pub fn near<'a>(identity: &'a str, trust_domain: &str) -> &'a str {
    let own = identity.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    own.and_then(|rest| rest.strip_prefix("/ns/")).unwrap_or(identity)
}

/// What the identities of a mesh are called.
#[derive(Debug)]
pub enum Names<'a> {
    /// By their workloads, as its control plane knows them.
    Workloads(BTreeMap<&'a str, &'a str>),
    /// By namespace and service account, in this trust domain: in a cluster an identity is that of many pods, which come
    /// and go.
    Accounts(&'a str),
}

impl<'a> Names<'a> {
    /// Of a local mesh. What several workloads have is called by none of them.
    pub fn of_workloads(status: &'a StatusResponse) -> Self {
        let mut names = BTreeMap::new();
        for workload in &status.workloads {
            let several = || near(&workload.identity, &status.trust_domain);
            names
                .entry(workload.identity.as_str())
                .and_modify(|name| *name = several())
                .or_insert(&*workload.name);
        }
        Self::Workloads(names)
    }

    /// Of a mesh in a cluster.
    pub fn of_accounts(status: &'a StatusResponse) -> Self {
        Self::Accounts(&status.trust_domain)
    }

    /// What this identity is called; `None` when it has no name of this mesh.
    pub fn of(&self, identity: &str) -> Option<Cow<'a, str>> {
        match self {
            Self::Workloads(names) => names.get(identity).copied().map(Cow::Borrowed),
            Self::Accounts(trust_domain) => {
                let id = SpiffeId::parse(identity)
                    .ok()
                    .filter(|id| id.trust_domain().as_str() == *trust_domain)?;
                let account = id.service_account()?;
                Some(Cow::Owned(format!("{}/{}", account.namespace, account.name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "spiffe://demo.local/ns/demo/sa/web";

    #[test]
    fn identities_are_short_only_where_that_names_them() {
        let orders = Some("spiffe://demo.local/ns/demo/sa/orders");
        let other = "spiffe://demo.local/ns/other/sa/web";
        let foreign = "spiffe://partner.example/ns/demo/sa/web";
        let plain = "spiffe://demo.local/vm/7";
        for (identity, beside, want) in [
            (WEB, orders, "web"),
            (WEB, None, "web"),
            (other, orders, "other/web"),
            (foreign, orders, foreign),
            (plain, orders, plain),
            ("no identity", orders, "no identity"),
        ] {
            assert_eq!(short(identity, beside), want);
        }
    }

    #[test]
    fn in_a_cluster_the_namespace_is_never_left_out() {
        let orders = Some("spiffe://demo.local/ns/demo/sa/orders");
        let foreign = "spiffe://partner.example/ns/demo/sa/web";
        for (identity, beside, want) in [
            (WEB, orders, "demo/web"),
            (WEB, None, "demo/web"),
            (foreign, orders, foreign),
            ("x", orders, "x"),
        ] {
            assert_eq!(Naming::Cluster.of(identity, beside), want);
        }
        assert_eq!(Naming::Local.of(WEB, orders), "web");
    }

    #[test]
    fn only_the_own_trust_domain_goes_without_saying() {
        for (identity, want) in [
            (WEB, "demo/sa/web"),
            ("spiffe://demo.locale/ns/demo/sa/web", "spiffe://demo.locale/ns/demo/sa/web"),
            ("spiffe://demo.local/vm/7", "spiffe://demo.local/vm/7"),
            ("demo.local/ns/x", "demo.local/ns/x"),
        ] {
            assert_eq!(near(identity, "demo.local"), want);
        }
    }

    #[test]
    fn an_identity_of_several_workloads_is_called_by_its_service_account() {
        let workload = |name: &str, identity: &str| kith_proto::v1::WorkloadStatus {
            name: name.to_owned(),
            identity: identity.to_owned(),
            ..Default::default()
        };
        let other = "spiffe://demo.local/ns/shop/sa/other";
        let status = StatusResponse {
            trust_domain: "demo.local".to_owned(),
            workloads: vec![
                workload("demo/web-0", WEB),
                workload("demo/web-1", WEB),
                workload("shop/other-0", other),
            ],
            ..StatusResponse::default()
        };
        let names = Names::of_workloads(&status);
        let name = |identity| names.of(identity).unwrap();
        assert_eq!((&*name(WEB), &*name(other)), ("demo/sa/web", "shop/other-0"));
    }

    #[test]
    fn in_a_cluster_every_identity_of_the_mesh_has_one_form_whether_its_pods_run_or_not() {
        let status = StatusResponse { trust_domain: "demo.local".to_owned(), ..StatusResponse::default() };
        let names = Names::of_accounts(&status);
        for (identity, want) in [
            (WEB, Some("demo/web")),
            ("spiffe://demo.local/vm/7", None),
            ("spiffe://demo.locale/ns/demo/sa/web", None),
            ("spiffe://partner.example/ns/demo/sa/web", None),
            ("spiffe://demo.local/ns/demo/sa/\u{202e}", None),
        ] {
            assert_eq!(names.of(identity).as_deref(), want, "{identity}");
        }
    }
}
