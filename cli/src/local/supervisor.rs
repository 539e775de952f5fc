//! A mesh that runs. Owns its children, in three tiers, and the order of their start and end:
//! control plane, sidecars, applications; backwards at the end. Whatever way it ends, nothing of it is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use kith_control_plane::attest::StatementSigner;
use kith_proto::v1::{ControlPlaneStart, StatusResponse, Workloads};
use kith_runtime::Clock;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::admin::Admin;
use super::attestation::Attestor;
use super::child::Launch;
use super::claim::Claim;
use super::control_plane::{ControlPlane, ControlPlaneFacts, ControlPlaneRole};
use super::endpoints::Endpoints;
use super::events::{ChildId, EventSink, Events};
use super::keeper::{Application, Keeper, Kept};
use super::kept_state::SealKey;
use super::layout::{LayoutError, MeshFiles};
use super::plan::{Plan, start_order};
use super::policies::{self, PolicyState};
use super::services::{App, MeshSpec, Process, ServiceSpec};
use super::sidecar::SidecarRole;
use super::tier::Tier;

/// How long one child may take to be ready.
const START: Duration = Duration::from_secs(20);
/// How often a state that nobody announces is asked for.
const ASK: Duration = Duration::from_millis(20);

/// A mesh that runs. Stop it with [`Supervisor::stop`]; dropped, it kills what is left.
pub struct Supervisor {
    name: String,
    plan: Plan,
    files: MeshFiles,
    events: EventSink,
    running: watch::Receiver<Option<Arc<ControlPlaneFacts>>>,
    control_plane: Kept,
    sidecars: BTreeMap<String, Kept>,
    applications: BTreeMap<String, Kept>,
    tiers: Tiers,
}

struct Tiers {
    control_plane: Tier,
    sidecars: Tier,
    applications: Tier,
}

impl Supervisor {
    /// Starts a mesh, and returns once every sidecar has its svid and its snapshot, and every application listens.
    ///
    /// Children die with the thread that started them (`PR_SET_PDEATHSIG`): call it where that thread lives as long
    /// as the mesh, such as in `block_on`.
    pub async fn start(spec: MeshSpec) -> anyhow::Result<Self> {
        Self::start_as(spec, None).await
    }

    /// As [`Supervisor::start`], under a name that was claimed before; its folder is that of the admin socket.
    pub async fn start_claimed(spec: MeshSpec, claim: Claim) -> anyhow::Result<Self> {
        Self::start_as(spec, Some(claim)).await
    }

    async fn start_as(spec: MeshSpec, claim: Option<Claim>) -> anyhow::Result<Self> {
        spec.check()?;
        let files = MeshFiles::make(&spec, claim)?;
        let served = spec.services.iter().filter(|service| service.workload_api);
        let sockets = served.map(|service| Ok((service.name.clone(), files.workload_socket(&service.name)?)));
        let plan = Plan::make(&spec, sockets.collect::<Result<_, LayoutError>>()?)
            .context("no address on the loopback interface is to be had")?;
        let signer = StatementSigner::generate().context("cannot make the key that signs statements")?;
        let running = watch::Sender::new(None);
        let mut supervisor = Self {
            name: spec.name.clone(),
            plan,
            files,
            events: EventSink::new(),
            running: running.subscribe(),
            control_plane: Kept::new(ChildId::ControlPlane),
            sidecars: BTreeMap::new(),
            applications: applications(&spec.services),
            tiers: Tiers { control_plane: Tier::new(), sidecars: Tier::new(), applications: Tier::new() },
        };
        supervisor.start_control_plane(&spec, signer.public_key(), running).await?;
        supervisor.start_sidecars(&spec, signer).await?;
        let status = supervisor.until_programmed(START).await?;
        supervisor.watch_policies(PolicyState::from(&status));
        supervisor.start_applications(&spec).await?;
        Ok(supervisor)
    }

    /// The name of the mesh.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a service is reached; `None` when there is no such service.
    pub fn endpoints(&self, service: &str) -> Option<&Endpoints> {
        self.plan.services.get(service)
    }

    /// The names of all services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.plan.services.keys().map(String::as_str)
    }

    /// What happens. The first reader sees everything since the start, later ones what happens from now on.
    pub fn events(&self) -> Events {
        self.events.reader()
    }

    /// The control plane.
    pub fn control_plane(&self) -> ControlPlane<'_> {
        ControlPlane {
            kept: &self.control_plane,
            address: self.plan.control_plane,
            admin_socket: self.files.admin_socket(),
            running: &self.running,
        }
    }

    /// The sidecar of a service.
    pub fn sidecar(&self, service: &str) -> Option<&Kept> {
        self.sidecars.get(service)
    }

    /// The application of a service, when it is the supervisor's to keep.
    pub fn application(&self, service: &str) -> Option<&Kept> {
        self.applications.get(service)
    }

    /// Process ids of all children that run.
    pub fn pids(&self) -> Vec<i32> {
        let services = self.sidecars.values().chain(self.applications.values());
        services.chain([&self.control_plane]).filter_map(Kept::pid).collect()
    }

    /// Waits until every sidecar is connected and has acknowledged the newest revision.
    pub async fn until_programmed(&self, deadline: Duration) -> anyhow::Result<StatusResponse> {
        let mut last = String::from("the control plane did not answer");
        let search = async {
            loop {
                match self.status().await {
                    Ok(status) => match self.laggards(&status) {
                        laggards if laggards.is_empty() => return status,
                        laggards => last = format!("still waiting for {}", laggards.join(", ")),
                    },
                    Err(error) => last = format!("{error:#}"),
                }
                sleep(ASK).await;
            }
        };
        let found = timeout(deadline, search).await;
        found.map_err(|_| anyhow::anyhow!("the mesh was not ready within {deadline:?}: {last}"))
    }

    /// Drains and ends every child, applications first, and removes every file that was made.
    pub async fn stop(self) -> anyhow::Result<()> {
        let mut cut = 0;
        for tier in [&self.tiers.applications, &self.tiers.sidecars, &self.tiers.control_plane] {
            cut += tier.end().await;
        }
        self.files.remove()?;
        if cut > 0 {
            bail!("{cut} children had to be cut off");
        }
        Ok(())
    }

    /// Tells of other policies from now on.
    fn watch_policies(&self, known: PolicyState) {
        let socket = self.files.admin_socket().to_owned();
        self.tiers.control_plane.accompany(policies::watch(socket, known, self.events.clone()));
    }

    async fn start_control_plane(
        &mut self,
        spec: &MeshSpec,
        statement_key: Vec<u8>,
        running: watch::Sender<Option<Arc<ControlPlaneFacts>>>,
    ) -> anyhow::Result<()> {
        let seal_key = spec.seal_key.clone().map_or_else(SealKey::generate, Ok)?;
        let start = ControlPlaneStart {
            trust_domain: spec.trust_domain.to_string(),
            state_file: path_text(self.files.state_file())?,
            seal_key: seal_key.bytes(),
            policies_folder: path_text(&spec.policies_dir)?,
            listen: self.plan.control_plane.to_string(),
            admin_socket: path_text(self.files.admin_socket())?,
            statement_key,
            instance: Vec::new(),
            svid_seconds: spec.svid_seconds,
            health_listen: self.plan.control_plane_health.to_string(),
            watch_policies: spec.watch_policies,
            key_exchange: spec.key_exchange.to_string(),
        };
        let workloads = spec.services.iter().map(|service| self.plan.workload(service)).collect();
        let tier = &mut self.tiers.control_plane;
        tier.keep(Keeper {
            launch: launch_verb(spec, "run-control-plane", self.control_plane.id()),
            role: ControlPlaneRole {
                start,
                workloads: Workloads { workloads },
                running,
                root: OnceLock::new(),
            },
            kept: self.control_plane.clone(),
            events: self.events.clone(),
            stop: tier.stop_signal(),
        });
        self.control_plane.until_ready(START).await
    }

    async fn start_sidecars(&mut self, spec: &MeshSpec, signer: StatementSigner) -> anyhow::Result<()> {
        let control_plane = self.running.clone();
        let attestor = Arc::new(Attestor { signer, clock: Clock::system(), control_plane });
        for service in &spec.services {
            let name: Arc<str> = service.name.as_str().into();
            let kept = Kept::new(ChildId::Sidecar(name.clone()));
            let role = SidecarRole {
                service: name,
                identity: service.identity(&spec.trust_domain)?,
                start: self.plan.sidecar_start(spec, service)?,
                application: self.applications.get(&service.name).filter(|_| service.workload_api).cloned(),
                attestor: attestor.clone(),
                events: self.events.clone(),
            };
            let tier = &mut self.tiers.sidecars;
            tier.keep(Keeper {
                launch: launch_verb(spec, "run-sidecar", kept.id()),
                role,
                kept: kept.clone(),
                events: self.events.clone(),
                stop: tier.stop_signal(),
            });
            self.sidecars.insert(service.name.clone(), kept);
        }
        for kept in self.sidecars.values() {
            kept.until_ready(START).await?;
        }
        Ok(())
    }

    async fn start_applications(&mut self, spec: &MeshSpec) -> anyhow::Result<()> {
        for service in start_order(&spec.services) {
            let App::Process(process) = &service.app else { continue };
            let kept = self.applications[&service.name].clone();
            self.keep_application(spec, service, process, &kept)?;
            if process.listens {
                self.until_listening(service, &kept).await?;
            }
            kept.set_ready();
        }
        Ok(())
    }

    fn keep_application(
        &mut self,
        spec: &MeshSpec,
        service: &ServiceSpec,
        process: &Process,
        kept: &Kept,
    ) -> anyhow::Result<()> {
        let tier = &mut self.tiers.applications;
        tier.keep(Keeper {
            launch: Launch {
                program: spec.kith_binary.clone(),
                arguments: tied(spec, process, kept.id())?,
                environment: self.plan.environment(spec, service),
                folder: process.cwd.clone(),
                title: None,
                with_channel: false,
            },
            role: Application,
            kept: kept.clone(),
            events: self.events.clone(),
            stop: tier.stop_signal(),
        });
        Ok(())
    }

    async fn until_listening(&self, service: &ServiceSpec, kept: &Kept) -> anyhow::Result<()> {
        let address = self.plan.services[&service.name].app;
        let connected = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(ASK).await;
            }
        };
        tokio::select! {
            listening = timeout(START, connected) => match listening {
                Ok(()) => Ok(()),
                Err(_) => bail!("the {} does not listen on {address} ($PORT){}", kept.id(), kept.complaints()),
            },
            error = kept.until_hopeless() => Err(error),
        }
    }

    async fn status(&self) -> anyhow::Result<StatusResponse> {
        let mut admin = Admin::connect(self.files.admin_socket()).await?;
        Ok(admin.status().await?)
    }

    /// Services whose sidecars do not have the newest revision. While no policies could be read, there is none to
    /// have: being connected is all that can be waited for.
    fn laggards(&self, status: &StatusResponse) -> Vec<String> {
        let programmed = |name: &str| {
            let workload = status.workloads.iter().find(|workload| workload.name == name);
            workload.is_some_and(|workload| {
                let current = status.nothing_in_force || workload.acknowledged == status.revision;
                // Who is cut off gets no svid, and without one no snapshot: nothing is to be waited for.
                workload.quarantined || (workload.connected && current)
            })
        };
        self.sidecars.keys().filter(|name| !programmed(name)).cloned().collect()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for tier in [&self.tiers.applications, &self.tiers.sidecars, &self.tiers.control_plane] {
            tier.kill();
        }
        // Nobody is left to tell; `stop` is where this error is returned.
        let _ = self.files.remove();
    }
}

/// The applications that the supervisor is to keep. None runs yet: their sidecars come first, and watch for them.
fn applications(services: &[ServiceSpec]) -> BTreeMap<String, Kept> {
    let ours = services.iter().filter(|service| matches!(service.app, App::Process(_)));
    let kept = |name: &str| Kept::new(ChildId::App(name.into()));
    ours.map(|service| (service.name.clone(), kept(&service.name))).collect()
}

fn launch_verb(spec: &MeshSpec, verb: &str, id: &ChildId) -> Launch {
    Launch {
        program: spec.kith_binary.clone(),
        arguments: vec![verb.to_owned()],
        environment: BTreeMap::from([("KITH_LOG".to_owned(), spec.log_level.clone())]),
        folder: None,
        title: Some(title(id)),
        with_channel: true,
    }
}

/// The arguments under which an application begins tied to this process, whosever program it is. Others' programs keep
/// their own names, by which they may act.
fn tied(spec: &MeshSpec, process: &Process, id: &ChildId) -> anyhow::Result<Vec<String>> {
    let program = process.argv.first().context("the command is empty")?;
    let of_kith = Path::new(program) == spec.kith_binary;
    let mut arguments = vec!["run-application".to_owned(), format!("--supervisor={}", std::process::id())];
    arguments.extend(of_kith.then(|| format!("--title={}", title(id))));
    arguments.push("--".to_owned());
    arguments.extend(process.argv.iter().cloned());
    Ok(arguments)
}

/// What `ps` shows.
fn title(id: &ChildId) -> String {
    format!("kith: {id}")
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    Ok(text.to_owned())
}
