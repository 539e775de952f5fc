//! `docs/workload-api.md` as a reader with an empty folder follows it: its files are written, every command in it is run in
//! its order, in two terminals, and what it shows is compared with what is printed.

use anyhow::Context;
use kith_tests::page::{Page, Reader};
use kith_tests::{kith_binary, repository};

/// Nothing in it means anything else here.
struct WorkloadApi;

impl Page for WorkloadApi {
    // What is asked of files has an answer as soon as the first svid was written.
    const ASKING: &'static [&'static str] = &["openssl", "kith svid inspect"];
    const FENCES: usize = 9;
}

#[tokio::test]
async fn every_command_of_the_page_about_the_workload_api_does_what_it_shows() -> anyhow::Result<()> {
    let (home, runtime) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut reader = Reader::new(WorkloadApi, home.path(), runtime.path());
    let kith = kith_binary();
    let folder = kith.parent().context("no folder")?.display();
    for terminal in [&mut reader.first, &mut reader.second] {
        terminal.run(&format!("export PATH={folder}:$PATH")).await?;
    }
    let followed = reader.follow(&repository().join("docs/workload-api.md")).await;
    let ended = reader.close().await;
    followed.and(ended)?;
    let left = std::fs::read_dir(runtime.path())?.count();
    anyhow::ensure!(left == 0, "{left} entries are left in the runtime folder");
    Ok(())
}
