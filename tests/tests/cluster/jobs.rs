//! Work that ends: a Job is complete soon after its own container, although it has a sidecar.

use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{App, eventually};

use crate::in_mesh;

const JOB: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: { name: report, namespace: NAMESPACE }
---
apiVersion: batch/v1
kind: Job
metadata: { name: report, namespace: NAMESPACE }
spec:
  backoffLimit: 0
  template:
    metadata: { labels: { app: report } }
    spec:
      serviceAccountName: report
      restartPolicy: Never
      containers:
        - name: app
          image: kith.test/app:1
          imagePullPolicy: Never
          args: [--once, \"http://orders.NAMESPACE/report\"]
";

#[test]
fn a_job_calls_in_the_mesh_and_is_complete_within_5_s_of_its_own_container() -> anyhow::Result<()> {
    in_mesh("jobs", |_, namespace| {
        let orders = App::start(namespace, "orders", &[])?.ready()?;
        orders.allow(&["report"])?;
        namespace.kubectl(&["wait", "--for=condition=Programmed", "kap/orders-callers", "--timeout=30s"])?;
        namespace.apply(JOB)?;
        let field = |what: &[&str], path: &str| {
            let path = format!("-o=jsonpath={path}");
            namespace.kubectl(&[&["get"], what, &[path.as_str()]].concat())
        };
        let exit = "{.items[0].status.containerStatuses[0].state.terminated.exitCode}";
        eventually(Duration::from_secs(60), || {
            let exit = field(&["pods", "--selector=app=report"], exit)?;
            ensure!(exit == "0", "the container has not ended well: {exit:?}");
            Ok(())
        })?;
        eventually(Duration::from_secs(5), || {
            let succeeded = field(&["job", "report"], "{.status.succeeded}")?;
            ensure!(succeeded == "1", "the job is not complete");
            Ok(())
        })
    })
}
