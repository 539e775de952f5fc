//! What processes cost, as the kernel counts it, and the core that they stay on.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

/// One process, as `/proc/PID/stat` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Its number.
    pub(crate) pid: i32,
    /// Its name, cut short by the kernel.
    pub(crate) name: String,
    /// Who started it.
    pub(crate) parent: i32,
    /// Ticks that it spent itself, in user mode and in the kernel.
    pub(crate) own_ticks: u64,
    /// Ticks that children spent which it has waited for.
    pub(crate) waited_ticks: u64,
}

impl Stat {
    /// Of a process that runs.
    pub(crate) fn of(pid: i32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"));
        let text = text.with_context(|| format!("the process {pid} has ended"))?;
        Self::parse(&text).with_context(|| format!("/proc/{pid}/stat cannot be read: {text:?}"))
    }

    /// The name stands in brackets and may contain anything, also brackets.
    fn parse(text: &str) -> Option<Self> {
        let (pid, rest) = text.split_once(" (")?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        Some(Self {
            pid: pid.parse().ok()?,
            name: name.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            own_ticks: ticks(11)? + ticks(12)?,
            waited_ticks: ticks(13)? + ticks(14)?,
        })
    }
}

/// All processes of the machine. One that ends meanwhile is left out.
pub(crate) fn everybody() -> anyhow::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            && let Ok(stat) = Stat::of(pid)
        {
            found.push(stat);
        }
    }
    Ok(found)
}

/// Ticks as time.
pub(crate) fn time_of(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// What processes spent together since each began.
pub(crate) fn spent(pids: &[i32]) -> anyhow::Result<Duration> {
    pids.iter().map(|&pid| Stat::of(pid).map(|stat| time_of(stat.own_ticks))).sum()
}

/// Resident memory of a process, in MB.
pub(crate) fn resident_mb(pid: i32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let status = status.with_context(|| format!("the process {pid} has ended"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
    let kib: f64 = kib.with_context(|| format!("the process {pid} has no VmRSS"))?.trim().parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// Keeps the calling thread, and what it will start, on one core.
pub(crate) fn pin_this_thread(core: usize) -> anyhow::Result<()> {
    sched_setaffinity(None, &only(core)?).with_context(|| format!("cannot stay on core {core}"))
}

/// Keeps a process on one core: every thread that it has, and those that they start.
pub(crate) fn pin(pid: i32, core: usize) -> anyhow::Result<()> {
    let only = only(core)?;
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.with_context(|| format!("the process {pid} has ended"))? {
        let thread = thread?.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
        let thread = thread.with_context(|| format!("a thread of {pid} has no number"))?;
        sched_setaffinity(Some(thread), &only)
            .with_context(|| format!("cannot keep {pid} on core {core}"))?;
    }
    Ok(())
}

fn only(core: usize) -> anyhow::Result<CpuSet> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(core < CpuSet::MAX_CPU, "core {core} of {cores} does not exist");
    let mut set = CpuSet::new();
    set.set(core);
    Ok(set)
}
