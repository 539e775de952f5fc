//! Clients of the API server: for the control plane in its pod, and for a person with a kubeconfig. Owns how long they
//! wait and what they call themselves.
//!
//! kube brings its own TLS: that of the cluster, whose certificates have whatever keys its administrators chose. It makes
//! its provider the process's default, which nothing of ours uses: the mesh's is passed explicitly, always.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// An API server in the same data centre answers in milliseconds, or is away.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// For requests to leave the machine. Answers have no limit here: a watch may be silent for long, and whoever asks for
/// one thing sets a limit of its own.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
const OUR_NAME: &str = concat!("kith/", env!("CARGO_PKG_VERSION"));

/// Why the API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The pod's service account is not mounted, or this is no pod.
    #[error("this process is not in a pod that may ask the API server: {0}")]
    InCluster(#[from] InClusterError),
    /// The kubeconfig is wrong, or does not have the context.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is no client for what was configured.
    #[error("the API server cannot be reached as configured: {0}")]
    Client(#[from] kube::Error),
}

/// For a pod: by its service account's token, which is read again as the kubelet renews it.
pub(crate) fn in_cluster() -> Result<Client, ClientError> {
    client(Config::incluster()?)
}

/// For a person: by these files, the first of which wins where they differ, or by the default one where there is none; and
/// by the current context unless another is named.
pub(crate) async fn from_kubeconfig(files: &[PathBuf], context: Option<&str>) -> Result<Client, ClientError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut merged: Option<Kubeconfig> = None;
    for file in files {
        let next = Kubeconfig::read_from(file)?;
        merged = Some(match merged {
            Some(former) => former.merge(next)?,
            None => next,
        });
    }
    match merged {
        Some(kubeconfig) => client(Config::from_custom_kubeconfig(kubeconfig, &options).await?),
        None => client(Config::from_kubeconfig(&options).await?),
    }
}

fn client(mut config: Config) -> Result<Client, ClientError> {
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.write_timeout = Some(WRITE_LIMIT);
    config.headers.push((USER_AGENT, HeaderValue::from_static(OUR_NAME)));
    Ok(Client::try_from(config)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: one
clusters: [{ name: here, cluster: { server: 'https://127.0.0.1:6443' } }]
users: [{ name: me, user: {} }]
contexts: [{ name: one, context: { cluster: here, user: me, namespace: shop } }]
";

    #[tokio::test]
    async fn a_kubeconfig_makes_a_client_of_its_context_and_an_unknown_context_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = [folder.path().join("config")];
        std::fs::write(&files[0], KUBECONFIG).unwrap();
        let client = from_kubeconfig(&files, None).await.unwrap();
        assert_eq!(client.default_namespace(), "shop");
        let error = from_kubeconfig(&files, Some("two")).await.err().expect("there is no such context");
        assert!(error.to_string().contains("two"), "{error}");
        let error =
            from_kubeconfig(&[folder.path().join("none")], None).await.err().expect("there is no such file");
        assert!(error.to_string().contains("none"), "{error}");
    }
}
