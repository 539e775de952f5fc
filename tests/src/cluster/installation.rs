//! Kith in the cluster, installed from the repository's charts as people install it, with short svids.

use std::sync::OnceLock;

use anyhow::{anyhow, ensure};

use super::{Said, apply, helm, kith, kubectl, run};
use crate::binary::repository;

/// The trust domain of every installation here.
const TRUST_DOMAIN: &str = "mesh.example";
/// How long an svid holds, in seconds: the shortest that `dev` allows.
const SVID_SECONDS: u32 = 20;

/// What runs.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The trust domain.
    pub trust_domain: &'static str,
    /// The namespace of the control plane.
    pub namespace: &'static str,
    /// How long an svid holds, in seconds.
    pub svid_seconds: u32,
}

/// Installs it, once for all scenarios of a process.
pub fn install() -> anyhow::Result<&'static Installation> {
    static INSTALLED: OnceLock<Result<Installation, String>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| first().map_err(|error| format!("{error:?}")));
    installed.as_ref().map_err(|error| anyhow!("the installation failed: {error}"))
}

fn first() -> anyhow::Result<Installation> {
    let installation =
        Installation { trust_domain: TRUST_DOMAIN, namespace: "kith", svid_seconds: SVID_SECONDS };
    helm(&["upgrade", "--install", "kith-crds", &chart("kith-crds"), "--wait"])?;
    apply("apiVersion: v1\nkind: Namespace\nmetadata: { name: kith }\n")?;
    let key = format!("--from-literal=key={}", "5a".repeat(32));
    let made = run("kubectl", &["--namespace=kith", "create", "secret", "generic", "kith-key", &key], "")?;
    ensure!(made.code == 0 || made.stderr.contains("already exists"), "{}", made.stderr);
    installation.upgrade(&[])?;
    Ok(installation)
}

impl Installation {
    /// `helm upgrade --install` with more values, waited for.
    pub fn upgrade(&self, more: &[&str]) -> anyhow::Result<()> {
        let (domain, seconds) =
            (format!("trustDomain={}", self.trust_domain), format!("svidSeconds={}", self.svid_seconds));
        let chart = chart("kith");
        let mut args = vec!["upgrade", "--install", "kith", &chart, "--namespace", self.namespace];
        let values = [domain.as_str(), &seconds, "keySecret=kith-key", "dev=true", "image.pullPolicy=Never"];
        args.extend(values.iter().chain(more).flat_map(|value| ["--set", value]));
        helm(&[&args[..], &["--wait", "--timeout=120s"]].concat())?;
        Ok(())
    }

    /// `kith check`.
    pub fn check(&self, more: &[&str]) -> anyhow::Result<Said> {
        kith(&[&["check", "--namespace", self.namespace], more].concat())
    }

    /// An identity of its trust domain.
    pub fn identity(&self, namespace: &str, account: &str) -> String {
        format!("spiffe://{}/ns/{namespace}/sa/{account}", self.trust_domain)
    }

    /// Waits until the control plane serves.
    pub fn ready(&self) -> anyhow::Result<()> {
        let here = ["--namespace", self.namespace];
        kubectl(
            &[&here[..], &["rollout", "status", "deployment/kith-control-plane", "--timeout=90s"]].concat(),
        )
        .map(drop)
    }
}

/// `helm uninstall`, as people do.
pub fn uninstall() -> anyhow::Result<()> {
    helm(&["uninstall", "kith", "--namespace=kith", "--wait"]).map(drop)
}

fn chart(name: &str) -> String {
    repository().join("charts").join(name).display().to_string()
}
