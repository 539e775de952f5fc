//! The other end: a program of somebody else's with the svid of files, as a client and as a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, bail};
use kith_runtime::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::authority::Files;
use crate::envoy::Envoy;
use crate::ground::{Lines, SOON, ours, part, text};
use crate::kith_side::{GNIP, PING, line_of};

/// Whose program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// `openssl s_client` and `s_server`: they verify the chain, and have no word for an identity.
    OpenSsl,
    /// go-spiffe's `tlsconfig`.
    GoSpiffe,
    /// PyPI's spiffe-tls, `dial` and `listen`: they have no setting for the version of TLS.
    SpiffeTls,
    /// The `SSLContext` of the same.
    SpiffeTlsContext,
    /// Envoy with its SPIFFE validator.
    Envoy,
}

/// What the other end is told.
#[derive(Debug)]
pub(super) struct Side<'a> {
    /// Who it is, and whom it trusts.
    pub(super) files: &'a Files,
    /// Who we must be.
    pub(super) expect: String,
    /// Whether it offers nothing newer than TLS 1.2.
    pub(super) tls12: bool,
}

/// A server that runs until it is dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    _process: Process,
}

enum Process {
    Own(#[expect(dead_code, reason = "ends when it is dropped")] Child, #[expect(dead_code)] [Lines; 2]),
    Envoy(#[expect(dead_code)] Envoy, #[expect(dead_code)] Tasks),
}

impl Peer {
    pub(super) const ALL: [Self; 5] =
        [Self::OpenSsl, Self::GoSpiffe, Self::SpiffeTls, Self::SpiffeTlsContext, Self::Envoy];

    /// Those that can hold us against an identity.
    pub(super) fn that_authorize() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|peer| *peer != Self::OpenSsl)
    }

    /// Those that can be held to TLS 1.2.
    pub(super) fn with_versions() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|peer| *peer != Self::SpiffeTls)
    }

    /// Calls us. The error is what it says about why it got no answer.
    pub(super) async fn call(self, side: &Side<'_>, address: SocketAddr) -> anyhow::Result<()> {
        if self == Self::Envoy {
            return envoy_calls(side, address).await;
        }
        let mut command = self.command("client", side, Some(address))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        // For openssl, which sends what it reads; the others have it by heart.
        let sent = process.stdin.take().context("no stdin")?.write_all(format!("{PING}\n").as_bytes()).await;
        let output = timeout(SOON, process.wait_with_output()).await.context("it does not end")??;
        let said = String::from_utf8_lossy(&output.stdout);
        if !said.lines().any(|line| line == GNIP) {
            bail!("no answer ({sent:?}): {said}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Waits for calls.
    pub(super) async fn serve(self, side: &Side<'_>) -> anyhow::Result<Running> {
        if self == Self::Envoy {
            return envoy_serves(side).await;
        }
        let mut command = self.command("server", side, None)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let mut lines = Lines::of(process.stdout.take().context("no stdout")?);
        let mut complaints = Lines::of(process.stderr.take().context("no stderr")?);
        let place = |line: &str| {
            let place = line.strip_prefix("ACCEPT ").or_else(|| line.strip_prefix("listening on "));
            place.and_then(|place| place.parse().ok())
        };
        let Ok(address) = lines.until(place).await else {
            let said = complaints.until(|_| None::<()>).await;
            bail!("{self:?} does not listen: {said:?}");
        };
        Ok(Running { address, _process: Process::Own(process, [lines, complaints]) })
    }

    fn command(self, verb: &str, side: &Side<'_>, address: Option<SocketAddr>) -> anyhow::Result<Command> {
        let mut command = match self {
            Self::OpenSsl => return openssl(verb, side, address),
            Self::GoSpiffe => Command::new(part("peer")?),
            Self::SpiffeTls | Self::SpiffeTlsContext => Command::new(part("venv/bin/python")?),
            Self::Envoy => bail!("an Envoy is both at once"),
        };
        match self {
            Self::SpiffeTls => command.arg(ours("python/peer.py")).args([verb, "--way", "dial"]),
            Self::SpiffeTlsContext => command.arg(ours("python/peer.py")).args([verb, "--way", "context"]),
            _ => command.arg(verb),
        };
        let files = side.files;
        command
            .arg("--svid")
            .arg(&files.chain)
            .arg("--key")
            .arg(&files.key)
            .arg("--bundle")
            .arg(&files.bundle);
        command.args(["--trust-domain", &files.trust_domain, "--expect", &side.expect]);
        command.args(side.tls12.then_some("--tls12"));
        if let Some(address) = address {
            command.args(["--address", &address.to_string()]);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
        Ok(command)
    }
}

fn openssl(verb: &str, side: &Side<'_>, address: Option<SocketAddr>) -> anyhow::Result<Command> {
    let mut command = Command::new("openssl");
    match address {
        Some(address) => command.args(["s_client", "-quiet", "-connect", &address.to_string()]),
        None => command.args(["s_server", "-rev", "-Verify", "3", "-accept", "127.0.0.1:0"]),
    };
    anyhow::ensure!(address.is_some() == (verb == "client"), "a client has an address to call");
    let files = side.files;
    command.arg("-cert").arg(&files.chain).arg("-cert_chain").arg(&files.issuing).arg("-key").arg(&files.key);
    command.arg("-CAfile").arg(&files.bundle).arg("-verify_return_error");
    command.arg(if side.tls12 { "-tls1_2" } else { "-tls1_3" }).kill_on_drop(true);
    Ok(command)
}

async fn envoy_calls(side: &Side<'_>, address: SocketAddr) -> anyhow::Result<()> {
    let envoy = Envoy::start("client.yaml", &variables(side, address)?).await?;
    let mut plain = TcpStream::connect(envoy.listener("plain").await?).await?;
    plain.write_all(format!("{PING}\n").as_bytes()).await?;
    match line_of(&mut plain).await {
        Ok(line) if line == GNIP => Ok(()),
        said => bail!("no answer: {said:?}"),
    }
}

async fn envoy_serves(side: &Side<'_>) -> anyhow::Result<Running> {
    let (own, tasks) = (TcpListener::bind("127.0.0.1:0").await?, Tasks::new());
    let envoy = Envoy::start("server.yaml", &variables(side, own.local_addr()?)?).await?;
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = own.accept().await {
            let mut read = [0; 64];
            // Whoever is refused sends nothing, and gets nothing.
            if let Ok(count @ 1..) = stream.read(&mut read).await {
                let line = read[..count].strip_suffix(b"\n").unwrap_or(&read[..count]);
                let answer: Vec<u8> = line.iter().rev().chain(b"\n").copied().collect();
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    Ok(Running { address: envoy.listener("tls").await?, _process: Process::Envoy(envoy, tasks) })
}

/// What the bootstraps name.
fn variables(side: &Side<'_>, address: SocketAddr) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let files = side.files;
    Ok(BTreeMap::from([
        ("SVID", text(&files.chain)?),
        ("KEY", text(&files.key)?),
        ("BUNDLE", text(&files.bundle)?),
        ("TRUST_DOMAIN", files.trust_domain.clone()),
        ("EXPECT", side.expect.clone()),
        ("HOST", address.ip().to_string()),
        ("PORT", address.port().to_string()),
        ("TLS", if side.tls12 { "TLSv1_2" } else { "TLSv1_3" }.to_owned()),
    ]))
}
