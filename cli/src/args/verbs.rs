//! Arguments of the verbs that ask a running mesh, or change it.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};
use kith_proto::v1::NamespacedName;

use super::{AskArgs, ClusterArgs, RuntimeArgs};

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
        In a cluster it writes a Quarantine object, with your own rights.\n\
        Exit code 1: a connected sidecar did not confirm.")]
    Add(QuarantineAddArgs),
    /// Who is cut off
    #[command(after_help = "Example: kith quarantine list -o json")]
    List(AskArgs),
    /// Let an identity in again
    #[command(after_help = "Example: kith quarantine remove intruder\n\n\
        In a cluster it deletes every Quarantine object that means the same, with your own rights.\n\
        Exit code 1: a connected sidecar did not confirm.")]
    Remove(QuarantineRemoveArgs),
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
    /// Whom.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Arguments of `kith quarantine remove`.
#[derive(Debug, Args)]
pub struct QuarantineRemoveArgs {
    /// Whom.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Who is cut off, or let in again.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TargetArgs {
    /// A workload's name, which stands for its identity, or an identity
    #[arg(value_name = "IDENTITY", value_parser = NonEmptyStringValueParser::new())]
    pub workload: Option<String>,
    /// Whatever runs as this service account
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    pub service_account: Option<NamespacedName>,
    /// One pod, and no other of its identity; in a cluster
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = namespaced)]
    pub pod: Option<NamespacedName>,
    /// Whatever runs on this node; in a cluster
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub node: Option<String>,
}

fn namespaced(text: &str) -> Result<NamespacedName, String> {
    let parts = text
        .split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
    let (namespace, name) = parts.ok_or_else(|| format!("{text:?} is not NAMESPACE/NAME"))?;
    Ok(NamespacedName { namespace: namespace.to_owned(), name: name.to_owned() })
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
            Self::Add(args) => &args.ask.runtime,
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

/// Arguments of `kith inject`.
#[derive(Debug, Args)]
pub struct InjectArgs {
    /// What to read, YAML or JSON; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The control plane's config.yaml, which says how its own injector does it; without it, that of the installation in the cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "kubeconfig", "namespace"])]
    pub config: Option<PathBuf>,
    /// Which installation's, where no file is named.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Arguments of `kith crds`.
#[derive(Debug, Args)]
pub struct CrdsArgs {
    /// Write each definition into a file of this folder, instead of printing all of them
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<PathBuf>,
}
