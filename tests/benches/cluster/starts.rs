//! How much longer a pod takes to be ready when it becomes a member of the mesh. Pods start one after another, one of
//! each sort in turn, and have no probes of their own: those would round the figures up to their periods.

use std::time::Duration;

use kith_tests::cluster::Namespace;
use tokio::time::Instant;

use crate::Effort;
use crate::quantile::{line, quantile};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: $NAME, namespace: NAMESPACE }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: app, image: \"kith.test/app:1\", imagePullPolicy: Never }]
";

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<String>> {
    let (plain, meshed) = (Namespace::new("starts-plain", &[], &[])?, Namespace::meshed("starts-meshed")?);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // The first of each sort pays for what is only done once.
    start(&plain, "first")?;
    start(&meshed, "first")?;
    for number in 0..effort.starts {
        without.push(start(&plain, &format!("pod-{number}"))?);
        with.push(start(&meshed, &format!("pod-{number}"))?);
    }
    let [middle, most] = [0.5, 0.99].map(|of| quantile(&with, of) - quantile(&without, of));
    Ok(vec![
        line("pod created to ready, outside the mesh", &without),
        line("pod created to ready, in the mesh", &with),
        format!("{:<58} p50 {middle:>8.0} ms   p99 {most:>8.0} ms", "what the mesh adds to a pod's start"),
    ])
}

fn start(namespace: &Namespace, name: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    namespace.apply(&POD.replace("$NAME", name))?;
    let pod = format!("pod/{name}");
    namespace.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=60s"])?;
    let took = begun.elapsed();
    namespace.kubectl(&["delete", &pod, "--wait=false"])?;
    Ok(took)
}
