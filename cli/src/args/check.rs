//! Arguments of `kith check`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, Output};

/// Longer is a job for whoever watches the cluster.
const LONGEST: Duration = Duration::from_secs(3600);

/// Arguments of `kith check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Check what an installation needs, before there is one
    #[arg(long)]
    pub pre: bool,
    /// The Secret that is to have the key of the authority's file, once it is made
    #[arg(long, value_name = "NAME", requires = "pre")]
    pub key_secret: Option<String>,
    /// Check whether anybody would lose its control plane, before an installation is removed
    #[arg(long, conflicts_with = "pre")]
    pub before_uninstall: bool,
    /// Which findings make the exit code 2
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "SEVERITY")]
    pub fail_on: FailOn,
    /// Check again until nothing is wrong, for so long at most: 60s, 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Which installation.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which findings count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// What does not work.
    Error,
    /// Also what should be looked at.
    Warning,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60)];
    let parse = |(unit, seconds): &(&str, u64)| {
        let number = text.strip_suffix(unit)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*seconds).map(Duration::from_secs)
    };
    let duration = units.iter().find_map(parse).filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| format!("{text:?} is no time up to an hour, such as 60s or 5m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_a_number_with_a_unit() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "60", "s", "-5s", "+5s", "2h", "61m", "1m30s"] {
            assert!(duration(text).unwrap_err().contains(text));
        }
    }
}
