//! Probes of every kind: the kubelet asks the sidecar, which asks the application, and the answer is the application's.

use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{Namespace, eventually};

use crate::in_mesh;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: $NAME, namespace: NAMESPACE }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: kith.test/app:1
      imagePullPolicy: Never
      args: [--tls-probe]
      ports: [{ name: web, containerPort: 8080 }]
      startupProbe: { exec: { command: [\"true\"] } }
      readinessProbe: { $PROBE, periodSeconds: 1, timeoutSeconds: 2 }
";

/// What answers, and the same of what does not.
const PROBES: [(&str, &str, &str); 5] = [
    ("http", "httpGet: { path: /healthz, port: web }", "httpGet: { path: /status/503, port: 8080 }"),
    (
        "https",
        "httpGet: { path: /healthz, port: 8443, scheme: HTTPS }",
        "httpGet: { path: /healthz, port: 8080, scheme: HTTPS }",
    ),
    ("tcp", "tcpSocket: { port: 9000 }", "tcpSocket: { port: 9999 }"),
    ("grpc", "grpc: { port: 9001 }", "grpc: { port: 9001, service: nobody }"),
    ("exec", "exec: { command: [\"true\"] }", "exec: { command: [\"false\"] }"),
];

fn start(namespace: &Namespace, name: &str, probe: &str) -> anyhow::Result<()> {
    namespace.apply(&POD.replace("$NAME", name).replace("$PROBE", probe))
}

#[test]
fn a_probe_of_every_kind_passes_where_the_application_answers_and_fails_where_it_does_not()
-> anyhow::Result<()> {
    in_mesh("probes", |_, namespace| {
        for (kind, good, bad) in PROBES {
            start(namespace, &format!("good-{kind}"), good)?;
            start(namespace, &format!("bad-{kind}"), bad)?;
        }
        for (kind, ..) in PROBES {
            let pod = format!("pod/good-{kind}");
            namespace.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=60s"])?;
            let pod = format!("bad-{kind}");
            let failed = format!("--field-selector=reason=Unhealthy,involvedObject.name={pod}");
            eventually(Duration::from_secs(30), || {
                let events =
                    namespace.kubectl(&["get", "events", &failed, "-o=jsonpath={.items[*].message}"])?;
                ensure!(events.contains("Readiness probe"), "{pod} is not found unhealthy: {events:?}");
                Ok(())
            })?;
            let ready = "-o=jsonpath={.status.containerStatuses[0].ready}";
            let ready = namespace.kubectl(&["get", "pod", &pod, ready])?;
            ensure!(ready == "false", "{pod} is ready: {ready:?}");
        }
        Ok(())
    })
}
