//! The application of the cluster (`tests/cluster/app`) as a Deployment with a Service of both families, and the calls
//! that it is asked to make.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::{Namespace, run};

const MANIFEST: &str = include_str!("application.yaml");

/// A Deployment of the application, whose service account, label `app` and Service have its name.
#[derive(Debug)]
pub struct App<'a> {
    namespace: &'a Namespace,
    name: &'static str,
}

/// What became of one call, as the caller saw it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Called {
    /// The status of the answer; 0 where there was none.
    #[serde(default)]
    pub status: u16,
    /// The beginning of its body.
    #[serde(default)]
    pub body: String,
    /// Its headers that are Kith's.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Why there was no answer.
    #[serde(default)]
    pub error: String,
}

/// What became of continual calls: attempted = ok + refused + failed + those under way.
#[derive(Debug, Clone, Deserialize)]
pub struct Counts {
    /// Calls begun.
    pub attempted: u64,
    /// Answered with 2xx.
    pub ok: u64,
    /// Answered otherwise, by status.
    pub refused: BTreeMap<String, u64>,
    /// Not answered, by error.
    pub failed: BTreeMap<String, u64>,
}

impl<'a> App<'a> {
    /// Applies it, with these arguments of the application; it is not waited for.
    pub fn start(namespace: &'a Namespace, name: &'static str, args: &[&str]) -> anyhow::Result<Self> {
        let args = serde_json::to_string(args)?;
        namespace.apply(&MANIFEST.replace("$NAME", name).replace("$ARGS", &args))?;
        Ok(Self { namespace, name })
    }

    /// Waits until every pod of it is ready.
    pub fn ready(self) -> anyhow::Result<Self> {
        let deployment = format!("deployment/{}", self.name);
        self.namespace.kubectl(&["rollout", "status", &deployment, "--timeout=90s"])?;
        Ok(self)
    }

    /// What is appended to its Service's name: `http://orders.shop`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}.{}{path}", self.name, self.namespace.name)
    }

    /// A field of its one pod, by JSON path.
    pub fn pod(&self, field: &str) -> anyhow::Result<String> {
        let selector = format!("--selector=app={}", self.name);
        let path = format!("-o=jsonpath={{.items[0]{field}}}");
        self.namespace.kubectl(&["get", "pods", "--field-selector=status.phase=Running", &selector, &path])
    }

    /// Runs a command in its container.
    pub fn exec(&self, command: &[&str]) -> anyhow::Result<String> {
        let deployment = format!("deployment/{}", self.name);
        self.namespace.kubectl(&[&["exec", &deployment, "-c", "app", "--"], command].concat())
    }

    /// Makes one call.
    pub fn call(&self, url: &str) -> anyhow::Result<Called> {
        self.call_with(url, "")
    }

    /// Makes one call with one more flag of the application, such as `--family=6`; "" is none.
    pub fn call_with(&self, url: &str, flag: &str) -> anyhow::Result<Called> {
        let deployment = format!("deployment/{}", self.name);
        let mut command = vec!["--namespace", &self.namespace.name, "exec", &deployment, "-c", "app", "--"];
        command.extend(["/kith-test-app", "--timeout=5s", "--once", url]);
        command.extend(Some(flag).filter(|flag| !flag.is_empty()));
        // It ends as the call did, and reports that in any case.
        let said = run("kubectl", &command, "")?;
        serde_json::from_str(&said.stdout).with_context(|| format!("no call was made: {said:?}"))
    }

    /// Calls until the answer has this status.
    pub fn call_until(&self, url: &str, status: u16) -> anyhow::Result<Called> {
        super::eventually(super::Duration::from_secs(15), || {
            let called = self.call(url)?;
            ensure!(called.status == status, "{url}: not {status}: {called:?}");
            Ok(called)
        })
    }

    /// What became of the calls that its arguments ask for.
    pub fn counts(&self) -> anyhow::Result<Counts> {
        let text = self.exec(&["wget", "-qO-", "http://127.0.0.1:8080/counts"])?;
        serde_json::from_str(&text).with_context(|| text.clone())
    }

    /// The lines of its sidecar's identity log, as far as they are JSON.
    pub fn identity_log(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        let deployment = format!("deployment/{}", self.name);
        let text = self.namespace.kubectl(&["logs", &deployment, "-c", "kith-sidecar", "--tail=-1"])?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// A policy that lets these service accounts of the same namespace call it, for any request.
    pub fn allow(&self, callers: &[&str]) -> anyhow::Result<()> {
        let source = |name: &&str| {
            format!(
                "    - {{ type: ServiceAccount, serviceAccount: {{ namespace: NAMESPACE, name: {name} }} }}\n"
            )
        };
        let sources: String = callers.iter().map(source).collect();
        self.namespace.apply(&format!(
            "apiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {{ name: {name}-callers, \
             namespace: NAMESPACE }}\nspec:\n  targetRefs: [{{ kind: Pod, selector: {{ matchLabels: {{ app: {name} \
             }} }} }}]\n  action: ALLOW\n  rules:\n  - name: callers\n    sources:\n{sources}",
            name = self.name,
        ))
    }
}

impl Called {
    /// The id of the denial that the answer names, in its header and in its body.
    pub fn denial(&self) -> anyhow::Result<String> {
        let id = self.headers.get("kith-denial-id").with_context(|| format!("no denial: {self:?}"))?;
        ensure!(id.len() == 32 && self.body.contains(id), "another id in the body: {self:?}");
        Ok(id.clone())
    }
}

impl Counts {
    /// Calls that did not end well.
    pub fn lost(&self) -> u64 {
        self.refused.values().chain(self.failed.values()).sum()
    }
}
