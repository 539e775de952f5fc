//! The run: everything is started, measured in turn, and ended. Rounds are interleaved, so that a machine that slows
//! down slows everybody down.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kith_runtime::signals::stop_requested;
use kith_tests::kith_binary;

use crate::backend::Addresses;
use crate::child::Child;
use crate::cpu::pin_this_thread;
use crate::effort::{Effort, OTHERS, POLICIES, PROXIES};
use crate::haproxy::{self, Haproxy};
use crate::issuance;
use crate::measure::{Cell, Target, idle_memory, measure};
use crate::noise::Noise;
use crate::pair::{self, LogCount, Ready};
use crate::results::{Results, Who};
use crate::table;

/// How long the backend may take to listen.
const START: Duration = Duration::from_secs(10);
/// How long the log of a mesh that was told to end may take to be counted.
const COUNT: Duration = Duration::from_secs(30);

/// Measures and prints. Ctrl-C ends everything that was started, in order.
pub(crate) async fn run(effort: &Effort) -> anyhow::Result<()> {
    tokio::select! {
        done = bench(effort) => done,
        signal = stop_requested() => anyhow::bail!("stopped by {}", signal?.signal),
    }
}

async fn bench(effort: &Effort) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores > OTHERS, "{cores} core: the proxies need one and the load another");
    pin_this_thread(OTHERS)?;
    say(&head(effort)?)?;
    let mut noise = Noise::begin()?;
    let measured = compare(effort, &mut noise).await?;
    say(&measured)?;
    say(&issuance::measure(effort).await?)?;
    noise.look()?;
    say(&noise.report()?)
}

/// The table.
async fn compare(effort: &Effort, noise: &mut Noise) -> anyhow::Result<String> {
    let mut backend = Child::serving(OTHERS, "backend", None::<&()>)?;
    let direct: Addresses = backend.answer(START).await?;
    let haproxy = Haproxy::start(direct).await?;
    let request = pair::Request { kith: kith_binary(), backend: direct };
    let mut mesh = Child::serving(OTHERS, "pair", Some(&request))?;
    let ready: Ready = mesh.answer(pair::START).await?;
    let targets = targets(direct, &haproxy, &ready)?;

    let mut results = Results::default();
    for target in &targets {
        idle_memory(target, &mut results)?;
    }
    let carried = rounds(effort, &targets, &mut results, noise).await?;
    results.subtract_direct();

    mesh.ask_to_end();
    let log: LogCount = mesh.answer(COUNT).await?;
    mesh.ended().await?;
    ensure!(log.refused == 0, "{} calls through the mesh were refused", log.refused);
    Ok(format!(
        "{}\nidentity log: {} lines were read for {carried} calls and connections through both sidecars\n",
        table::render(&results, effort),
        log.calls
    ))
}

fn targets(direct: Addresses, haproxy: &Haproxy, ready: &Ready) -> anyhow::Result<[Target; 3]> {
    let pids = haproxy.pids()?.to_vec();
    Ok([
        Target { who: Who::Direct, at: direct, http_pids: Vec::new(), opaque_pids: Vec::new() },
        Target { who: Who::Haproxy, at: haproxy.addresses(), http_pids: pids.clone(), opaque_pids: pids },
        Target {
            who: Who::Kith,
            at: Addresses { http: ready.http, opaque: ready.opaque },
            http_pids: vec![ready.caller, ready.callee],
            opaque_pids: vec![ready.caller, ready.opaque_callee],
        },
    ])
}

/// Says how many calls and connections the mesh carried.
async fn rounds(
    effort: &Effort,
    targets: &[Target],
    results: &mut Results,
    noise: &mut Noise,
) -> anyhow::Result<u64> {
    let mut carried = 0;
    for round in 1..=effort.rounds {
        progress(&format!("round {round} of {}", effort.rounds))?;
        for cell in Cell::all() {
            for target in targets {
                let done = measure(cell, target, effort, results).await;
                let done = done.with_context(|| format!("{cell:?} of {:?}", target.who))?;
                carried += if target.who == Who::Kith { done } else { 0 };
            }
        }
        noise.look()?;
    }
    Ok(carried)
}

/// What was measured, and how.
fn head(effort: &Effort) -> anyhow::Result<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let processor = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let build = if cfg!(debug_assertions) { "NOT a release build" } else { "release build" };
    let quick = if effort.quick { "quick: these figures mean nothing\n" } else { "" };
    Ok(format!(
        "{quick}{build}; {}; {}, Linux {}\n{} rounds; proxies on core {PROXIES}, load and backend on core {OTHERS}; \
         kith with its identity log and {POLICIES} policies on, HAProxy with neither\n",
        haproxy::version()?,
        processor.map_or("unknown processor", |(_, name)| name),
        kernel.trim(),
        effort.rounds,
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// For whoever waits.
fn progress(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}
