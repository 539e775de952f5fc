//! What every process tells about itself: its version, and what it holds of the machine. The names are those that
//! all Prometheus clients use.

use std::fmt;
use std::fs;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use super::{gauge, unix_seconds};

/// Of the running process. Where the system does not tell, a figure is left out.
#[derive(Debug)]
pub struct Process {
    version: &'static str,
    started: SystemTime,
}

impl Process {
    /// For a process of this version that started then.
    pub fn new(version: &'static str, started: SystemTime) -> Self {
        Self { version, started }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let build = ConstGauge::new(1_u64);
        let mut family =
            encoder.encode_descriptor("kith_build_info", "Version", None, build.metric_type())?;
        build.encode(family.encode_family(&[("version", self.version)])?)?;
        let encoder = &mut encoder;
        let started = unix_seconds(self.started);
        gauge(encoder, "process_start_time_seconds", "When the process started, since 1970", started)?;
        if let Some(open) = open_fds() {
            gauge(encoder, "process_open_fds", "Open files and sockets", open)?;
        }
        if let Some(bytes) = resident_bytes() {
            gauge(encoder, "process_resident_memory_bytes", "Memory that the process holds", bytes)?;
        }
        Ok(())
    }
}

/// Without the one that reads them.
fn open_fds() -> Option<u64> {
    let all = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    all.checked_sub(1)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_process_tells_its_version_and_what_it_holds() {
        let mut registry = Registry::default();
        let started = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(7);
        registry.register_collector(Box::new(Process::new("1.2.3", started)));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
        };
        assert_eq!(figure("kith_build_info{version=\"1.2.3\"}"), "1");
        assert_eq!(figure("process_start_time_seconds"), "7");
        let open: u64 = figure("process_open_fds").parse().unwrap();
        let resident: u64 = figure("process_resident_memory_bytes").parse().unwrap();
        assert!(open >= 3, "standard input, output and error");
        assert!(resident > 1024 * 1024, "{resident}");
    }
}
