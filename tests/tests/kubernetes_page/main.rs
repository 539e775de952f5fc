//! `docs/kubernetes.md` as somebody with an empty cluster follows it: its files are written, every command in it is run
//! in its order, in two terminals, and what it shows is compared with what is printed.
//!
//! Runs inside the network of a cluster that is up and has the images, and leaves none of it there: `make test-cluster`.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use kith_tests::page::{Fence, Kind, Said, Terminal, Which, fences, is_ended_by_keys, is_like, is_shown};
use kith_tests::{kith_binary, repository};
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(200);
const PLACEHOLDER: &str = "kith why ID";
/// Verbs that only ask: they may be asked again until what just happened was reported.
const ASKING: [&str; 2] = ["kith why", "kith status"];

#[tokio::test]
async fn every_command_of_the_page_about_kubernetes_does_what_it_shows() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(repository().join("docs/kubernetes.md"))?;
    let fences = fences(&text)?;
    ensure!(fences.len() >= 20, "the page was not understood: {} fences", fences.len());
    let home = tempfile::tempdir()?;
    let mut reader = Reader::new(home.path()).await?;
    for (number, fence) in fences.iter().enumerate() {
        let followed = reader.follow(fence, &fences[number + 1..]).await;
        followed.with_context(|| format!("line {} of the page", fence.line))?;
    }
    ensure!(!reader.second.is_running() && !reader.first.is_running(), "the page leaves something running");
    reader.left_nothing().await
}

/// Who follows the page.
struct Reader {
    first: Terminal,
    second: Terminal,
}

impl Reader {
    /// Somebody who stands in a checkout, has `kith`, and a kubeconfig that may be changed.
    async fn new(home: &Path) -> anyhow::Result<Self> {
        symlink(repository().join("charts"), home.join("charts"))?;
        let kith = kith_binary();
        let folder = kith.parent().context("no folder")?.display();
        let [mut first, mut second] = [(); 2].map(|()| Terminal::open(home, home));
        for terminal in [&mut first, &mut second] {
            terminal.run(&format!("export PATH={folder}:$PATH")).await?;
        }
        Ok(Self { first, second })
    }

    /// Of the cluster's own nothing belongs to Kith; namespaces take their time to go.
    async fn left_nothing(&mut self) -> anyhow::Result<()> {
        self.first.run("kubectl wait --for=delete namespace/kith namespace/shop --timeout=50s").await?;
        self.first.printed.clear();
        let kinds = "crd,clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations,\
                     configmaps,secrets,persistentvolumeclaims";
        self.first
            .run(&format!("kubectl get {kinds} --all-namespaces -o name | grep -c kith # exit code 1"))
            .await?;
        ensure!(self.first.printed.trim() == "0", "left behind: {}", self.first.printed);
        Ok(())
    }

    fn terminal(&mut self, which: Which) -> &mut Terminal {
        match which {
            Which::First => &mut self.first,
            Which::Second => &mut self.second,
        }
    }

    async fn follow(&mut self, fence: &Fence, rest: &[Fence]) -> anyhow::Result<()> {
        match &fence.kind {
            Kind::File(name) => Ok(std::fs::write(self.first.folder.join(name), &fence.text)?),
            Kind::Commands(terminal) => self.run(*terminal, &fence.text, rest).await,
            Kind::Shown(terminal) => self.sees(*terminal, &fence.text).await,
            Kind::Keys(terminal) => self.terminal(*terminal).press(fence.text.trim()).await,
        }
    }

    async fn run(&mut self, which: Which, text: &str, rest: &[Fence]) -> anyhow::Result<()> {
        if is_ended_by_keys(which, rest) {
            return self.terminal(which).start(text.trim());
        }
        let id = self.terminal(which).newest_denial();
        self.terminal(which).printed.clear();
        for line in text.lines() {
            let line = match &id {
                Some(id) if line == PLACEHOLDER => {
                    line.replace("ID", &id.replace(|c: char| !c.is_ascii_hexdigit(), " "))
                }
                _ => line.to_owned(),
            };
            self.run_line(which, &line).await.with_context(|| line.clone())?;
        }
        Ok(())
    }

    async fn run_line(&mut self, which: Which, line: &str) -> anyhow::Result<()> {
        let asks = ASKING.iter().any(|verb| line.starts_with(verb));
        let begun = Instant::now();
        loop {
            let ran = self.terminal(which).run(line).await;
            // What happened a moment ago may not have been reported yet.
            if ran.is_ok() || !asks || begun.elapsed() > SOON {
                return ran;
            }
            sleep(AGAIN).await;
        }
    }

    async fn sees(&mut self, which: Which, expected: &str) -> anyhow::Result<()> {
        let terminal = self.terminal(which);
        if !terminal.is_running() {
            return is_shown(expected, &terminal.printed);
        }
        for wanted in expected.lines() {
            let said = timeout(SOON, next_like(terminal, wanted)).await;
            said.with_context(|| format!("not shown in time: {wanted}\n{}", terminal.printed))??;
        }
        Ok(())
    }
}

async fn next_like(terminal: &mut Terminal, wanted: &str) -> anyhow::Result<()> {
    loop {
        let Said::Line(line) = terminal.next_line().await? else {
            bail!("it ended without: {wanted}\n{}", terminal.printed);
        };
        if is_like(wanted, &line) {
            return Ok(());
        }
    }
}
