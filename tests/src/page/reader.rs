//! Who follows a page: writes its files, runs its commands in two terminals, and looks whether what they print is what
//! it shows. Owns when a command is run again. Not owned: what a page means on this machine, which is its [`Page`]'s.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::time::{Instant, sleep, timeout};

use super::{Fence, Kind, Said, Terminal, Which, fences, is_ended_by_keys, is_like, is_shown};

const SOON: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(100);
/// A line in which the reader puts what was copied from a screen.
const PLACEHOLDER: &str = "kith why ID";

/// What a page means on this machine.
pub trait Page {
    /// How commands begin that only ask: they may be asked again until what just happened was reported.
    const ASKING: &'static [&'static str];
    /// A page that was understood has as many fences, at the least.
    const FENCES: usize = 20;

    /// A text of the page, as it is meant here.
    fn meant(&self, text: &str) -> String {
        text.to_owned()
    }

    /// A command of the page, as it is typed here.
    fn typed(&mut self, line: &str) -> anyhow::Result<String> {
        Ok(line.to_owned())
    }

    /// A line that a command which goes on has printed, as the page would show it.
    fn printed<'a>(&mut self, line: &'a str) -> &'a str {
        line
    }
}

/// Who follows it.
#[derive(Debug)]
pub struct Reader<P> {
    /// The terminal that is opened first, in whose folder files are written.
    pub first: Terminal,
    /// The other.
    pub second: Terminal,
    page: P,
}

impl<P: Page> Reader<P> {
    /// Opens both terminals in a folder, with a folder for what belongs to a session.
    pub fn new(page: P, folder: &Path, runtime: &Path) -> Self {
        let [first, second] = [(); 2].map(|()| Terminal::open(folder, runtime));
        Self { first, second, page }
    }

    /// Follows the page from its first fence to its last, after which nothing may go on.
    pub async fn follow(&mut self, page: &Path) -> anyhow::Result<()> {
        let fences = fences(&std::fs::read_to_string(page)?)?;
        ensure!(fences.len() >= P::FENCES, "the page was not understood: {} fences", fences.len());
        for (number, fence) in fences.iter().enumerate() {
            let followed = self.follow_one(fence, &fences[number + 1..]).await;
            followed.with_context(|| format!("line {} of {}", fence.line, page.display()))?;
        }
        ensure!(!self.first.is_running() && !self.second.is_running(), "the page leaves something running");
        Ok(())
    }

    /// Ends what still runs, wherever the reader stopped.
    pub async fn close(&mut self) -> anyhow::Result<()> {
        for terminal in [&mut self.first, &mut self.second] {
            if terminal.is_running() {
                terminal.press("Ctrl-C").await?;
            }
        }
        Ok(())
    }

    async fn follow_one(&mut self, fence: &Fence, rest: &[Fence]) -> anyhow::Result<()> {
        let text = self.page.meant(&fence.text);
        match &fence.kind {
            Kind::File(name) => self.write(name, &text),
            Kind::Commands(which) => self.run(*which, &text, rest).await,
            Kind::Shown(which) => self.sees(*which, &text).await,
            Kind::Keys(which) => self.terminal(*which).press(text.trim()).await,
        }
    }

    fn terminal(&mut self, which: Which) -> &mut Terminal {
        match which {
            Which::First => &mut self.first,
            Which::Second => &mut self.second,
        }
    }

    /// A file below `policies` is one that was just printed: the page says that it was copied.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        if name.starts_with("policies/") {
            ensure!(self.first.printed.contains(text), "not suggested so:\n{text}\n{}", self.first.printed);
        }
        Ok(std::fs::write(self.first.folder.join(name), text)?)
    }

    /// Runs the commands; those at the end that only ask, until they print what the page shows.
    async fn run(&mut self, which: Which, text: &str, rest: &[Fence]) -> anyhow::Result<()> {
        let lines = self.typed(which, text)?;
        self.terminal(which).printed.clear();
        if is_ended_by_keys(which, rest) {
            let (last, before) = lines.split_last().context("no command")?;
            self.run_each(which, before).await?;
            return self.terminal(which).start(last);
        }
        let asks = |line: &&String| P::ASKING.iter().any(|verb| line.starts_with(verb));
        let asking = lines.iter().rev().take_while(asks).count();
        let (acting, asking) = lines.split_at(lines.len() - asking);
        self.run_each(which, acting).await?;
        let shown = rest.first().filter(|next| next.kind == Kind::Shown(which));
        let shown = shown.map(|next| self.page.meant(&next.text)).unwrap_or_default();
        self.ask(which, asking, &shown).await
    }

    /// Each line as it is typed here, with the denial's number that is to be read on a screen now.
    fn typed(&mut self, which: Which, text: &str) -> anyhow::Result<Vec<String>> {
        let own = self.terminal(which).newest_denial();
        let denial = own.or_else(|| self.first.newest_denial()).or_else(|| self.second.newest_denial());
        let typed = |line: &str| match &denial {
            Some(id) if line == PLACEHOLDER => Ok(line.replace("ID", id)),
            None if line == PLACEHOLDER => bail!("no denial was shown"),
            _ => self.page.typed(line).with_context(|| line.to_owned()),
        };
        text.lines().map(typed).collect()
    }

    async fn run_each(&mut self, which: Which, lines: &[String]) -> anyhow::Result<()> {
        for line in lines {
            self.terminal(which).run(line).await.with_context(|| line.clone())?;
        }
        Ok(())
    }

    async fn ask(&mut self, which: Which, lines: &[String], shown: &str) -> anyhow::Result<()> {
        let before = self.terminal(which).printed.len();
        let begun = Instant::now();
        loop {
            let ran = self.run_each(which, lines).await;
            let seen = ran.and_then(|()| is_shown(shown, &self.terminal(which).printed));
            // What happened a moment ago may not have been reported yet.
            if seen.is_ok() || lines.is_empty() || begun.elapsed() > SOON {
                return seen;
            }
            self.terminal(which).printed.truncate(before);
            sleep(AGAIN).await;
        }
    }

    async fn sees(&mut self, which: Which, expected: &str) -> anyhow::Result<()> {
        if !self.terminal(which).is_running() {
            return is_shown(expected, &self.terminal(which).printed);
        }
        for wanted in expected.lines() {
            let said = timeout(SOON, self.next_like(which, wanted)).await;
            let printed = &self.terminal(which).printed;
            said.with_context(|| format!("not shown in time: {wanted}\n{printed}"))??;
        }
        Ok(())
    }

    async fn next_like(&mut self, which: Which, wanted: &str) -> anyhow::Result<()> {
        loop {
            let Said::Line(line) = self.terminal(which).next_line().await? else {
                bail!("it ended without: {wanted}\n{}", self.terminal(which).printed);
            };
            let line = self.page.printed(&line);
            if is_like(&self.page.meant(wanted), line) {
                return Ok(());
            }
        }
    }
}
