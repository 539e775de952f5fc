//! Calls between pods: allowed, refused and explained, by every way that leads to a pod.

use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{App, Namespace, apply, eventually, kith, kith_json, run};
use kith_tests::kith_binary;
use serde_json::Value;

use crate::in_mesh;

/// Who calls whom: web calls orders, orders calls payments, and nobody knows intruder.
struct Shop<'a> {
    web: App<'a>,
    orders: App<'a>,
    payments: App<'a>,
    intruder: App<'a>,
}

impl<'a> Shop<'a> {
    fn open(namespace: &'a Namespace) -> anyhow::Result<Self> {
        let [web, orders, payments, intruder] =
            ["web", "orders", "payments", "intruder"].map(|name| App::start(namespace, name, &[]));
        let shop = Self {
            web: web?.ready()?,
            orders: orders?.ready()?,
            payments: payments?.ready()?,
            intruder: intruder?.ready()?,
        };
        shop.orders.allow(&["web"])?;
        shop.payments.allow(&["orders"])?;
        Ok(shop)
    }
}

#[test]
fn a_call_is_answered_where_a_rule_allows_it_and_else_refused_with_an_id_that_why_explains()
-> anyhow::Result<()> {
    in_mesh("shop", |mesh, namespace| {
        let shop = Shop::open(namespace)?;
        shop.web.call_until(&shop.orders.url("/orders/42"), 200)?;
        shop.orders.call_until(&shop.payments.url("/charges"), 200)?;
        let refused = shop.intruder.call_until(&shop.payments.url("/charges"), 403)?;
        ensure!(shop.web.call(&shop.payments.url("/charges"))?.status == 403);

        let id = refused.denial()?;
        let why = eventually(Duration::from_secs(15), || kith_json(&["why", &id]))?;
        let told = why.to_string();
        let intruder = mesh.identity(&namespace.name, "intruder");
        ensure!(told.contains(&intruder) && told.contains("default_deny"), "{why:#}");
        ensure!(told.contains("payments-callers"), "the nearest rule is not named: {why:#}");
        Ok(())
    })
}

#[test]
fn an_edit_of_a_policy_flips_a_call() -> anyhow::Result<()> {
    in_mesh("edit", |_, namespace| {
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        let url = orders.url("/");
        web.call_until(&url, 403)?;
        orders.allow(&["web"])?;
        web.call_until(&url, 200)?;
        orders.allow(&["nobody"])?;
        web.call_until(&url, 403)?;
        orders.allow(&["web", "nobody"])?;
        web.call_until(&url, 200)?;
        namespace.kubectl(&["delete", "kap", "orders-callers"])?;
        web.call_until(&url, 403).map(drop)
    })
}

const HEADLESS: &str = "
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: NAMESPACE }
spec:
  clusterIP: None
  ipFamilyPolicy: PreferDualStack
  selector: { app: orders }
  ports: [{ name: http, port: 8080 }]
";

#[test]
fn both_families_are_captured_by_service_by_pod_and_headless() -> anyhow::Result<()> {
    in_mesh("families", |mesh, namespace| {
        let [web, orders, intruder] =
            ["web", "orders", "intruder"].map(|name| App::start(namespace, name, &[]));
        let (web, orders, intruder) = (web?.ready()?, orders?.ready()?, intruder?.ready()?);
        namespace.apply(HEADLESS)?;
        orders.allow(&["web"])?;
        web.call_until(&orders.url("/"), 200)?;

        let virtual_address = |index: usize| {
            let path = format!("-o=jsonpath={{.spec.clusterIPs[{index}]}}");
            namespace.kubectl(&["get", "service", "orders", &path])
        };
        let (vip4, vip6) = (virtual_address(0)?, virtual_address(1)?);
        let (pod4, pod6) = (orders.pod(".status.podIPs[0].ip")?, orders.pod(".status.podIPs[1].ip")?);
        let ways = [
            ("vip4", format!("http://{vip4}/vip4"), ""),
            ("vip6", format!("http://[{vip6}]/vip6"), ""),
            ("pod4", format!("http://{pod4}:8080/pod4"), ""),
            ("pod6", format!("http://[{pod6}]:8080/pod6"), ""),
            ("name4", orders.url("/name4"), "--family=4"),
            ("name6", orders.url("/name6"), "--family=6"),
            ("headless4", format!("http://headless.{}:8080/headless4", namespace.name), "--family=4"),
            ("headless6", format!("http://headless.{}:8080/headless6", namespace.name), "--family=6"),
        ];
        for (way, url, more) in &ways {
            let allowed = web.call_with(url, more)?;
            ensure!(allowed.status == 200, "{way}: {allowed:?}");
            let refused = intruder.call_with(url, more)?;
            ensure!(refused.status == 403, "{way}: {refused:?}");
        }
        let caller = mesh.identity(&namespace.name, "web");
        let lines = orders.identity_log()?;
        for (way, ..) in &ways {
            let path = format!("/{way}");
            let proven = lines.iter().any(|line| {
                line["url.path"] == *path
                    && line["kith.source.identity"] == *caller
                    && !line["kith.session"].is_null()
            });
            ensure!(proven, "no proven caller in the log of {way}");
        }
        Ok(())
    })
}

#[test]
fn bytes_that_nobody_declared_travel_and_are_refused_like_calls() -> anyhow::Result<()> {
    in_mesh("bytes", |_, namespace| {
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        let echo = format!("echo hello | nc -w 3 orders.{} 9000 || true", namespace.name);
        let said = || web.exec(&["sh", "-c", &echo]);
        ensure!(said()?.is_empty(), "bytes came back without a rule");
        orders.allow(&["web"])?;
        eventually(Duration::from_secs(15), || {
            let said = said()?;
            ensure!(said == "hello\n", "not echoed: {said:?}");
            Ok(())
        })
    })
}

#[test]
fn tap_and_explain_name_pods_and_namespaces() -> anyhow::Result<()> {
    in_mesh("tap", |_, namespace| {
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        orders.allow(&["web"])?;
        let url = orders.url("/tapped");
        web.call_until(&url, 200)?;
        let ends =
            [&web, &orders].map(|app| Ok(format!("{}/{}", namespace.name, app.pod(".metadata.name")?)));
        let [source, destination]: [anyhow::Result<String>; 2] = ends;
        let (source, destination) = (source?, destination?);
        let seen = tapped_while(&destination, || web.call(&url).map(drop))?;
        ensure!(!seen.is_empty(), "no call among what was tapped");
        for call in &seen {
            ensure!(call["src_workload"] == *source && call["dst_workload"] == *destination, "{call}");
        }
        let (from, to) = (format!("{}/web", namespace.name), format!("{}/orders", namespace.name));
        let explained = kith(&["explain", &from, &to, "GET", "/"])?;
        ensure!(explained.stdout.contains(&format!("{from} → {to}")), "{explained:?}");
        Ok(())
    })
}

/// The calls that `kith tap --workload WORKLOAD` shows in a few seconds, while something is done again and again.
fn tapped_while(workload: &str, again: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<Vec<Value>> {
    let kith = kith_binary();
    let kith = kith.to_str().unwrap_or_default();
    let said = std::thread::scope(|scope| {
        let tap = ["--signal=INT", "6", kith, "tap", "--workload", workload, "-o", "json"];
        let tapping = scope.spawn(move || run("timeout", &tap, ""));
        while !tapping.is_finished() {
            again()?;
        }
        tapping.join().map_err(|_| anyhow::anyhow!("the tap panicked"))?
    })?;
    ensure!(!said.stdout.is_empty(), "nothing was tapped: {}", said.stderr);
    let events = said.stdout.lines().map(serde_json::from_str::<Value>);
    let calls = events.filter(|event| event.as_ref().map_or(true, |event| event["kind"] == "call"));
    Ok(calls.collect::<Result<_, _>>()?)
}

#[test]
fn what_enforce_would_refuse_is_counted_apart_and_why_says_what_would_allow_it() -> anyhow::Result<()> {
    in_mesh("would", |mesh, namespace| {
        namespace.kubectl(&[
            "annotate",
            "namespace",
            &namespace.name,
            "config.kith.dev/observe-until=2099-01-31T00:00:00Z",
        ])?;
        namespace.kubectl(&["label", "namespace", &namespace.name, "kith.dev/posture=Observe"])?;
        let [web, orders] = ["web", "orders"].map(|name| App::start(namespace, name, &[]));
        let (web, orders) = (web?.ready()?, orders?.ready()?);
        web.call_until(&orders.url("/would"), 200)?;
        let (source, destination) =
            (mesh.identity(&namespace.name, "web"), mesh.identity(&namespace.name, "orders"));
        eventually(Duration::from_secs(15), || {
            let edges = kith_json(&["edges"])?;
            let all = edges["edges"].as_array().into_iter().flatten();
            let edge = all.into_iter().find(|it| it["src"] == *source && it["dst"] == *destination);
            let counted = |key: &str| edge.and_then(|edge| edge[key].as_u64()).unwrap_or_default();
            ensure!(counted("would_deny") > 0 && counted("allowed") == 0, "{edges:#}");
            let status = kith_json(&["status"])?;
            let all = status["workloads"].as_array().into_iter().flatten();
            let called = all.into_iter().find(|it| it["identity"] == *destination);
            ensure!(called.is_some_and(|it| it["would_deny"].as_u64() > Some(0)), "{status:#}");
            Ok(())
        })?;
        let id = eventually(Duration::from_secs(15), || {
            let lines = orders.identity_log()?;
            let would = lines.iter().find(|line| line["url.path"] == "/would");
            let id = would.and_then(|line| line["kith.would_deny.id"].as_str().map(str::to_owned));
            id.ok_or_else(|| anyhow::anyhow!("no line with an id: {lines:?}"))
        })?;
        let why = kith_json(&["why", &id])?;
        ensure!(why["no_suggestion"].is_null() && why["allowed_now"] == false, "{why:#}");
        let Some(suggestion) = why["suggestion"].as_str() else { anyhow::bail!("no suggestion: {why:#}") };
        apply(suggestion)?;
        eventually(Duration::from_secs(15), || {
            let why = kith_json(&["why", &id])?;
            ensure!(why["allowed_now"] == true && why["no_suggestion"].is_null(), "{why:#}");
            Ok(())
        })
    })
}
