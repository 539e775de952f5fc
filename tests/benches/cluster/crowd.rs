//! Many pods at once: what their renewals ask of the API server, how long webhooks take, and what sidecars and control
//! plane hold in memory.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kith_tests::cluster::{App, Namespace, eventually, kubectl};
use serde_json::Value;

use crate::Effort;
use crate::prometheus::{Page, label};

const WRITES: [&str; 5] = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
const CONTROL_PLANE: &str = "/api/v1/namespaces/kith/services/kith-control-plane:7454/proxy/metrics";

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<String>> {
    let namespace = Namespace::meshed("crowd")?;
    App::start(&namespace, "crowd", &[])?;
    namespace.kubectl(&["scale", "deployment/crowd", &format!("--replicas={}", effort.crowd)])?;
    namespace.kubectl(&["rollout", "status", "deployment/crowd", "--timeout=170s"])?;
    let mut lines = renewals(effort)?;
    lines.push(webhook()?);
    lines.extend(memory(effort)?);
    Ok(lines)
}

/// What was written to the API server while so many svids were renewed. The cluster's own writing, of leases, of nodes
/// and of events, is told apart by its resource.
fn renewals(effort: Effort) -> anyhow::Result<Vec<String>> {
    let (before, issued) = (Page::at("/metrics")?, issued()?);
    let renewed = eventually(Duration::from_secs(600), || {
        let renewed = self::issued()? - issued;
        ensure!(renewed >= effort.renewals as f64, "only {renewed} renewals");
        Ok(renewed)
    })?;
    let after = Page::at("/metrics")?;
    let mut written: BTreeMap<String, f64> = BTreeMap::new();
    for verb in WRITES {
        let label_of_verb = format!("verb=\"{verb}\"");
        for (series, count) in after.of("apiserver_request_total", &[&label_of_verb]) {
            let more = count - before.value(series);
            let resource = label(series, "resource").unwrap_or_default();
            let group = label(series, "group").unwrap_or_default();
            *written.entry(format!("{verb} {resource} {group}")).or_default() += more;
        }
    }
    written.retain(|_, count| *count > 0.0);
    let per_thousand = |count: f64| count / renewed * 1000.0;
    let is_review = |what: &str| what.contains("tokenreviews") || what.contains("subjectaccessreviews");
    let of_cluster = |what: &str| ["leases", "events", "nodes"].iter().any(|own| what.contains(own));
    let sum = |wanted: &dyn Fn(&str) -> bool| {
        written.iter().filter(|(what, _)| wanted(what)).fold(0.0, |sum, (_, count)| sum + count)
    };
    let stored = sum(&|what| !is_review(what) && !of_cluster(what));
    let reviews = sum(&|what| what.contains("tokenreviews"));
    let mut lines = vec![
        format!("{:<58} {:>8.0}", "objects written per 1,000 renewals", per_thousand(stored)),
        format!(
            "{:<58} {:>8.0}",
            "token reviews per 1,000 renewals (nothing is stored)",
            per_thousand(reviews)
        ),
    ];
    let shown = written.iter().filter(|(what, _)| !is_review(what));
    lines.extend(shown.map(|(what, count)| format!("  meanwhile {what}: {count:.0}")));
    Ok(lines)
}

fn issued() -> anyhow::Result<f64> {
    Ok(Page::at(CONTROL_PLANE)?.sum("kith_svids_issued_total", &[]))
}

fn webhook() -> anyhow::Result<String> {
    let page = Page::at("/metrics")?;
    let name = "apiserver_admission_webhook_admission_duration_seconds_bucket";
    let share = |of| page.bucket(name, &["name=\"inject.kith.dev\""], of);
    let (middle, most) = (share(0.5)? * 1000.0, share(0.99)? * 1000.0);
    Ok(format!(
        "{:<58} p50 <={middle:>6.0} ms   p99 <={most:>6.0} ms",
        "injecting webhook, as the API server sees it"
    ))
}

/// The kubelet's own figures: working sets.
fn memory(effort: Effort) -> anyhow::Result<Vec<String>> {
    let node = kubectl(&["get", "nodes", "-o=jsonpath={.items[0].metadata.name}"])?;
    // The kubelet counts every ten seconds or so.
    eventually(Duration::from_secs(60), || {
        let summary: Value = serde_json::from_str(&kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/nodes/{node}/proxy/stats/summary"),
        ])?)?;
        let containers = |name: &str| -> Vec<f64> {
            let pods = summary["pods"].as_array().into_iter().flatten();
            let all = pods.flat_map(|pod| pod["containers"].as_array().into_iter().flatten());
            let named = all.filter(|container| container["name"] == *name);
            let mib =
                |container: &Value| Some(container["memory"]["workingSetBytes"].as_f64()? / 1024.0 / 1024.0);
            let mut found: Vec<f64> = named.filter_map(mib).collect();
            found.sort_by(f64::total_cmp);
            found
        };
        let (sidecars, control_plane) = (containers("kith-sidecar"), containers("control-plane"));
        ensure!(sidecars.len() >= effort.crowd, "figures of {} sidecars", sidecars.len());
        let middle = sidecars.get(sidecars.len() / 2).context("no sidecar")?;
        let most = sidecars.last().context("no sidecar")?;
        let control_plane = control_plane.last().context("no control plane")?;
        let pods = effort.crowd;
        Ok(vec![
            format!(
                "{:<58} p50 {middle:>8.1} MiB  max {most:>8.1} MiB",
                format!("memory of a sidecar, {pods} pods")
            ),
            format!(
                "{:<58}     {control_plane:>8.1} MiB",
                format!("memory of the control plane, {pods} pods")
            ),
        ])
    })
}
