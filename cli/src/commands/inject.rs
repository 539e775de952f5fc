//! `kith inject`: a text with workloads in it, out again with every pod a member of the mesh. A text transform: the
//! result goes to standard output, what was done to standard error. How it is done is said by a file, or by the
//! configuration of the installation in a cluster, which is asked nothing else.

mod read;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use kith_control_plane::inject::{
    DocumentRefusal, HookNonce, Outcome, Report, Settings, SettingsError, inject_document,
};
use kith_control_plane::kubernetes::ClusterError;
use kith_policy::document::DocumentError;

use self::read::{Documents, read};
use super::ask::answered;
use crate::args::{ClusterArgs, InjectArgs};
use crate::exit::Exit;
use crate::mesh::{self, NoMesh};
use crate::render::escape::escape;
use crate::render::{self, json, yaml};

/// Far above what people write, and what is held in memory several times.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The text says nothing of the namespace it will be applied to.
const LABELLED_ONLY: &str = "the cluster accepts these pods only in a namespace with the label kith.dev/inject=enabled, and refuses \
                             them in any other";

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InjectError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is larger than anything that is applied to a cluster.
    #[error("{} has more than 16 MiB; split it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is no YAML and no JSON.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is nothing in it.
    #[error("there is no object in {name}")]
    Empty {
        /// The file, or the object.
        name: String,
    },
    /// A pod in it cannot be a member.
    #[error("{place}: {refusal}")]
    Refused {
        /// `FILE:LINE:COLUMN` of the object.
        place: String,
        /// Which object, and why.
        refusal: DocumentRefusal,
    },
    /// The configuration of the control plane does not say how.
    #[error("{name}: {wrong}")]
    Settings {
        /// The file, or the object.
        name: String,
        /// What is wrong with it.
        wrong: SettingsError,
    },
    /// Neither a file nor a cluster says how.
    #[error(
        "no configuration says how to inject, and no kubeconfig names a cluster that has one (KUBECONFIG, \
         ~/.kube/config); give the control plane's config.yaml with --config FILE, or name a cluster with --kubeconfig"
    )]
    NoCluster,
    /// There is no installation, or none of this version.
    #[error(
        "there is no ConfigMap kith-config with a config.yaml in the namespace {namespace}; name the namespace that \
         Kith is installed in with -n, or give its config.yaml with --config FILE"
    )]
    NoConfiguration {
        /// Where it was looked for.
        namespace: String,
    },
    /// The cluster does not give it.
    #[error("the ConfigMap kith-config cannot be read: {reason}; or give its config.yaml with --config FILE")]
    Cluster {
        /// Why not.
        reason: ClusterError,
    },
}

impl From<NoMesh> for InjectError {
    fn from(error: NoMesh) -> Self {
        match error {
            NoMesh::Cluster(reason) => Self::Cluster { reason },
            NoMesh::Neither | NoMesh::Layout(_) => Self::NoCluster,
        }
    }
}

/// Reads, injects, prints.
pub(crate) async fn run(args: InjectArgs) -> anyhow::Result<Exit> {
    let settings = match &args.config {
        Some(path) => settings_of(&path.display().to_string(), &content(path)?)?,
        None => settings_in(&args.cluster).await?,
    };
    let (text, reports) = transform(&args.file, &content(&args.file)?, &settings)?;
    for report in &reports {
        told(report).iter().for_each(|line| render::report(line));
    }
    if reports.iter().any(|report| report.outcome == Outcome::Injected) {
        render::report(LABELLED_ONLY);
    }
    answered(render::print(text.trim_end_matches('\n')), Exit::Ok)
}

/// As the injector in the cluster does it.
async fn settings_in(cluster: &ClusterArgs) -> Result<Settings, InjectError> {
    let installation = mesh::installation(cluster).await?;
    let read = installation.configuration().await;
    let text = read.map_err(|reason| InjectError::Cluster { reason })?;
    let namespace = installation.namespace();
    let missing = || InjectError::NoConfiguration { namespace: namespace.to_owned() };
    settings_of(&format!("kith-config in the namespace {namespace}"), &text.ok_or_else(missing)?)
}

/// As this configuration of a control plane says.
fn settings_of(name: &str, text: &str) -> Result<Settings, InjectError> {
    let wrong = |wrong| InjectError::Settings { name: name.to_owned(), wrong };
    let mut documents = read(name, text)?.documents.into_iter();
    let (configuration, _) = documents.next().ok_or_else(|| InjectError::Empty { name: name.to_owned() })?;
    Settings::of_configuration(&configuration, env!("CARGO_PKG_VERSION")).map_err(wrong)
}

/// `-` is standard input.
fn content(path: &Path) -> Result<String, InjectError> {
    let failed = |source| InjectError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let mut reader: Box<dyn io::Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(fs::File::open(path).map_err(failed)?),
    };
    reader.by_ref().take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(InjectError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// The same documents with members in them, in the notation that they came in. Each has a nonce of its own: who may read
/// one workload must not thereby be able to stop another.
fn transform(path: &Path, text: &str, settings: &Settings) -> anyhow::Result<(String, Vec<Report>)> {
    let name = path.display().to_string();
    let Documents { documents, is_json } = read(&name, text)?;
    if documents.is_empty() {
        return Err(InjectError::Empty { name }.into());
    }
    let (mut written, mut reports) = (Vec::new(), Vec::new());
    for (mut document, place) in documents {
        let refused = |refusal: DocumentRefusal| InjectError::Refused { place: place.clone(), refusal };
        let nonce = HookNonce::random()?;
        reports.extend(inject_document(&mut document, settings, nonce).map_err(refused)?);
        written.push(if is_json { json::pretty(&document)? } else { yaml::document(&document) });
    }
    Ok((written.join("---\n"), reports))
}

/// `deployment/web injected`, and what its author should know.
fn told(report: &Report) -> Vec<String> {
    let name = escape(&report.name);
    let outcome = match report.outcome {
        Outcome::Injected => format!("{name} injected"),
        Outcome::Untouched(why) => format!("{name} skipped: {why}"),
        Outcome::NoWorkload => format!("{name} skipped: not a workload"),
    };
    let warning = |warning: &String| format!("{name} warning: {}", escape(warning));
    std::iter::once(outcome).chain(report.warnings.iter().map(warning)).collect()
}
