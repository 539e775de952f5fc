//! `kith svid` as somebody types it who may not run Kith at all: its page, against certificates that `openssl` made, and
//! against a mesh of real processes whose svids rotate.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith::local::admin::{Admin, named};
use kith_proto::v1::AddQuarantineRequest;
use kith_tests::page::{Page, Reader};
use kith_tests::{Mesh, kith_binary, repository};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const SVID_SECONDS: u32 = 3600;
const CALLER: &str = "spiffe://test.local/ns/test/sa/caller";

/// Nothing in it means anything else here.
struct Svid;

impl Page for Svid {
    const ASKING: &'static [&'static str] = &[];
    const FENCES: usize = 7;
}

#[tokio::test]
async fn every_command_of_the_page_about_svids_does_what_it_shows() -> anyhow::Result<()> {
    let (home, runtime) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut reader = Reader::new(Svid, home.path(), runtime.path());
    let kith = kith_binary();
    let folder = kith.parent().context("no folder")?.display();
    reader.first.run(&format!("export PATH={folder}:$PATH")).await?;
    let followed = reader.follow(&repository().join("docs/svid.md")).await;
    let ended = reader.close().await;
    followed.and(ended)
}

// W10, W11.
// Conforms: Endpoint 4 environment, Workload-API 5.1 leaf-first
#[tokio::test]
async fn files_follow_every_rotation_and_go_with_the_identity() -> anyhow::Result<()> {
    let mesh = Mesh::start("svid-files", SVID_SECONDS).await?;
    let home = tempfile::tempdir()?;
    let folder = home.path().join("svid");
    let mut fetch = Fetch::start(&mesh, &folder)?;
    let mut admin = Admin::connect(mesh.supervisor.control_plane().admin_socket()).await?;
    let mut serial = fetch.next().await?;
    check_files(&folder).await?;
    for number in 1..=5 {
        let rotated = async {
            // With each new svid its sidecar connects anew, and cannot be asked meanwhile.
            while admin.rotate("caller").await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, rotated).await.with_context(|| format!("rotation {number}"))?;
        let before = serial;
        serial = fetch.next().await?;
        ensure!(serial != before, "the same svid again");
        check_files(&folder).await.with_context(|| format!("after rotation {number}"))?;
    }
    // What the application has is what its sidecar presents, and who has the anchors can tell.
    let inbound = mesh.supervisor.endpoints("caller").context("no caller")?.inbound.to_string();
    let bundle = folder.join("bundle.pem").display().to_string();
    let said = kith(&["svid", "inspect", &inbound, "--bundle", &bundle, "-o", "json"], 0).await?;
    let inspection: Value = serde_json::from_str(&said)?;
    assert_eq!(inspection["verdict"]["identity"], CALLER, "{said}");
    assert_eq!(inspection["certificates"][0]["serial"], serial.as_str(), "{said}");

    let target = Some(named("caller"));
    admin.add_quarantine(AddQuarantineRequest { target, reason: "test".to_owned(), dry_run: false }).await?;
    fetch.says("was taken away").await?;
    ensure!(!folder.join("svid_key.pem").exists(), "the key of an identity that was cut off is still there");
    mesh.stop().await
}

#[tokio::test]
async fn a_server_of_others_that_asks_for_a_certificate_is_looked_at_without_one() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let (key, cert) = (home.path().join("key.pem"), home.path().join("cert.pem"));
    let mut make = Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    ]);
    make.args(["-addext", "subjectAltName=DNS:web.example"]);
    succeeded(make.arg("-keyout").arg(&key).arg("-out").arg(&cert).output().await?)?;
    let mut server = Command::new("openssl");
    server
        .args(["s_server", "-www", "-accept", "127.0.0.1:0", "-verify", "1"])
        .arg("-cert")
        .arg(&cert)
        .arg("-key")
        .arg(&key);
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("no output")?).lines();
    let address = until(&mut lines, |line| line.strip_prefix("ACCEPT ")).await?;
    let said = kith(&["svid", "inspect", &address, "-o", "json"], 2).await?;
    let inspection: Value = serde_json::from_str(&said)?;
    assert_eq!(inspection["certificates"][0]["names"][0], "DNS web.example", "{said}");
    let sections: Vec<_> = inspection["certificates"][0]["broken"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|broken| broken["section"].as_str())
        .collect();
    ensure!(sections.contains(&"X509-SVID 2") && sections.contains(&"X509-SVID 4.1"), "{sections:?}");
    server.kill().await?;
    kith(&["svid", "inspect", &address], 69).await.map(drop)
}

/// `kith svid fetch --watch --write`, as it runs beside a database.
struct Fetch {
    updates: Lines<BufReader<ChildStdout>>,
    said: Lines<BufReader<ChildStderr>>,
    // Killed when it is dropped.
    _process: Child,
}

impl Fetch {
    fn start(mesh: &Mesh, folder: &Path) -> anyhow::Result<Self> {
        let endpoints = mesh.supervisor.endpoints("caller").context("no caller")?;
        let socket = endpoints.workload_api.clone().context("no Workload API")?;
        let mut command = Command::new(kith_binary());
        command.args(["svid", "fetch", "--watch", "-o", "json", "--write"]).arg(folder);
        command.env("SPIFFE_ENDPOINT_SOCKET", format!("unix://{}", socket.display())).kill_on_drop(true);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let updates = BufReader::new(process.stdout.take().context("no output")?).lines();
        let said = BufReader::new(process.stderr.take().context("no output")?).lines();
        Ok(Self { updates, said, _process: process })
    }

    /// The serial number of the next svid.
    async fn next(&mut self) -> anyhow::Result<String> {
        let line = until(&mut self.updates, |line| Some(line)).await?;
        let update: Value = serde_json::from_str(&line)?;
        assert_eq!(update["svids"][0]["identity"], CALLER, "{line}");
        ensure!(!line.contains("PRIVATE"), "a key was printed");
        Ok(update["svids"][0]["serial"].as_str().context("no serial")?.to_owned())
    }

    async fn says(&mut self, wanted: &str) -> anyhow::Result<()> {
        until(&mut self.said, |line| line.contains(wanted).then_some(line)).await.map(drop)
    }
}

/// The next line that is wanted.
async fn until(
    lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>,
    wanted: impl Fn(&str) -> Option<&str>,
) -> anyhow::Result<String> {
    let search = async {
        loop {
            let line = lines.next_line().await?.context("the output ended")?;
            if let Some(found) = wanted(&line) {
                return anyhow::Ok(found.to_owned());
            }
        }
    };
    timeout(SOON, search).await.context("not in time")?
}

/// Key and certificate belong together, and lead to the anchors: by a reader that knows nothing of SPIFFE.
async fn check_files(folder: &Path) -> anyhow::Result<()> {
    let state = folder.join("..data").canonicalize()?;
    let file = |name: &str| -> PathBuf { state.join(name) };
    let svid = file("svid.pem");
    let mut verify = Command::new("openssl");
    verify.arg("verify").arg("-CAfile").arg(file("bundle.pem")).arg("-untrusted").arg(&svid).arg(&svid);
    succeeded(verify.output().await?)?;
    let mut of_certificate = Command::new("openssl");
    of_certificate.args(["x509", "-noout", "-pubkey", "-in"]).arg(&svid);
    let of_certificate = succeeded(of_certificate.output().await?)?;
    for key in ["svid_key.pem", "credential-bundle.private-key.pem"] {
        let mut of_key = Command::new("openssl");
        of_key.args(["pkey", "-pubout", "-in"]).arg(file(key));
        ensure!(succeeded(of_key.output().await?)? == of_certificate, "{key} is of another certificate");
    }
    Ok(())
}

async fn kith(arguments: &[&str], code: i32) -> anyhow::Result<String> {
    let run = Command::new(kith_binary()).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let said = timeout(SOON, run).await.context("it does not end")??;
    let (stdout, stderr) =
        (String::from_utf8(said.stdout)?, String::from_utf8_lossy(&said.stderr).into_owned());
    ensure!(said.status.code() == Some(code), "{arguments:?}: {}: {stdout}{stderr}", said.status);
    Ok(stdout)
}

fn succeeded(said: Output) -> anyhow::Result<String> {
    ensure!(said.status.success(), "{}: {}", said.status, String::from_utf8_lossy(&said.stderr));
    Ok(String::from_utf8(said.stdout)?)
}
