//! Who is excused, from what, and what is said of it: pods that just start, and those that are quarantined.

use kith_identity::SpiffeId;
use kith_policy::document::Name;
use kith_policy::document::quarantine::QuarantineTarget;

use super::*;
use crate::kubernetes::check::Outcome::{Error, Ok as Good, Warning};
use crate::kubernetes::check::facts::Quarantine;

const SIDECARS: [&str; 3] = ["sidecars-ready", "sidecars-connected", "sidecars-current"];

fn detail(facts: &Facts, id: &str) -> Option<String> {
    let of = CHECKS.iter().find(|check| check.id == id).unwrap();
    (of.judge)(facts).detail
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn service_account(namespace: &str, account: &str) -> QuarantineTarget {
    QuarantineTarget::ServiceAccount { namespace: name(namespace), name: name(account) }
}

fn pod(namespace: &str, pod: &str) -> QuarantineTarget {
    QuarantineTarget::Pod { namespace: name(namespace), name: name(pod) }
}

fn identity(text: &str) -> QuarantineTarget {
    QuarantineTarget::Identity(SpiffeId::parse(text).unwrap())
}

/// `web-0` lost its calls, or was made anew and got no svid.
fn down(target: Option<QuarantineTarget>, change: impl FnOnce(&mut Facts)) -> Facts {
    with(|facts| {
        let first = &mut facts.pods.as_mut().unwrap()[0];
        (first.service_account, first.node, first.sidecar_ready) = ("web".into(), "n1".into(), false);
        let workload = &mut facts.status.as_mut().unwrap().workloads[0];
        workload.identity = "spiffe://mesh.example/ns/shop/sa/web".into();
        (workload.connected, workload.acknowledged, workload.quarantined) = (false, None, true);
        facts.quarantines = Ok(vec![Quarantine { name: "leak".into(), target }]);
        change(facts);
    })
}

fn unasked(facts: &mut Facts) {
    facts.status = Err("no control plane is ready".into());
}

/// A pod that the control plane has not heard of yet.
fn unheard(facts: &mut Facts) {
    facts.status.as_mut().unwrap().workloads.remove(0);
}

#[test]
fn who_is_quarantined_is_meant_to_be_down() {
    let named = "shop/web-0 is quarantined by leak";
    let same = identity("spiffe://mesh.example/ns/shop/sa/web");
    for target in
        [pod("shop", "web-0"), service_account("shop", "web"), QuarantineTarget::Node(name("n1")), same]
    {
        for change in [|_: &mut Facts| {}, unasked, unheard] {
            let facts = down(Some(target.clone()), change);
            assert_eq!(found(&facts, "sidecars-ready"), (Warning, named.into()), "{target}");
        }
        let facts = down(Some(target), |_| {});
        for id in ["sidecars-connected", "sidecars-current"] {
            assert_eq!(found(&facts, id), (Good, String::new()), "{id}");
            assert_eq!(detail(&facts, id).as_deref(), Some("1 quarantined, and not counted"), "{id}");
        }
    }
    // The control plane knows it, and the objects are not readable, or not to be read.
    for facts in [down(None, |_| {}), down(None, |it| it.quarantines = Err("you may not look".into()))] {
        assert_eq!(found(&facts, "sidecars-ready"), (Warning, "shop/web-0 is quarantined".into()));
    }
}

#[test]
fn a_quarantine_excuses_nobody_else() {
    let elsewhere = identity("spiffe://mesh.example/ns/shop/sa/orders");
    let others = [pod("shop", "web-1"), pod("bank", "web-0"), service_account("shop", "orders")];
    let others = others.into_iter().chain([
        service_account("bank", "web"),
        QuarantineTarget::Node(name("n2")),
        elsewhere,
    ]);
    for target in others {
        for change in [unasked, unheard] {
            let (outcome, causes) = found(&down(Some(target.clone()), change), "sidecars-ready");
            assert_eq!(
                (outcome, causes.as_str()),
                (Error, "the sidecar of shop/web-0 is not ready"),
                "{target}"
            );
        }
    }
    // It is stored, and the control plane says that it is not in force.
    let facts =
        down(Some(pod("shop", "web-0")), |it| it.status.as_mut().unwrap().workloads[0].quarantined = false);
    assert_eq!(found(&facts, "sidecars-ready").0, Error);
    assert_eq!(found(&facts, "sidecars-connected").0, Error);
}

#[test]
fn what_is_broken_is_not_hidden_by_who_is_quarantined() {
    let facts = down(Some(pod("shop", "web-0")), |it| it.pods.as_mut().unwrap()[1].sidecar_ready = false);
    assert_eq!(found(&facts, "sidecars-ready"), (Error, "the sidecar of shop/web-1 is not ready".into()));
}

#[test]
fn a_rollout_is_no_error() {
    let made = |ago: u64| {
        with(|facts| {
            let created = Some(now() - Duration::from_secs(ago));
            let new = Pod { created, sidecar_ready: false, ..member("web-0") };
            facts.pods = Ok(vec![new, member("web-1")]);
            let workload = &mut facts.status.as_mut().unwrap().workloads[0];
            (workload.connected, workload.acknowledged) = (false, None);
        })
    };
    for id in SIDECARS {
        assert_eq!(found(&made(9), id), (Good, String::new()), "{id}");
        assert_eq!(detail(&made(9), id).as_deref(), Some("1 just starting, and not counted yet"), "{id}");
    }
    assert_eq!(found(&made(10), "sidecars-ready").0, Error);
    let both = down(Some(pod("shop", "web-0")), |facts| {
        facts.pods.as_mut().unwrap()[1].created = Some(now());
        facts.pods.as_mut().unwrap()[0].sidecar_ready = true;
    });
    let told = "1 just starting, and not counted yet; 1 quarantined, and not counted";
    assert_eq!(detail(&both, "sidecars-ready").as_deref(), Some(told));
}
