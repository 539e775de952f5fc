//! `kith dev` as a newcomer types it: the real binary, a folder of their own, processes of their own.

mod ground;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith::local::mesh_file::MeshFile;
use kith_tests::repository;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use ground::{Ground, child_of, runs, status_of, two_pids, until_gone, until_status};

const SOON: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(20);
/// The control plane would have seen an edit by then twice over.
const LONG_ENOUGH: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn what_init_writes_runs_and_an_edit_of_its_policy_flips_a_call() -> anyhow::Result<()> {
    let ground = Ground::new("My Shop")?;
    ground.said(&["dev", "init", &ground.text()], 0).await?;
    let again = ground.said(&["dev", "init", &ground.text()], 1).await?;
    ensure!(again.contains("kith.yaml") && again.contains("not overwritten"), "{again}");

    let mut dev = ground.dev(&["--watch", "-o", "json"])?;
    let orders = dev.address_of("orders").await?;
    let url = format!("http://{orders}/orders/42");
    ensure!(status_of(&url).await? == 200, "the written policy allows the call");
    let status: Value = serde_json::from_str(&ground.said(&["status", "-o", "json"], 0).await?)?;
    assert_eq!(status["name"], "my-shop", "the folder's name, as far as it can be one");

    let policy = ground.folder.join("policies/payments.yaml");
    let original = std::fs::read_to_string(&policy)?;
    std::fs::write(&policy, original.replace("[POST]", "[GET]"))?;
    until_status(&url, 403).await?;
    std::fs::write(&policy, &original)?;
    until_status(&url, 200).await?;
    dev.event(|event| event["verdict"] == "deny" && event["denial_id"].is_string()).await?;
    ensure!(dev.stop().await?.success());
    ensure!(ground.runtime_is_empty()?, "nothing is left");
    ensure!(!ground.folder.join(".kith").exists(), "nothing is kept that was not asked for");
    Ok(())
}

#[tokio::test]
async fn without_watch_the_policies_are_those_of_the_start() -> anyhow::Result<()> {
    let ground = Ground::new("unwatched")?;
    ground.said(&["dev", "init", &ground.text()], 0).await?;
    let mut dev = ground.dev(&["-o", "json"])?;
    let url = format!("http://{}/orders/42", dev.address_of("orders").await?);
    let policy = ground.folder.join("policies/payments.yaml");
    std::fs::write(&policy, "nonsense")?;
    let edited = Instant::now();
    while edited.elapsed() < LONG_ENOUGH {
        assert_eq!(status_of(&url).await?, 200);
        sleep(AGAIN).await;
    }
    ground.said(&["status"], 0).await?;
    ensure!(dev.stop().await?.success());
    Ok(())
}

#[tokio::test]
async fn a_crashed_service_comes_back_and_its_lines_bear_its_name() -> anyhow::Result<()> {
    let ground = Ground::new("crash")?;
    std::fs::create_dir(ground.folder.join("policies"))?;
    ground.write(
        "kith.yaml",
        "trustDomain: dev.local\npolicies: ./policies\nservices:\n  clock:\n    run: [sh, -c, 'echo \"$KITH_SERVICE $GREETING $$ $SECRET\"; exec sleep 1000']\n    \
         env: { GREETING: hello }\n",
    )?;
    let mut dev = ground.dev(&["-o", "json"])?;
    let first = dev.event(|event| event["kind"] == "log").await?;
    assert_eq!(first["src"], "clock");
    let words: Vec<String> =
        first["detail"].as_str().context("no text")?.split(' ').map(str::to_owned).collect();
    assert_eq!(words[..2], ["clock", "hello"]);
    assert_eq!(words.len(), 3, "a variable of the shell that nobody named is not passed on");
    kill(Pid::from_raw(words[2].parse()?), Signal::SIGKILL)?;
    let ended = dev.event(|event| event["kind"] == "process").await?;
    let detail = ended["detail"].as_str().context("no text")?;
    ensure!(detail.contains("SIGKILL") && detail.ends_with("starting it again in 0.1 s"), "{detail}");
    let second = dev.event(|event| event["kind"] == "log").await?;
    assert_ne!(second["detail"], first["detail"], "another process");
    let status: Value = serde_json::from_str(&ground.said(&["status", "-o", "json"], 0).await?)?;
    assert_eq!(status["workloads"][0]["connected"], true, "its sidecar lived on: {status}");
    ensure!(dev.stop().await?.success());

    let mut dev = ground.dev(&[])?;
    let line = dev.complaint(|line| line.starts_with("clock | ")).await?;
    ensure!(line.starts_with("clock | clock hello "), "{line}");
    ensure!(dev.stop().await?.success());
    Ok(())
}

#[tokio::test]
async fn no_application_outlives_a_kith_that_was_killed() -> anyhow::Result<()> {
    let ground = Ground::new("killed")?;
    std::fs::create_dir(ground.folder.join("policies"))?;
    ground.write(
        "kith.yaml",
        "trustDomain: dev.local\npolicies: ./policies\nservices:\n  clock: { run: [sh, -c, 'echo $$; exec sleep 1000'] }\n",
    )?;
    let mut dev = ground.dev(&["-o", "json"])?;
    let said = dev.event(|event| event["kind"] == "log").await?;
    let application = Pid::from_raw(said["detail"].as_str().context("no text")?.parse()?);
    ensure!(runs(application));
    dev.process.start_kill()?;
    until_gone(application).await
}

#[tokio::test]
async fn what_an_application_started_is_gone_after_a_crash_and_after_the_stop() -> anyhow::Result<()> {
    let ground = Ground::new("family")?;
    std::fs::create_dir(ground.folder.join("policies"))?;
    ground.write(
        "kith.yaml",
        "trustDomain: dev.local\npolicies: ./policies\nservices:\n  shell: { run: [sh, -c, 'sleep 1000 & echo \"$$ $!\"; wait'] }\n",
    )?;
    let mut dev = ground.dev(&["-o", "json"])?;
    let (shell, left) = two_pids(&dev.event(|event| event["kind"] == "log").await?)?;
    kill(shell, Signal::SIGKILL)?;
    until_gone(left).await?;
    let (shell, left) = two_pids(&dev.event(|event| event["kind"] == "log").await?)?;
    ensure!(runs(shell) && runs(left), "it came back with all that belongs to it");
    ensure!(dev.stop().await?.success());
    until_gone(shell).await?;
    until_gone(left).await
}

#[tokio::test]
async fn a_kith_that_is_an_application_does_not_outlive_its_supervisor_either() -> anyhow::Result<()> {
    let ground = Ground::new("nested")?;
    ground.said(&["dev", "init", &ground.folder.join("inner").display().to_string()], 0).await?;
    std::fs::create_dir(ground.folder.join("policies"))?;
    let file = "trustDomain: dev.local\npolicies: ./policies\nservices:\n  inner:\n    \
                run: [kith, dev, -f, inner/kith.yaml, -o, json]\n    env: { XDG_RUNTIME_DIR: FOLDER }\n";
    ground.write("kith.yaml", &file.replace("FOLDER", &ground.runtime.path().display().to_string()))?;
    let mut dev = ground.dev(&["-o", "json"])?;
    dev.event(|event| {
        event["kind"] == "log" && event["detail"].as_str().is_some_and(|text| text.contains("stop "))
    })
    .await?;
    let inner = child_of(dev.process.id().context("it ended")?, "inner/kith.yaml")?;
    dev.process.start_kill()?;
    until_gone(inner).await
}

#[tokio::test]
async fn what_is_kept_is_the_same_authority_and_private() -> anyhow::Result<()> {
    let ground = Ground::new("kept")?;
    ground.said(&["dev", "init", &ground.text()], 0).await?;
    let mut roots = Vec::new();
    for flags in [&["--keep"][..], &["--keep"], &[]] {
        let mut dev = ground.dev(flags)?;
        dev.address_of("orders").await?;
        let status: Value = serde_json::from_str(&ground.said(&["status", "-o", "json"], 0).await?)?;
        roots.push(status["root_sha256"].as_str().context("no root")?.to_owned());
        ensure!(dev.stop().await?.success());
        ensure!(ground.runtime_is_empty()?, "only .kith is kept");
    }
    assert_eq!(roots[0], roots[1], "the same authority");
    assert_ne!(roots[0], roots[2], "which nobody uses who did not ask for it");
    let mode =
        |name: &str| Ok::<_, std::io::Error>(std::fs::metadata(ground.folder.join(name))?.mode() & 0o777);
    assert_eq!((mode(".kith")?, mode(".kith/seal.key")?), (0o700, 0o600));
    assert_eq!(std::fs::read_to_string(ground.folder.join(".kith/.gitignore"))?, "*\n");
    // A key that others could have read is not used any more.
    std::fs::set_permissions(ground.folder.join(".kith/seal.key"), PermissionsExt::from_mode(0o644))?;
    let said = ground.said(&["dev", "--keep", "-f", &ground.file()], 77).await?;
    ensure!(said.contains("its mode is 644") && said.contains("begin anew"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_quarantine_is_kept_with_the_authority() -> anyhow::Result<()> {
    let ground = Ground::new("cut-off")?;
    ground.said(&["dev", "init", &ground.text()], 0).await?;
    let mut dev = ground.dev(&["--keep"])?;
    let url = format!("http://{}/orders/42", dev.address_of("orders").await?);
    ground.said(&["quarantine", "add", "orders"], 0).await?;
    until_status(&url, 403).await?;
    ensure!(dev.stop().await?.success());
    let mut dev = ground.dev(&["--keep"])?;
    let url = format!("http://{}/orders/42", dev.address_of("orders").await?);
    ensure!(status_of(&url).await? != 200, "it is still cut off");
    let listed = ground.said(&["quarantine", "list"], 0).await?;
    ensure!(listed.contains("orders"), "{listed}");
    ensure!(dev.stop().await?.success());
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_its_place_before_anything_starts() -> anyhow::Result<()> {
    let ground = Ground::new("wrong")?;
    let missing = ground.said(&["dev", "-f", &ground.file()], 65).await?;
    ensure!(missing.contains("kith dev init"), "{missing}");
    let file =
        |run: &str| format!("trustDomain: dev.local\npolicies: .\nservices:\n  web: {{ run: [{run}] }}\n");
    ground.write("kith.yaml", &file("no-such-program"))?;
    let said = ground.said(&["dev", "-f", &ground.file()], 65).await?;
    ensure!(
        said.contains("kith.yaml:4:16: cannot run \"no-such-program\"") && said.contains("|  "),
        "{said}"
    );
    ground.write(
        "kith.yaml",
        &file("sh, -c, 'echo \"no config\" >&2; exit 3'").replace("] }", "], port: 0 }"),
    )?;
    let said = ground.said(&["dev", "-f", &ground.file()], 1).await?;
    ensure!(said.contains("application of web does not start (exit status: 3)"), "{said}");
    ensure!(said.contains("no config"), "its own words: {said}");
    std::fs::create_dir(ground.folder.join("rules"))?;
    ground.write("rules/shop.yaml", "nonsense")?;
    ground
        .write("kith.yaml", &file("sh, -c, 'exec sleep 1000'").replace("policies: .", "policies: ./rules"))?;
    let said = ground.said(&["dev", "-f", &ground.file()], 65).await?;
    ensure!(said.contains("rules/shop.yaml:1:1: ") && said.contains("--watch"), "{said}");
    ensure!(ground.runtime_is_empty()?, "nothing is left of an attempt");
    Ok(())
}

#[test]
fn the_file_that_its_document_shows_is_one() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(repository().join("docs/kith-yaml.md"))?;
    let mut blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("kith\n"));
    let file = MeshFile::parse("kith.yaml", blocks.next().context("no file is shown")?)?;
    assert_eq!(file.fronts().get("web"), Some(&8080));
    Ok(())
}
