//! How much longer a pod takes to be ready when it becomes a member of the mesh. Pods start one after another, one of
//! each sort in turn, and have no probes of their own: those would round the figures up to their periods.
//!
//! The kubelet looks at its containers once a second, so every container that another has to wait for costs time, whatever
//! is in it. A third sort of pod has the same steps with next to nothing in them: what is left is the mesh's own part.

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

/// Steps like those of a pod in the mesh. The first prints its flags and ends; the second answers at once.
const STEPS: &str = "
  initContainers:
    - { name: step, image: \"kith.test/app:1\", imagePullPolicy: Never, args: [-h] }
    - name: beside
      image: kith.test/app:1
      imagePullPolicy: Never
      restartPolicy: Always
      args: [--port=8081, --tcp-port=0, --grpc-port=0]
      startupProbe: { httpGet: { path: /, port: 8081 }, periodSeconds: 1 }
      readinessProbe: { httpGet: { path: /, port: 8081 }, periodSeconds: 2 }
";

/// A sort of pod, and how long those of it took.
struct Sort {
    namespace: Namespace,
    manifest: String,
    took: Vec<Duration>,
}

impl Sort {
    fn new(namespace: Namespace, steps: &str) -> Self {
        Self { namespace, manifest: format!("{POD}{}", steps.trim_start_matches('\n')), took: Vec::new() }
    }

    fn start(&self, name: &str) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.namespace.apply(&self.manifest.replace("$NAME", name))?;
        let pod = format!("pod/{name}");
        self.namespace.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=60s"])?;
        let took = begun.elapsed();
        self.namespace.kubectl(&["delete", &pod, "--wait=false"])?;
        Ok(took)
    }
}

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<String>> {
    let mut sorts = [
        Sort::new(Namespace::new("starts-plain", &[], &[])?, ""),
        Sort::new(Namespace::new("starts-steps", &[], &[])?, STEPS),
        Sort::new(Namespace::meshed("starts-meshed")?, ""),
    ];
    // The first of each sort pays for what is only done once.
    for sort in &sorts {
        sort.start("first")?;
    }
    for number in 0..effort.starts {
        for sort in &mut sorts {
            let took = sort.start(&format!("pod-{number}"))?;
            sort.took.push(took);
        }
    }
    let [plain, steps, meshed] = sorts.map(|sort| sort.took);
    Ok(vec![
        line("pod created to ready, outside the mesh", &plain),
        line("pod created to ready, the same steps without the mesh", &steps),
        line("pod created to ready, in the mesh", &meshed),
        more("what the mesh adds to a pod's start", &meshed, &plain),
        more("  of which the kubelet's steps, with nothing in them", &steps, &plain),
    ])
}

fn more(what: &str, of: &[Duration], than: &[Duration]) -> String {
    let [middle, most] = [0.5, 0.99].map(|share| quantile(of, share) - quantile(than, share));
    format!("{what:<58} p50 {middle:>8.0} ms   p99 {most:>8.0} ms")
}
