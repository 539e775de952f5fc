//! `kith demo`: `kith dev` with an embedded file; its calls as they happen, or the story of what it promises, told or
//! checked.

use std::path::Path;

use super::dev::run::{Prepared, Wanted, own_executable, run_mesh};
use super::dev::show::Show;
use super::dev::view::View;
use crate::args::DemoArgs;
use crate::exit::Exit;
use crate::local::banner::About;
use crate::local::demo_mesh;
use crate::local::story::{self, Story, Telling};

/// Runs until a signal, or until the story is told.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    args.check()?;
    let story =
        |telling| Show::Story(Box::new(Story::new(telling, args.svid_ttl.unwrap_or(story::SVID_SECONDS))));
    let show = match (args.story, args.check) {
        (true, _) => story(Telling::Steps(args.output)),
        (_, true) => story(Telling::Check(args.output)),
        _ => Show::Live(View::new(args.output)),
    };
    let wanted = Wanted { name: &args.name, runtime: &args.runtime };
    run_mesh(wanted, show, |home| prepare(&args, home)).await
}

/// The files of the demo, in a folder that goes with it.
fn prepare(args: &DemoArgs, home: &Path) -> anyhow::Result<Prepared> {
    demo_mesh::write_policies(&home.join(demo_mesh::POLICIES_FOLDER))?;
    let mut spec = demo_mesh::spec(home, &own_executable(), &args.name)?;
    spec.svid_seconds = svid_seconds(args).unwrap_or(spec.svid_seconds);
    spec.state_dir = Some(home.join("state"));
    spec.log_level.clone_from(&args.log_level);
    // Nobody is there to try anything while it is checked.
    let fronts = demo_mesh::file()?.fronts();
    let about = (!args.check).then_some(About { fronts, kept: None, hints: demo_mesh::hints });
    Ok(Prepared { spec, about, kept: None })
}

/// What was asked for; a story holds several rotations unless it was told otherwise.
fn svid_seconds(args: &DemoArgs) -> Option<u32> {
    args.svid_ttl.or(args.tells_story().then_some(story::SVID_SECONDS))
}
