//! The pair of HAProxy: the package of the distribution, one thread each, HTTP/2 over mutual TLS 1.3 between the two
//! for calls, and mutual TLS for each opaque connection. It writes no log and has no rules: the pair is a floor, not an
//! equal.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::backend::Addresses;
use crate::certificates::{self, Files};
use crate::child::{Child, command};
use crate::effort::PROXIES;

/// Where the package of Debian puts it, which is not on everybody's path.
const PACKAGED: &str = "/usr/sbin/haproxy";
const START: Duration = Duration::from_secs(10);
const ASK: Duration = Duration::from_millis(20);

/// Both of them.
pub(crate) struct Haproxy {
    caller: Child,
    callee: Child,
    at: Addresses,
    _folder: TempDir,
}

/// The ports of both.
struct Ports {
    caller: Addresses,
    callee: Addresses,
}

impl Haproxy {
    /// Starts both, in front of the backend.
    pub(crate) async fn start(backend: Addresses) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let files = certificates::write(folder.path())?;
        let ports = Ports { caller: free_ports()?, callee: free_ports()? };
        let callee = launch(folder.path(), "callee", &callee_config(&files, &ports, backend))?;
        let caller = launch(folder.path(), "caller", &caller_config(&files, &ports))?;
        let mut pair = Self { caller, callee, at: ports.caller, _folder: folder };
        for address in [ports.callee.http, ports.callee.opaque, ports.caller.http, ports.caller.opaque] {
            pair.until_listening(address).await?;
        }
        Ok(pair)
    }

    /// Where the caller's side listens.
    pub(crate) fn addresses(&self) -> Addresses {
        self.at
    }

    /// The process ids: the caller's side, and the application's.
    pub(crate) fn pids(&self) -> anyhow::Result<[i32; 2]> {
        Ok([self.caller.pid()?, self.callee.pid()?])
    }

    async fn until_listening(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let latest = Instant::now() + START;
        while TcpStream::connect(address).await.is_err() {
            self.caller.check_alive()?;
            self.callee.check_alive()?;
            ensure!(Instant::now() < latest, "haproxy does not listen on {address}");
            sleep(ASK).await;
        }
        Ok(())
    }
}

/// The version line of the installed package.
pub(crate) fn version() -> anyhow::Result<String> {
    let output = std::process::Command::new(program()).arg("-v").output();
    let output = output.context("haproxy does not start; apt-get install haproxy")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    ensure!(output.status.success() && !words.is_empty(), "haproxy -v failed: {}", output.status);
    Ok(words)
}

fn program() -> &'static str {
    if Path::new(PACKAGED).is_file() { PACKAGED } else { "haproxy" }
}

fn launch(folder: &Path, name: &str, config: &str) -> anyhow::Result<Child> {
    let path = folder.join(format!("{name}.cfg"));
    fs::write(&path, config)?;
    let mut command = command(PROXIES, program())?;
    // -db: one process, in the foreground, that dies with this one.
    command.args(["-db", "-q", "-f"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
    Child::start(&format!("haproxy of the {name}"), command, false)
}

/// Ports that are free now. Should somebody take one before HAProxy does, the run ends with its complaint.
fn free_ports() -> anyhow::Result<Addresses> {
    let held = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
    Ok(Addresses { http: held[0].local_addr()?, opaque: held[1].local_addr()? })
}

const COMMON: &str = "\
global
  nbthread 1
  maxconn 8192
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
";

fn caller_config(files: &Files, ports: &Ports) -> String {
    let tls = format!("ssl crt {} ca-file {} verify required", files.caller.display(), files.root.display());
    let Ports { caller, callee } = ports;
    format!(
        "{COMMON}\
         frontend calls\n  mode http\n  bind {}\n  default_backend peer\n\
         backend peer\n  mode http\n  server peer {} {tls} alpn h2\n\
         frontend streams\n  mode tcp\n  bind {}\n  default_backend opaque-peer\n\
         backend opaque-peer\n  mode tcp\n  server peer {} {tls}\n",
        caller.http, callee.http, caller.opaque, callee.opaque
    )
}

fn callee_config(files: &Files, ports: &Ports, backend: Addresses) -> String {
    let tls = format!("ssl crt {} ca-file {} verify required", files.callee.display(), files.root.display());
    let callee = &ports.callee;
    format!(
        "{COMMON}\
         frontend calls\n  mode http\n  bind {} {tls} alpn h2\n  default_backend application\n\
         backend application\n  mode http\n  server application {}\n\
         frontend streams\n  mode tcp\n  bind {} {tls}\n  default_backend opaque-application\n\
         backend opaque-application\n  mode tcp\n  server application {}\n",
        callee.http, backend.http, callee.opaque, backend.opaque
    )
}
