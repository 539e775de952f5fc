//! Identities as people read them: short where that still names them.

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

/// Namespace and service account, where the trust domain goes without saying; else the identity whole.
pub fn near<'a>(identity: &'a str, trust_domain: &str) -> &'a str {
    let own = identity.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(trust_domain));
    own.and_then(|rest| rest.strip_prefix("/ns/")).unwrap_or(identity)
}

/// What the identities of a mesh are called.
#[derive(Debug, Default)]
pub struct Names<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    /// As its control plane knows them. What several workloads have is called by none of them.
    pub fn new(status: &'a StatusResponse) -> Self {
        let mut names = BTreeMap::new();
        for workload in &status.workloads {
            let several = || near(&workload.identity, &status.trust_domain);
            names
                .entry(workload.identity.as_str())
                .and_modify(|name| *name = several())
                .or_insert(&*workload.name);
        }
        Self(names)
    }

    /// The name of the workload with this identity; of several, their namespace and service account; `None` when there is
    /// none.
    pub fn of(&self, identity: &str) -> Option<&'a str> {
        self.0.get(identity).copied()
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
        let names = Names::new(&status);
        assert_eq!((names.of(WEB), names.of(other)), (Some("demo/sa/web"), Some("shop/other-0")));
    }
}
