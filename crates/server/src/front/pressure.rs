//! How busy the processors are: those that the narrowest of our control groups gives us, or else the machine's.

use std::{fs, path::PathBuf, thread};

use clock::{Clock, Stopwatch};

/// The processors, as they were when they were last looked at.
#[derive(Debug)]
pub(super) struct Processors {
    since: Stopwatch,
    seen: Option<Seen>,
}

/// Counted since some moment long ago.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Seen {
    /// Seconds that the group has worked, and how many processors it is given.
    Group { worked: f64, processors: f64 },
    /// Ticks of the machine: at work, and all.
    Machine { worked: f64, all: f64 },
}

impl Processors {
    pub(super) fn look() -> Self {
        Self { since: Clock::System.stopwatch(), seen: see() }
    }

    /// How busy they were since they were last looked at, from 0 to 1; nought where the system does not say.
    pub(super) fn busy(&mut self) -> f64 {
        let before = std::mem::replace(self, Self::look());
        let passed = before.since.elapsed().as_secs_f64();
        match (before.seen, self.seen) {
            (Some(before), Some(now)) => share(before, now, passed).clamp(0.0, 1.0),
            _ => 0.0,
        }
    }
}

fn share(before: Seen, now: Seen, passed: f64) -> f64 {
    let share = match (before, now) {
        (Seen::Group { worked: before, .. }, Seen::Group { worked, processors }) => {
            (worked - before) / (passed * processors)
        }
        (Seen::Machine { worked: before, all: all_before }, Seen::Machine { worked, all }) => {
            (worked - before) / (all - all_before)
        }
        (Seen::Group { .. }, Seen::Machine { .. }) | (Seen::Machine { .. }, Seen::Group { .. }) => 0.0,
    };
    if share.is_finite() { share } else { 0.0 }
}

fn see() -> Option<Seen> {
    let read = |file: PathBuf| fs::read_to_string(file).unwrap_or_default();
    let groups = telemetry::control_groups().into_iter();
    let given =
        groups.filter_map(|folder| group(&read(folder.join("cpu.max")), &read(folder.join("cpu.stat"))));
    narrowest(given).or_else(|| machine(&fs::read_to_string("/proc/stat").ok()?))
}

/// The group that is given the least.
fn narrowest(groups: impl Iterator<Item = Seen>) -> Option<Seen> {
    let given = |seen: &Seen| match seen {
        Seen::Group { processors, .. } => *processors,
        Seen::Machine { .. } => f64::INFINITY,
    };
    groups.min_by(|one, other| given(one).total_cmp(&given(other)))
}

/// From the files of a control group (cgroup v2): nothing where it is given all there is.
fn group(max: &str, stat: &str) -> Option<Seen> {
    let mut words = max.split_whitespace().map_while(|word| word.parse::<f64>().ok());
    let (quota, period) = (words.next()?, words.next()?);
    let worked =
        stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse::<f64>().ok()?;
    let there = thread::available_parallelism()
        .map_or(1.0, |count| u32::try_from(count.get()).map_or(1.0, f64::from));
    Some(Seen::Group { worked: worked / 1e6, processors: (quota / period).min(there) })
}

/// From `/proc/stat`.
fn machine(stat: &str) -> Option<Seen> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|word| word.parse().ok()).take(8).collect();
    let all: f64 = ticks.iter().sum();
    // The fourth is idle, the fifth waits for disks.
    let idle: f64 = ticks.get(3..5)?.iter().sum();
    Some(Seen::Machine { worked: all - idle, all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_busy_as_far_as_it_works_on_what_it_is_given() {
        let before = group("50000 100000", "usage_usec 1000000\nuser_usec 7").expect("a quota");
        let now = group("50000 100000", "usage_usec 1250000\n").expect("a quota");
        let busy = share(before, now, 1.0);
        assert!((busy - 0.5).abs() < 1e-9, "{busy}");
        assert_eq!(group("max 100000", "usage_usec 1"), None);
    }

    #[test]
    fn of_several_groups_the_one_that_is_given_the_least_counts() {
        let of = |max: &str, worked: u32| group(max, &format!("usage_usec {worked}\n"));
        let (own, above) = (of("max 100000", 1), of("50000 100000", 3));
        assert_eq!(narrowest([own, above, of("80000 100000", 2)].into_iter().flatten()), above);
        assert_eq!(narrowest(own.into_iter()), None);
    }

    #[test]
    fn a_machine_is_busy_as_far_as_it_is_not_idle() {
        let before = machine("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1").expect("a line");
        let now = machine("cpu  160 0 120 710 110 0 0 0 0 0\n").expect("a line");
        let busy = share(before, now, 1.0);
        assert!((busy - 0.8).abs() < 1e-9, "{busy}");
        assert_eq!(machine("intr 1 2 3"), None);
    }

    #[test]
    fn this_machine_says_how_busy_it_is() {
        let mut processors = Processors::look();
        assert!(processors.seen.is_some());
        assert!((0.0..=1.0).contains(&processors.busy()));
    }
}
