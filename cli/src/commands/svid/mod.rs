//! `kith svid fetch` and `kith svid inspect`: for whoever lives with the SPIFFE standards, with Kith or without it.
//!
//! ```text
//! fetch    workload_api (stream) -> update (checked, whole) -> folder (files that change together), render
//! inspect  input (file, standard input, a TLS server) -> subject (what it is) -> kith_identity::svid::inspect,
//!          verdict (against --bundle), render
//! ```
//! Owns no rule of a profile: those are `kith_identity`'s, and whether a chain verifies is `kith_mtls`'s.

mod der;
mod fetch;
mod flaw;
mod folder;
mod follow;
mod input;
mod inspect;
mod pause;
pub(crate) mod pem;
mod report;
mod subject;
#[cfg(test)]
pub(crate) mod testing;
mod update;
mod verdict;
mod workload_api;

pub(crate) use self::flaw::Flaw;
pub(crate) use self::folder::FolderError;
pub(crate) use self::input::InputError;
pub(crate) use self::inspect::is_unnamed;
#[cfg(test)]
pub(crate) use self::inspect::look_at;
pub(crate) use self::report::{CertificateReport, Report};
pub(crate) use self::update::{FetchedSvid, Update};
pub(crate) use self::verdict::Verdict;
pub(crate) use self::workload_api::FetchError;
use crate::args::SvidCommand;
use crate::exit::Exit;

/// Fetches or inspects.
pub(crate) async fn run(command: SvidCommand) -> anyhow::Result<Exit> {
    match command {
        SvidCommand::Fetch(args) => fetch::run(args).await,
        SvidCommand::Inspect(args) => inspect::run(args).await,
    }
}
