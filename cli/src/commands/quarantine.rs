//! `kith quarantine add`, `list` and `remove`: who is cut off. An emergency tool: it asks nothing back, says on standard
//! error what it hits, and exit code 1 says that a connected sidecar did not confirm. In a cluster a quarantine is an
//! object that is written and deleted here, with the rights of whoever does it; the control plane says what it did, and
//! where it cannot be asked, `offline` does without it.

mod offline;

use kith_control_plane::kubernetes::{Installation, Written};
use kith_identity::SpiffeId;
use kith_policy::document::Name;
use kith_policy::document::quarantine::QuarantineTarget as ObjectTarget;
use kith_proto::v1::quarantine_target::Of;
use kith_proto::v1::{AddQuarantineRequest, QuarantineResponse, QuarantineTarget, RemoveQuarantineRequest};
use kith_runtime::Clock;

use super::ask::{answered, ask, change};
use crate::args::{AskArgs, Output, QuarantineAddArgs, QuarantineCommand, QuarantineRemoveArgs, TargetArgs};
use crate::exit::Exit;
use crate::local::admin::{AdminError, named};
use crate::mesh::Mesh;
use crate::render::quarantine::{self, Change, EffectJson, Hits, QuarantinesJson};
use crate::render::{self, json, terminal_width};

/// Asks or changes, and prints the answer.
pub(crate) async fn run(command: QuarantineCommand) -> anyhow::Result<Exit> {
    match command {
        QuarantineCommand::Add(args) => add(args).await,
        QuarantineCommand::List(args) => list(args).await,
        QuarantineCommand::Remove(args) => remove(args).await,
    }
}

async fn add(args: QuarantineAddArgs) -> anyhow::Result<Exit> {
    let QuarantineAddArgs { reason, dry_run, target, ask: whom } = args;
    let mesh = Mesh::find(&whom).await?;
    let request = AddQuarantineRequest { target: Some(wanted(target)), reason, dry_run: true };
    let preview = match ask(&mesh, async |mut admin| admin.add_quarantine(request.clone()).await).await {
        Err(error) if !dry_run && offline::applies(&mesh, &error) => {
            return offline::add(&mesh, &request, &error, whom.output).await;
        }
        preview => preview?,
    };
    if dry_run {
        let text = match whom.output {
            Output::Table => quarantine::hits(&preview, mesh.naming()),
            Output::Json => json::pretty(&EffectJson::new(Change::Add, true, &preview))?,
        };
        return answered(render::print(&text), Exit::Ok);
    }
    render::report(&quarantine::hits(&preview, mesh.naming()));
    let request =
        AddQuarantineRequest { target: Some(exactly(request.target, &preview)), dry_run: false, ..request };
    if let Some(installation) = mesh.installation() {
        write(installation, &request, &preview).await?;
    }
    let answer = change(&mesh, async |mut admin| admin.add_quarantine(request.clone()).await).await;
    let mut answer = answer.map_err(|error| in_doubt(error, &whom))?;
    if mesh.installation().is_some() {
        // The object that was written here may have been seen before it was asked about.
        answer.unchanged = preview.unchanged;
    }
    let exit = done(Change::Add, whom.output, &answer);
    render::report(&format!(
        "undo it with: kith quarantine remove{} {}",
        whom.flags(),
        flag(&request.target)
    ));
    exit
}

/// In a cluster it is an object, which whoever wants it writes.
async fn write(
    installation: &Installation,
    request: &AddQuarantineRequest,
    preview: &QuarantineResponse,
) -> anyhow::Result<()> {
    if !preview.objects.is_empty() {
        render::report(&format!("kith: cut off already by the Quarantine {}", preview.objects.join(", ")));
        return Ok(());
    }
    let target = by_account(object_target(request.target.as_ref())?)?;
    store(installation, &target, &request.reason).await.map(drop)
}

/// Says what was written.
async fn store(installation: &Installation, target: &ObjectTarget, reason: &str) -> anyhow::Result<Written> {
    let written = installation.write_quarantine(target, reason).await?;
    let verb = if written.unchanged { "is there already" } else { "was written" };
    render::report(&format!("kith: the Quarantine {} {verb}", written.name));
    Ok(written)
}

/// Says what was deleted.
async fn delete(installation: &Installation, objects: &[String]) -> anyhow::Result<()> {
    installation.delete_quarantines(objects).await?;
    render::report(&format!("kith: the Quarantine {} was deleted", objects.join(", ")));
    Ok(())
}

async fn remove(args: QuarantineRemoveArgs) -> anyhow::Result<Exit> {
    let QuarantineRemoveArgs { target, ask: whom } = args;
    let mesh = Mesh::find(&whom).await?;
    let mut request = RemoveQuarantineRequest { target: Some(wanted(target)), dry_run: false };
    if let Some(installation) = mesh.installation() {
        let dry_run = RemoveQuarantineRequest { dry_run: true, ..request.clone() };
        let preview = match ask(&mesh, async |mut admin| admin.remove_quarantine(dry_run.clone()).await).await
        {
            Err(error) if offline::applies(&mesh, &error) => {
                return offline::remove(&mesh, &request, &error, whom.output).await;
            }
            preview => preview?,
        };
        delete(installation, &preview.objects).await?;
        request.target = Some(exactly(request.target, &preview));
    }
    let answer = change(&mesh, async |mut admin| admin.remove_quarantine(request.clone()).await).await;
    let mut answer = answer.map_err(|error| in_doubt(error, &whom))?;
    // In a cluster it was deleted before it was asked about.
    answer.unchanged &= mesh.installation().is_none();
    done(Change::Remove, whom.output, &answer)
}

fn wanted(args: TargetArgs) -> QuarantineTarget {
    let TargetArgs { workload, service_account, pod, node } = args;
    let of = workload.map(Of::Workload).or(service_account.map(Of::ServiceAccount)).or(pod.map(Of::Pod));
    QuarantineTarget { of: of.or(node.map(Of::Node)) }
}

/// The same, with the identity that a name was found to stand for: a name may mean somebody else in a moment.
fn exactly(target: Option<QuarantineTarget>, preview: &QuarantineResponse) -> QuarantineTarget {
    if preview.identity.is_empty() { target.unwrap_or_default() } else { named(&preview.identity) }
}

/// Whom an object of an identity of this mesh names: the service account, which is what people look for.
fn by_account(target: ObjectTarget) -> Result<ObjectTarget, AdminError> {
    match &target {
        ObjectTarget::Identity(identity) => match identity.service_account() {
            Some(account) => account_named(account.namespace, account.name),
            None => Ok(target),
        },
        _ => Ok(target),
    }
}

/// Whom an object can name. What is only the name of a workload could be anybody's.
fn object_target(asked: Option<&QuarantineTarget>) -> Result<ObjectTarget, AdminError> {
    match asked.and_then(|asked| asked.of.as_ref()) {
        Some(Of::ServiceAccount(account)) => account_named(&account.namespace, &account.name),
        Some(Of::Pod(pod)) => {
            Ok(ObjectTarget::Pod { namespace: name(&pod.namespace)?, name: name(&pod.name)? })
        }
        Some(Of::Node(node)) => Ok(ObjectTarget::Node(name(node)?)),
        Some(Of::Workload(text)) => SpiffeId::parse(text).map(ObjectTarget::Identity).map_err(|_| {
            let reason = format!(
                "whom {text:?} means only the control plane knows, and it cannot be asked; name --service-account \
                 NAMESPACE/NAME, --pod NAMESPACE/NAME, --node NAME, or an identity"
            );
            AdminError::BadQuestion { reason }
        }),
        None => Err(AdminError::BadQuestion { reason: "nobody is named".to_owned() }),
    }
}

fn account_named(namespace: &str, account: &str) -> Result<ObjectTarget, AdminError> {
    Ok(ObjectTarget::ServiceAccount { namespace: name(namespace)?, name: name(account)? })
}

fn name(text: &str) -> Result<Name, AdminError> {
    Name::parse(text).map_err(|error| AdminError::BadQuestion { reason: error.to_string() })
}

/// The arguments that name the same again.
fn flag(target: &Option<QuarantineTarget>) -> String {
    match target.as_ref().and_then(|target| target.of.as_ref()) {
        Some(Of::Workload(name)) => name.clone(),
        Some(Of::ServiceAccount(name)) => format!("--service-account {}/{}", name.namespace, name.name),
        Some(Of::Pod(name)) => format!("--pod {}/{}", name.namespace, name.name),
        Some(Of::Node(name)) => format!("--node {name}"),
        None => String::new(),
    }
}

/// A request that was sent may have been carried out although nobody answered.
fn in_doubt(error: anyhow::Error, whom: &AskArgs) -> anyhow::Error {
    match error.downcast_ref() {
        Some(AdminError::Unreachable { .. } | AdminError::Restarting { .. }) => {
            let list = format!("it may have been done; see: kith quarantine list{}", whom.flags());
            error.context(list)
        }
        _ => error,
    }
}

/// What was done. A sidecar that is connected and does not confirm is a failure.
fn done(change: Change, output: Output, answer: &QuarantineResponse) -> anyhow::Result<Exit> {
    let exit = if answer.waiting_for.is_empty() { Exit::Ok } else { Exit::Failed };
    let text = match output {
        Output::Table => quarantine::done(change, answer, Clock::system().now()),
        Output::Json => json::pretty(&EffectJson::new(change, false, answer))?,
    };
    answered(render::print(&text), exit)
}

async fn list(args: AskArgs) -> anyhow::Result<Exit> {
    let mesh = Mesh::find(&args).await?;
    let (answer, hits) = match ask(&mesh, async |mut admin| admin.quarantines().await).await {
        Err(error) if offline::applies(&mesh, &error) => (offline::list(&mesh, &error).await?, Hits::Unknown),
        answer => (answer?, Hits::Known),
    };
    let text = match args.output {
        Output::Table => quarantine::list(&answer, hits, Clock::system().now(), terminal_width()),
        Output::Json => json::pretty(&QuarantinesJson::new(&answer, hits))?,
    };
    answered(render::print(&text), Exit::Ok)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn a_change_that_nobody_answered_may_have_been_made_and_one_that_was_refused_was_not() {
        let cli = Cli::try_parse_from(["kith", "quarantine", "list", "--name", "shop"]).unwrap();
        let Command::Quarantine(QuarantineCommand::List(whom)) = cli.command else { panic!("another verb") };
        let unreachable = AdminError::Unreachable { socket: "x".into(), reason: "gone".into() };
        for error in [unreachable, AdminError::Restarting { mesh: "shop".into() }] {
            let error = in_doubt(error.into(), &whom);
            assert_eq!(error.to_string(), "it may have been done; see: kith quarantine list --name shop");
            assert_eq!(Exit::of(&error), Exit::Unreachable);
        }
        let refused = in_doubt(AdminError::BadQuestion { reason: "reserved".into() }.into(), &whom);
        assert_eq!((refused.to_string().as_str(), Exit::of(&refused)), ("reserved", Exit::BadInput));
    }
}
