//! What else the machine was doing: figures beside a compiler mean nothing, so the table says who was there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::cpu::{Stat, everybody, time_of};

/// A process that takes less of a core is not worth a name.
const WORTH_NAMING: f64 = 0.05;

/// Watches the others, from its beginning to each [`Noise::look`].
pub(crate) struct Noise {
    load_before: String,
    last: Moment,
    watched: Duration,
    others: Duration,
    stolen: Duration,
    /// The largest share of one core that each took between two looks.
    named: BTreeMap<String, f64>,
}

/// The machine at one moment.
struct Moment {
    at: Instant,
    busy: Duration,
    stolen: Duration,
    ours: Duration,
    strangers: BTreeMap<i32, Stat>,
}

impl Noise {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self {
            load_before: load_average()?,
            last: Moment::now()?,
            watched: Duration::ZERO,
            others: Duration::ZERO,
            stolen: Duration::ZERO,
            named: BTreeMap::new(),
        })
    }

    /// Takes note of what happened since the last look.
    pub(crate) fn look(&mut self) -> anyhow::Result<()> {
        let now = Moment::now()?;
        let past = now.at.duration_since(self.last.at);
        let busy = now.busy.saturating_sub(self.last.busy);
        self.watched += past;
        self.others += busy.saturating_sub(now.ours.saturating_sub(self.last.ours));
        self.stolen += now.stolen.saturating_sub(self.last.stolen);
        for (pid, stat) in &now.strangers {
            let before = self.last.strangers.get(pid).map_or(0, |before| before.own_ticks);
            let spent = time_of(stat.own_ticks.saturating_sub(before));
            let share = spent.as_secs_f64() / past.as_secs_f64();
            if share > WORTH_NAMING {
                let most = self.named.entry(stat.name.clone()).or_default();
                *most = most.max(share);
            }
        }
        self.last = now;
        Ok(())
    }

    /// What was seen, in lines.
    pub(crate) fn report(&self) -> anyhow::Result<String> {
        let share = |time: Duration| 100.0 * time.as_secs_f64() / self.watched.as_secs_f64().max(0.001);
        let (before, after) = (&self.load_before, load_average()?);
        Ok(format!(
            "load average {before} before, {after} after; beside this run the machine spent {:.0} % of one core on \
             others, and {:.0} % were stolen\n{}",
            share(self.others),
            share(self.stolen),
            Named(&self.named),
        ))
    }
}

impl Moment {
    fn now() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let total: Vec<u64> = stat
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("cpu "))
            .map(|line| line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>())
            .context("/proc/stat has no first line")??;
        let ticks = |field: usize| total.get(field).copied().unwrap_or_default();
        let everybody = everybody()?;
        let ours = family(&everybody, i32::try_from(std::process::id())?);
        let (own, strangers): (Vec<Stat>, Vec<Stat>) =
            everybody.into_iter().partition(|stat| ours.contains(&stat.pid));
        Ok(Self {
            at: Instant::now(),
            // user, nice and system: what processes are charged with.
            busy: time_of(ticks(0) + ticks(1) + ticks(2)),
            stolen: time_of(ticks(7)),
            ours: time_of(own.iter().map(|stat| stat.own_ticks + stat.waited_ticks).sum()),
            strangers: strangers.into_iter().map(|stat| (stat.pid, stat)).collect(),
        })
    }
}

/// A process and everything that descends from it.
fn family(everybody: &[Stat], ancestor: i32) -> BTreeSet<i32> {
    let mut family = BTreeSet::from([ancestor]);
    loop {
        let before = family.len();
        family.extend(
            everybody.iter().filter(|it| family.contains(&it.parent)).map(|it| it.pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            return family;
        }
    }
}

fn load_average() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

struct Named<'a>(&'a BTreeMap<String, f64>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no other process took more than 5 % of a core in any round");
        }
        f.write_str("others above 5 % of a core in a round:")?;
        for (name, share) in self.0 {
            write!(f, " {name} {:.0} %", 100.0 * share)?;
        }
        Ok(())
    }
}
