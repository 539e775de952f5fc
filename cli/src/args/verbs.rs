//! Arguments of the verbs that ask a running mesh, or change it.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::{AskArgs, RuntimeArgs};

/// Arguments of `kith why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The id of the denial, or its first eight digits or more; also the whole line that the caller was given
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub id: String,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// One workload.
#[derive(Debug, Args)]
pub struct WorkloadArgs {
    /// A workload's name, or an identity
    #[arg(value_name = "IDENTITY", value_parser = NonEmptyStringValueParser::new())]
    pub workload: String,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// What there is to do with quarantines.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Cut an identity off: its open calls end, new ones and new svids are refused
    #[command(after_help = "Example: kith quarantine add intruder --reason 'leaked key'\n\n\
        Lists first, on standard error, what is hit. `kith quarantine remove` undoes it.\n\
        Exit code 1: a connected sidecar did not confirm.")]
    Add(QuarantineAddArgs),
    /// Who is cut off
    #[command(after_help = "Example: kith quarantine list -o json")]
    List(AskArgs),
    /// Let an identity in again
    #[command(after_help = "Example: kith quarantine remove intruder\n\n\
        Exit code 1: a connected sidecar did not confirm.")]
    Remove(WorkloadArgs),
}

/// Arguments of `kith quarantine add`.
#[derive(Debug, Args)]
pub struct QuarantineAddArgs {
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only list what would be hit
    #[arg(long)]
    pub dry_run: bool,
    /// Whom, and whom to ask.
    #[command(flatten)]
    pub workload: WorkloadArgs,
}

/// What there is to do with identities.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// The identities of the mesh and their svids
    #[command(after_help = "Example: kith identity list")]
    List(AskArgs),
    /// One identity and its svid
    #[command(after_help = "Example: kith identity show orders")]
    Show(WorkloadArgs),
    /// Give a workload a new svid with a new key, now
    #[command(after_help = "Example: kith identity rotate orders")]
    Rotate(WorkloadArgs),
}

impl QuarantineCommand {
    pub(super) fn runtime(&self) -> &RuntimeArgs {
        match self {
            Self::Add(args) => &args.workload.ask.runtime,
            Self::List(ask) => &ask.runtime,
            Self::Remove(args) => &args.ask.runtime,
        }
    }
}

impl IdentityCommand {
    pub(super) fn runtime(&self) -> &RuntimeArgs {
        match self {
            Self::List(ask) => &ask.runtime,
            Self::Show(args) | Self::Rotate(args) => &args.ask.runtime,
        }
    }
}

/// Which shell completes words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
}

/// Arguments of `kith completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: ShellName,
}

/// Arguments of `kith man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages of all verbs are written, made if it is missing; without one, the page of kith is printed
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}
