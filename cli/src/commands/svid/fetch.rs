//! `kith svid fetch`: what a Workload API has for this process, printed, written into a folder, or both; once, or for as
//! long as it runs. Prints no key.

use std::time::SystemTime;

use kith_runtime::{Clock, signals};

use super::folder::Folder;
use super::follow::{Follower, Sink};
use super::update::Update;
use super::workload_api::WorkloadApi;
use crate::args::{Output, SvidFetchArgs};
use crate::commands::ask::answered;
use crate::exit::Exit;
use crate::render::{self, json, svid};

/// Waits for the first answer, and with `--watch` for all that follow.
pub(crate) async fn run(args: SvidFetchArgs) -> anyhow::Result<Exit> {
    let clock = Clock::system();
    // Refused before anything is asked for that could not be put anywhere.
    let folder = args.write.as_deref().map(Folder::open).transpose()?;
    let out = Out { folder, output: args.output, is_watching: args.watch, clock: clock.clone() };
    let api = WorkloadApi::at(args.socket, clock.clone());
    let mut follower = Follower::new(api, clock, out);
    let fetched = async {
        follower.first(args.timeout).await?;
        if args.watch { follower.follow().await } else { Ok(()) }
    };
    tokio::select! {
        ended = fetched => answered(ended, Exit::Ok),
        signal = signals::stop_requested() => signal.map(|_| Exit::Ok).map_err(Into::into),
    }
}

/// Standard output, and a folder where one was named.
struct Out {
    folder: Option<Folder>,
    output: Output,
    is_watching: bool,
    clock: Clock,
}

impl Out {
    fn shown(&self, update: &Update, now: SystemTime) -> anyhow::Result<String> {
        let written_to = self.folder.as_ref().map(Folder::path);
        match self.output {
            Output::Table => Ok(svid::table(update, now)),
            Output::Json if self.is_watching => json::line(&svid::SvidJson::new(update, written_to)),
            Output::Json => json::pretty(&svid::SvidJson::new(update, written_to)),
        }
    }
}

impl Sink for Out {
    fn accept(&mut self, update: &Update) -> anyhow::Result<()> {
        let identity = update.default_svid().leaf.identity();
        if let Some(folder) = &self.folder {
            let too_long = folder.write(update)?;
            self.report(&format!("{identity} and its bundles are in {}", folder.path().display()));
            for name in too_long {
                self.report(&format!("not written: {name}; the name of a file has at most 255 bytes"));
            }
            for other in &update.svids[1..] {
                self.report(&format!("not written: {}; a folder has one identity", other.leaf.identity()));
            }
        }
        render::print(&self.shown(update, self.clock.now())?)
    }

    fn withdraw(&mut self) -> anyhow::Result<()> {
        if let Some(folder) = &self.folder {
            folder.withdraw()?;
            self.report(&format!("what was written to {} was taken away", folder.path().display()));
        }
        Ok(())
    }

    fn report(&mut self, text: &str) {
        render::report(&format!("kith: {}", render::escape::lines(text)));
    }
}
