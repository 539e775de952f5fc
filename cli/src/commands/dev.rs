//! `kith dev`: your own processes in a mesh on this machine, as a file declares them. Owns the way from the file to a
//! mesh that can be run; running one is `run`, which the demo shares.

mod init;
mod name;
mod prefix;
pub(super) mod run;
pub(super) mod show;
pub(super) mod view;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::run::{Prepared, Wanted, own_executable, run_mesh};
use self::show::Show;
use self::view::View;
use crate::args::dev::{DevAction, DevArgs, DevRunArgs};
use crate::exit::Exit;
use crate::local::banner::{self, About};
use crate::local::mesh_file::{Ground, MeshFile};
use crate::local::{KeptState, MeshSpec};

/// Runs until a signal, or writes what there is to run.
pub(crate) async fn run(args: DevArgs) -> anyhow::Result<Exit> {
    match args.action {
        Some(DevAction::Init(args)) => init::run(&args),
        None => run_file(args.run).await,
    }
}

async fn run_file(args: DevRunArgs) -> anyhow::Result<Exit> {
    let file = MeshFile::read(&args.file)?;
    let folder = folder_of(&args.file)?;
    let name = args.name.clone().or_else(|| file.name.clone()).unwrap_or_else(|| name::of_folder(&folder));
    let kith = own_executable();
    let ground = Ground {
        folder: &folder,
        search: args.inherited.search(),
        kith: &kith,
        inherited: args.inherited.variables(),
    };
    // Before a name is claimed or a folder made: most mistakes end here.
    let spec = file.on(&ground, &name)?;
    let wanted = Wanted { name: &name, runtime: &args.runtime };
    let show = Show::Live(View::new(args.output));
    run_mesh(wanted, show, |home| prepare(&args, &file, spec, &folder, home)).await
}

fn prepare(
    args: &DevRunArgs,
    file: &MeshFile,
    mut spec: MeshSpec,
    folder: &Path,
    home: &Path,
) -> anyhow::Result<Prepared> {
    spec.watch_policies = args.watch;
    spec.log_level.clone_from(&args.log_level);
    let kept = if args.keep { Some(KeptState::open(folder)?) } else { None };
    match &kept {
        Some(kept) => {
            spec.state_dir = Some(kept.folder().to_owned());
            spec.seal_key = Some(kept.key().clone());
        }
        None => spec.state_dir = Some(home.join("state")),
    }
    let kept_in = kept.as_ref().map(|kept| kept.folder().to_owned());
    let about = About { fronts: file.fronts(), kept: kept_in, hints: banner::hints };
    Ok(Prepared { spec, about: Some(about), kept })
}

/// The folder that a file lies in, whole.
fn folder_of(file: &Path) -> anyhow::Result<PathBuf> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.canonicalize().with_context(|| format!("cannot find the folder {}", parent.display()))
}
