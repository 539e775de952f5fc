//! An Envoy: its process, and what its admin socket says of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::ground::{AGAIN, Lines, SOON, ours, part, text};

/// A process of our own making.
pub(super) struct Envoy {
    admin: Admin,
    process: Child,
    complaints: Lines,
    _folder: TempDir,
}

impl Envoy {
    /// Starts it with a bootstrap of `tests/interop/envoy`, and waits until it listens.
    pub(super) async fn start(template: &str, variables: &BTreeMap<&str, String>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(ours("envoy/run"));
        command.args(arguments(template, folder.path())?).envs(variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let complaints = Lines::of(process.stderr.take().context("no stderr")?);
        let mut envoy = Self { admin: Admin::of(folder.path()), process, complaints, _folder: folder };
        envoy.until_ready().await?;
        Ok(envoy)
    }

    /// Where one of its listeners is.
    pub(super) async fn listener(&self, name: &str) -> anyhow::Result<SocketAddr> {
        self.admin.listener(name).await
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            ready = self.admin.until_ready() => ready,
            ended = self.process.wait() => {
                let said = self.complaints.until(|_| None::<()>).await;
                said.with_context(|| format!("Envoy ended: {ended:?}"))
            }
        }
    }
}

/// What `tests/interop/envoy/run` is told; it becomes Envoy.
pub(super) fn arguments(template: &str, folder: &Path) -> anyhow::Result<[String; 3]> {
    Ok([text(&part("venv/bin/envoy")?)?, text(&ours("envoy").join(template))?, text(folder)?])
}

/// The admin socket of an Envoy.
pub(super) struct Admin(PathBuf);

impl Admin {
    /// Of the Envoy that has this folder.
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join("admin.sock"))
    }

    /// Waits until every listener is there: those with SDS once they have their certificates.
    pub(super) async fn until_ready(&self) -> anyhow::Result<()> {
        let ready = async {
            while !self.ask("/ready").await.is_ok_and(|said| said.starts_with("LIVE")) {
                sleep(AGAIN).await;
            }
        };
        timeout(SOON, ready).await.context("Envoy is not ready")
    }

    /// Where a listener is.
    pub(super) async fn listener(&self, name: &str) -> anyhow::Result<SocketAddr> {
        let all: Value = serde_json::from_str(&self.ask("/listeners?format=json").await?)?;
        let listeners = all["listener_statuses"].as_array().context("no listeners")?;
        let found = listeners.iter().find(|listener| listener["name"] == name).context("no such listener")?;
        let place = &found["local_address"]["socket_address"];
        let port = place["port_value"].as_u64().context("no port")?;
        Ok(SocketAddr::new(place["address"].as_str().context("no address")?.parse()?, u16::try_from(port)?))
    }

    /// The serial numbers of the certificates that it presents.
    pub(super) async fn serials(&self) -> anyhow::Result<Vec<String>> {
        let all: Value = serde_json::from_str(&self.ask("/certs").await?)?;
        let sets = all["certificates"].as_array().context("no certificates")?;
        let chains = sets.iter().filter_map(|set| set["cert_chain"][0]["serial_number"].as_str());
        Ok(chains.map(str::to_owned).collect())
    }

    async fn ask(&self, path: &str) -> anyhow::Result<String> {
        let stream = UnixStream::connect(&self.0).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path).header("host", "admin").body(Empty::<bytes::Bytes>::new())?;
        let answered = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            ensure!(status.is_success(), "{path}: {status}");
            Ok(String::from_utf8(body.to_vec())?)
        };
        tokio::select! {
            biased;
            answered = answered => answered,
            ended = connection => { ended?; anyhow::bail!("{path}: Envoy closed the connection") }
        }
    }
}
