//! The process as the system sees it, under the names that Prometheus' own libraries use.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::memory_allowed;

/// Read from `/proc` whenever metrics are asked for; what cannot be read is left out.
#[derive(Debug)]
pub(crate) struct Process {
    cpus: usize,
    started: Option<f64>,
}

impl Process {
    pub(crate) fn new() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            started: started(&read("/proc/self/stat"), &read("/proc/stat")),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(cpu_seconds) = cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default()) {
            let help = "Time that processors worked for the process";
            let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            ConstCounter::new(cpu_seconds).encode(metric)?;
        }
        if let Some(started) = self.started {
            let help = "When the process began, in seconds since 1970";
            let metric =
                encoder.encode_descriptor("process_start_time_seconds", help, None, MetricType::Gauge)?;
            ConstGauge::new(started).encode(metric)?;
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        for (name, help, value) in [
            ("process_cpus", "Processors that the process may use", Some(self.cpus as u64)),
            ("process_resident_memory_bytes", "Memory that the process holds", resident_bytes()),
            ("process_memory_max_bytes", "Memory that the process may hold", memory_max()),
            ("process_open_fds", "Files and sockets that are open", open.map(|count| count as u64)),
            ("process_max_fds", "Files and sockets that may be open", fds_max(&limits)),
        ] {
            let Some(value) = value else { continue };
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?;
        }
        Ok(())
    }
}

/// Memory that this process holds, in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// What a line of `/proc/self/status` or `/proc/meminfo` says, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

/// What the control groups allow, and where they allow everything, what the machine has.
fn memory_max() -> Option<u64> {
    let has = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemTotal:"));
    memory_allowed().into_iter().chain(has).min()
}

fn fds_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Of `/proc/self/stat` (proc_pid_stat(5)): in user mode and in the kernel, in hundredths of a second, which Linux
/// tells all programs in whatever it counts itself.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = behind_name(stat)?.skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / 100.0)
}

/// When a process began, of `/proc/self/stat` and `/proc/stat`: so many hundredths of a second after the machine did.
fn started(stat: &str, machine: &str) -> Option<f64> {
    let after: u32 = behind_name(stat)?.nth(19)?.parse().ok()?;
    let booted = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted: u32 = booted.trim().parse().ok()?;
    Some(f64::from(booted) + f64::from(after) / 100.0)
}

/// The fields of `/proc/self/stat` from the third on.
fn behind_name(stat: &str) -> Option<impl Iterator<Item = &str>> {
    // The name of the program may hold anything, and stands in brackets.
    Some(stat.rsplit_once(')')?.1.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_processors_is_found_behind_any_name() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 4 0 9 10 11";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    fn a_process_began_so_long_after_its_machine() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 4 0 950 10 11";
        assert_eq!(started(stat, "cpu 1 2\nbtime 1000\nprocesses 9\n"), Some(1009.5));
        assert_eq!(started(stat, "cpu 1 2\n"), None);
    }

    #[test]
    fn the_system_says_what_this_process_holds() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn sizes_and_limits_are_read_from_their_lines() {
        assert_eq!(kib("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 << 10));
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024                 4096       files\n";
        assert_eq!(fds_max(limits), Some(1024));
    }
}
