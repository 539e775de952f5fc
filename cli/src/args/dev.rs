//! The arguments of `kith dev`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DEFAULT_LOG_LEVEL, Output, RuntimeArgs, log_level};

/// `kith dev` and what is below it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: kith dev init && kith dev --watch\n\nThe file is described in docs/kith-yaml.md."
)]
pub struct DevArgs {
    /// What to do beside running.
    #[command(subcommand)]
    pub action: Option<DevAction>,
    /// How to run.
    #[command(flatten)]
    pub run: DevRunArgs,
}

/// What there is beside running.
#[derive(Debug, Subcommand)]
pub enum DevAction {
    /// Write a kith.yaml and a first policy that run as they are
    #[command(after_help = "Example: kith dev init shop && kith dev -f shop/kith.yaml --watch")]
    Init(DevInitArgs),
}

/// Flags of `kith dev`.
#[derive(Debug, Args)]
pub struct DevRunArgs {
    /// The file that says what to run
    #[arg(short, long, value_name = "FILE", default_value = "kith.yaml")]
    pub file: PathBuf,
    /// Let edits of the policies take effect when they are saved; without it they are read once, at the start
    #[arg(long)]
    pub watch: bool,
    /// Keep the authority and the quarantines for the next start, in .kith beside the file. The key is in it: whoever
    /// reads that folder owns the mesh
    #[arg(long)]
    pub keep: bool,
    /// The name of the mesh; otherwise the file's, else that of the folder
    #[arg(long)]
    pub name: Option<String>,
    /// How events are written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// What the control plane and the sidecars report on standard error: error, warn, info, debug or trace, or
    /// target=level,...
    #[arg(long, env = "KITH_LOG", default_value = DEFAULT_LOG_LEVEL, value_name = "LEVEL", value_parser = log_level)]
    pub log_level: String,
    /// What applications take over from us.
    #[command(flatten)]
    pub inherited: InheritedArgs,
    /// Where sockets and temporary files go.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// The variables that a developer's process needs whatever it is. They are named one by one: tokens and passwords of a
/// shell are nobody's business.
#[derive(Debug, Args)]
pub struct InheritedArgs {
    /// PATH
    #[arg(long = "inherit-path", env = "PATH", hide = true)]
    path: Option<String>,
    /// HOME
    #[arg(long = "inherit-home", env = "HOME", hide = true)]
    home: Option<String>,
    /// USER
    #[arg(long = "inherit-user", env = "USER", hide = true)]
    user: Option<String>,
    /// LANG
    #[arg(long = "inherit-lang", env = "LANG", hide = true)]
    lang: Option<String>,
    /// TMPDIR
    #[arg(long = "inherit-tmpdir", env = "TMPDIR", hide = true)]
    tmpdir: Option<String>,
}

impl InheritedArgs {
    /// Where programs are looked for.
    pub fn search(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// Those that are set.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let all = [
            ("PATH", &self.path),
            ("HOME", &self.home),
            ("USER", &self.user),
            ("LANG", &self.lang),
            ("TMPDIR", &self.tmpdir),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
    }
}

/// Arguments of `kith dev init`.
#[derive(Debug, Args)]
pub struct DevInitArgs {
    /// Where to write; made if it is missing
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(line: &str) -> Result<DevArgs, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| match cli.command {
            Command::Dev(args) => args,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_mesh_is_run_unless_something_else_is_asked_for() {
        let args = parse("kith dev --watch --keep -f a/kith.yaml").unwrap();
        assert!(args.action.is_none() && args.run.watch && args.run.keep);
        assert_eq!(args.run.file, PathBuf::from("a/kith.yaml"));
        let args = parse("kith dev").unwrap();
        assert!(!args.run.watch && !args.run.keep && args.run.name.is_none());
        assert!(matches!(parse("kith dev init shop").unwrap().action, Some(DevAction::Init(_))));
        assert!(parse("kith dev --keep init").is_err(), "there is nothing to keep");
    }

    #[test]
    fn only_variables_that_are_set_are_passed_on() {
        let inherited = InheritedArgs {
            path: Some("/bin".to_owned()),
            home: None,
            user: Some("me".to_owned()),
            lang: None,
            tmpdir: None,
        };
        let names: Vec<_> = inherited.variables().into_keys().collect();
        assert_eq!(names, ["PATH", "USER"]);
        assert_eq!(inherited.search(), "/bin");
    }
}
