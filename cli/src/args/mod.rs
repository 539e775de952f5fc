//! The command line. `verbs` has the arguments of what asks a running mesh. Environment variables are read here and nowhere else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod check;
mod cluster;
pub mod dev;
mod started;
mod svid;
mod verbs;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

pub use self::check::{CheckArgs, FailOn};
pub use self::cluster::ClusterArgs;
pub use self::started::{DemoService, DemoServiceArgs, RunApplicationArgs};
pub use self::svid::{AddressError, EndpointAddress, SvidCommand, SvidFetchArgs, SvidInspectArgs};
pub use self::verbs::{
    CompletionArgs, CrdsArgs, IdentityCommand, InjectArgs, ManArgs, QuarantineAddArgs, QuarantineCommand,
    QuarantineRemoveArgs, ShellName, TargetArgs, WhyArgs, WorkloadArgs,
};
use crate::local::demo_mesh;
use crate::local::layout::{LayoutError, MeshSocket, SocketFolder};

/// What the demo's control plane and sidecars report when nobody asks for more.
const DEFAULT_LOG_LEVEL: &str = "error";
const LOG_LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
/// The longest life of an svid that a story waits for.
const LONGEST_IN_STORY: u32 = 60;

/// Kith: a mutual-TLS service mesh
#[derive(Debug, Parser)]
#[command(
    name = "kith",
    version,
    about = "Kith: services that answer only to callers they know",
    after_help = "Begin with: kith demo"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line as people see it, without the verbs that only a supervisor uses.
    pub fn for_people() -> clap::Command {
        let all = Self::command();
        let shown: Vec<_> = all.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
        let text = |text: Option<&clap::builder::StyledStr>| text.cloned().unwrap_or_default();
        clap::Command::new("kith")
            .version(env!("CARGO_PKG_VERSION"))
            .about(text(all.get_about()))
            .after_help(text(all.get_after_help()))
            .subcommand_required(true)
            .subcommands(shown)
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a mesh of four services on this machine and watch its calls
    Demo(DemoArgs),
    /// Run your own processes in a mesh on this machine, as a kith.yaml declares them
    Dev(dev::DevArgs),
    /// Show the workloads of a running mesh, their svids and the policies in force
    #[command(after_help = "Example: kith status -o json\n\n\
        Exit code 2: the newest edit of the policies is not in force.")]
    Status(AskArgs),
    /// Follow the calls of a running mesh
    #[command(after_help = "Example: kith tap --denied --workload payments")]
    Tap(TapArgs),
    /// Say what would become of a call, and which rule decides
    #[command(after_help = "Example: kith explain intruder payments POST /charge/7\n\n\
        Exit code 2: the call would be refused. WOULD DENY is one that passes, because a posture lets it through.")]
    Explain(ExplainArgs),
    /// Say what a denial id stands for, and what would allow the call
    #[command(after_help = "Example: kith why c81916ad\n\nExit code 1: nobody knows a denial of this id.")]
    Why(WhyArgs),
    /// Show who called whom, and what became of it
    #[command(after_help = "Example: kith edges -o json")]
    Edges(AskArgs),
    /// Show identities and their svids, or replace an svid now
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// Cut an identity off, now
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Fetch an svid from a SPIFFE Workload API, or say what is wrong with one; needs no mesh
    #[command(subcommand)]
    Svid(SvidCommand),
    /// See that an installation in a cluster is as it ought to be
    #[command(after_help = "Example: kith check --wait 60s\n\n\
        Before an installation: kith check --pre. What each check looks at: docs/checks.md.\n\
        Exit code 2: something is wrong; with --fail-on warning also when something should be looked at.")]
    Check(CheckArgs),
    /// Make every pod of a text a member of the mesh: YAML or JSON in, the same out
    #[command(after_help = "Example: kith inject -f shop.yaml | kubectl apply -f -\n\n\
        How it is done says kith-config of the installation in the cluster, or the file of --config.\n\
        The namespace that it is applied to needs the label kith.dev/inject=enabled; in any other the cluster refuses the pods.\n\
        What was done is told on standard error. Comments and the order of fields are lost.\n\
        Exit code 65: the text is none, or a pod in it cannot be a member as it is.")]
    Inject(InjectArgs),
    /// Show the version of this command, and of the control plane where one runs
    #[command(after_help = "Example: kith version -o json")]
    Version(AskArgs),
    /// Print what completes words in a shell
    #[command(after_help = "Example: kith completion bash > ~/.local/share/bash-completion/completions/kith")]
    Completion(CompletionArgs),
    /// Write the manual pages
    #[command(after_help = "Example: kith man ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Print the definitions of the kinds of object that Kubernetes keeps for us
    #[command(hide = true)]
    Crds(CrdsArgs),
    /// The control plane of a local mesh; started by its supervisor
    #[command(hide = true)]
    RunControlPlane(kith_control_plane::Args),
    /// A sidecar of a local mesh; started by its supervisor
    #[command(hide = true)]
    RunSidecar(kith_sidecar::Args),
    /// A service of the demo; started by its supervisor
    #[command(hide = true)]
    DemoService(DemoServiceArgs),
    /// An application of a local mesh; started by its supervisor
    #[command(hide = true)]
    RunApplication(RunApplicationArgs),
}

impl Command {
    /// Where a verb looks for sockets and makes temporary files, if it does.
    pub fn runtime(&self) -> Option<&RuntimeArgs> {
        match self {
            Self::Demo(args) => Some(&args.runtime),
            Self::Dev(args) => Some(&args.run.runtime),
            Self::Status(args) | Self::Edges(args) | Self::Version(args) => Some(&args.runtime),
            Self::Tap(args) => Some(&args.ask.runtime),
            Self::Explain(args) => Some(&args.ask.runtime),
            Self::Why(args) => Some(&args.ask.runtime),
            Self::Identity(command) => Some(command.runtime()),
            Self::Quarantine(command) => Some(command.runtime()),
            Self::Svid(_)
            | Self::Completion(_)
            | Self::Man(_)
            | Self::Check(_)
            | Self::Inject(_)
            | Self::Crds(_)
            | Self::RunControlPlane(_)
            | Self::RunSidecar(_)
            | Self::DemoService(_)
            | Self::RunApplication(_) => None,
        }
    }
}

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Where the sockets of this user's meshes are.
#[derive(Debug, Clone, Args)]
pub struct RuntimeArgs {
    /// The folder for sockets and temporary files of this user
    #[arg(long, env = "XDG_RUNTIME_DIR", hide = true, value_name = "FOLDER")]
    pub runtime_dir: Option<OsString>,
}

impl RuntimeArgs {
    /// The runtime folder; a variable that is set to nothing, or to no folder that is there, names none.
    pub fn folder(&self) -> Option<&Path> {
        self.named().filter(|folder| folder.is_absolute() && folder.is_dir())
    }

    /// The folder for temporary files.
    pub fn temporary(&self) -> &Path {
        self.folder().unwrap_or(Path::new("/tmp"))
    }

    /// What to say about a runtime folder that is named and cannot be used.
    pub fn complaint(&self) -> Option<String> {
        let named = self.named().filter(|_| self.folder().is_none())?;
        Some(format!("XDG_RUNTIME_DIR is {named:?}, which is no folder; /tmp is used instead"))
    }

    fn named(&self) -> Option<&Path> {
        self.runtime_dir.as_deref().filter(|named| !named.is_empty()).map(Path::new)
    }

    /// The folder of this user's sockets.
    pub fn sockets(&self) -> SocketFolder {
        SocketFolder::of_user(self.folder())
    }
}

/// Flags of `kith demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Walk through six timed steps that prove what the mesh promises, and end
    #[arg(long)]
    pub story: bool,
    /// Walk through the same steps, recompute every figure from the identity logs, print one report and end; exit code
    /// 2: something did not hold, or the logs say something else
    #[arg(long, conflicts_with = "story")]
    pub check: bool,
    /// How events are written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The name of the mesh, when several are to run
    #[arg(long, default_value = demo_mesh::NAME)]
    pub name: String,
    /// Lifetime of an svid in seconds (60; with --story and --check 20, and at most 60); short, to watch rotation
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(20..=86_400))]
    pub svid_ttl: Option<u32>,
    /// What the control plane and the sidecars report on standard error: error, warn, info, debug or trace, or
    /// target=level,...
    #[arg(long, env = "KITH_LOG", default_value = DEFAULT_LOG_LEVEL, value_name = "LEVEL", value_parser = log_level)]
    pub log_level: String,
    /// Where sockets and temporary files go.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

impl DemoArgs {
    /// Whether it ends by itself, when everything was shown once.
    pub fn tells_story(&self) -> bool {
        self.story || self.check
    }

    /// Refuses what the flags cannot mean together.
    pub fn check(&self) -> Result<(), UsageError> {
        match self.svid_ttl {
            Some(seconds) if self.tells_story() && seconds > LONGEST_IN_STORY => {
                Err(UsageError::SlowStory { seconds })
            }
            _ => Ok(()),
        }
    }
}

/// What is wrong with flags that are right one by one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A token is always for somebody.
    #[error("whom the token has to be for is missing; name it with --audience")]
    NoAudience,
    /// Only a token is for somebody.
    #[error("--audience is for tokens, and these are certificates; leave it out")]
    AudienceOfNoToken,
    /// A trust domain that nothing is held against.
    #[error("--trust-domain says whose anchors --bundle has; name them with --bundle FILE, or leave it out")]
    NoAnchors,
    /// A bundle is what verifies, and is not verified itself.
    #[error("--bundle verifies certificates and tokens, and this is a bundle; leave it out to look at it")]
    NothingToVerify,
    /// The story shows how svids are replaced, and nobody waits that long.
    #[error(
        "the story waits for svids to be replaced, which takes too long with --svid-ttl {seconds}; choose 20 to 60"
    )]
    SlowStory {
        /// The lifetime that was asked for.
        seconds: u32,
    },
}

/// Accepts what the parser of diagnostics accepts, and says here what is wrong, once, instead of in every child.
/// Nothing is the default: `KITH_LOG=` is how people unset a variable.
fn log_level(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(DEFAULT_LOG_LEVEL.to_owned());
    }
    let known = |level: &str| LOG_LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level));
    let target = |target: &str| {
        !target.is_empty()
            && target.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'))
    };
    let wrong = text.split(',').find(|part| match part.split_once('=') {
        Some((name, level)) => !(target(name) && known(level)),
        None => !known(part),
    });
    match wrong {
        None => Ok(text.to_owned()),
        Some(part) => Err(format!("{part:?} is none of {}, nor target=level", LOG_LEVELS.join(", "))),
    }
}

/// Which mesh is asked, and how the answer is written.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// The mesh on this machine, when several are running
    #[arg(long, conflicts_with_all = ["socket", "context", "kubeconfig", "namespace"])]
    pub name: Option<String>,
    /// The admin socket of the mesh
    #[arg(long, value_name = "PATH", conflicts_with_all = ["context", "kubeconfig", "namespace"])]
    pub socket: Option<PathBuf>,
    /// Or a cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where sockets are looked for.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

impl AskArgs {
    /// The socket of a mesh on this machine.
    pub fn find_socket(&self) -> Result<MeshSocket, LayoutError> {
        match &self.socket {
            Some(socket) => Ok(MeshSocket::at(socket.clone())),
            None => self.runtime.sockets().find(self.name.as_deref()),
        }
    }

    /// The flags that ask the same mesh again, for a hint.
    pub fn flags(&self) -> String {
        match (&self.socket, &self.name) {
            (Some(socket), _) => format!(" --socket {}", socket.display()),
            (None, Some(name)) => format!(" --name {name}"),
            (None, None) => self.cluster.flags(),
        }
    }
}

/// Flags of `kith tap`.
#[derive(Debug, Args)]
pub struct TapArgs {
    /// Only what was refused
    #[arg(long)]
    pub denied: bool,
    /// Only what the sidecar of this workload (a name or an identity) saw
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Arguments of `kith explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Who calls: a workload's name or an identity
    #[arg(value_name = "SRC")]
    pub source: String,
    /// Who is called: a workload's name or an identity
    #[arg(value_name = "DST")]
    pub destination: String,
    /// The HTTP method; without one, a call on an opaque port
    #[arg(requires = "path")]
    pub method: Option<String>,
    /// The path
    pub path: Option<String>,
    /// The port of the destination's pod, where it has several
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Whom to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

#[cfg(test)]
mod tests;
