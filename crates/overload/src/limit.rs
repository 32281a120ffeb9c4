//! How many requests may be worked on at once, learnt from how long they take.
//!
//! The least loaded latency moves slowly, the present one fast. While the present one is within a tolerance of the
//! least, the limit grows by its square root (an allowance for queues below us); beyond, it shrinks in proportion,
//! as Netflix's Gradient2 and Envoy's gradient do. What differs from either: a loaded window never raises the
//! least loaded latency, so that a flood that lasts cannot teach it; how few a probe lets in has nothing to do
//! with how low the limit may fall; and no latency is too long that is short by itself, because commands that share
//! a sync take several times as long together as one alone, and that is how a thousand of them are fast.

use crate::config::{ConcurrencyConfig, nanos};

/// What was seen in a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Latencies that were measured, and their sum in nanoseconds.
    pub(crate) answers: u64,
    pub(crate) sum_ns: u64,
    /// The most that were worked on at once.
    pub(crate) peak: u32,
    /// Did somebody have to wait, or was somebody refused, because of the limit?
    pub(crate) binds: bool,
}

/// The limit of one route.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limit {
    limit: f64,
    least: Option<Least>,
    present_ns: f64,
    /// Windows in a row in which the limit shrank as fast as it may.
    falling: u32,
    /// Has it ever had to fall? Until then it may grow fast.
    has_fallen: bool,
    grew_at: u64,
    probe: Option<Probe>,
}

/// The least loaded latency.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Least {
    ns: f64,
    /// When it was last measured with hardly any load; nothing if it never was.
    measured_at: Option<u64>,
}

/// A while with few at once, to measure the least loaded latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    began: u64,
    /// Answers count whose work began after this: when those from before the probe were through.
    counts_from: Option<u64>,
    answers: u64,
    sum_ns: u64,
}

/// How much of a new measurement the least loaded latency takes on.
const LEAST_TAKES: f64 = 0.2;
/// The same of the present latency.
const PRESENT_TAKES: f64 = 0.5;
/// The same of the limit.
const LIMIT_TAKES: f64 = 0.5;
/// Until it has fallen for the first time, a limit that binds grows by this factor with every second latency: a country
/// that comes at once does not wait for square roots.
const STARTING_GROWS: f64 = 1.5;
/// What a limit that is not used keeps of itself in a window.
const UNUSED_KEEPS: f64 = 0.98;
/// The limit shrinks at most to this share of itself, before smoothing.
const GRADIENT_MIN: f64 = 0.5;
/// After so many windows of falling as fast as it may, the least loaded latency itself is in doubt.
const FALLING_MAX: u32 = 20;
/// Answers that a probe needs.
const PROBE_ANSWERS: u64 = 8;
/// A doubt starts no probe sooner than so long after the last, in nanoseconds.
const DOUBT_REST_NS: u64 = nanos(2000);

impl Limit {
    pub(crate) fn new(config: &ConcurrencyConfig) -> Self {
        let limit = f64::from(config.initial.get());
        Self { limit, least: None, present_ns: 0.0, falling: 0, has_fallen: false, grew_at: 0, probe: None }
    }

    /// How many may be worked on at once.
    pub(crate) fn value(&self, config: &ConcurrencyConfig) -> u32 {
        whole(self.limit).clamp(1, config.ceiling.get().into())
    }

    /// The same for those who can be held back for a probe.
    pub(crate) fn probe_value(&self, config: &ConcurrencyConfig) -> u32 {
        let value = self.value(config);
        if self.probe.is_some() { value.min(config.probe.get().into()) } else { value }
    }

    /// The least loaded latency in nanoseconds, if any is known.
    pub(crate) fn least_ns(&self) -> Option<u64> {
        self.least.map(|least| nanoseconds(least.ns))
    }

    /// The present latency in nanoseconds; nought before the first window.
    pub(crate) fn present_ns(&self) -> u64 {
        nanoseconds(self.present_ns)
    }

    /// From when on work must have begun for [`Limit::probed`] to want its answers: never, if no probe counts.
    pub(crate) fn probe_counts_from(&self) -> u64 {
        self.probe.and_then(|probe| probe.counts_from).unwrap_or(u64::MAX)
    }

    /// Looks at what was seen since the last time.
    pub(crate) fn window(&mut self, config: &ConcurrencyConfig, seen: Seen, now: u64) {
        if seen.answers == 0 || self.probe.is_some() {
            return;
        }
        let mean = float(seen.sum_ns) / float(seen.answers);
        let first = self.present_ns == 0.0;
        self.present_ns += (mean - self.present_ns) * if first { 1.0 } else { PRESENT_TAKES };
        let unloaded = seen.peak <= u32::from(config.probe.get());
        self.learn(mean, unloaded, now);
        let least = self.least.map_or(mean, |least| least.ns);
        let short = float(nanos(config.tolerated_ms.get().into()));
        let tolerated = (least * f64::from(config.tolerance_percent.get()) / 100.0).max(short);
        let gradient = (tolerated / self.present_ns.max(1.0)).clamp(GRADIENT_MIN, 1.0);
        // A limit that nobody came near says nothing of what would be if they did.
        let used = seen.binds || f64::from(seen.peak) * 2.0 >= self.limit;
        self.has_fallen |= gradient < 1.0;
        if seen.binds && !self.has_fallen {
            // Not before those have been answered who were let in by the last time.
            if now.saturating_sub(self.grew_at) >= 2 * self.present_ns() {
                self.limit *= STARTING_GROWS;
                self.grew_at = now;
            }
        } else if used || gradient < 1.0 {
            let wanted = self.limit * gradient + self.limit.sqrt();
            self.limit += (wanted - self.limit) * LIMIT_TAKES;
        } else {
            self.forget(config, seen.peak);
        }
        self.limit = self.limit.clamp(config.floor.get().into(), config.ceiling.get().into());
        self.falling = if gradient <= GRADIENT_MIN { self.falling + 1 } else { 0 };
        if seen.binds && self.present_ns > short && self.is_in_doubt(config, now) {
            self.probe = Some(Probe { began: now, counts_from: None, answers: 0, sum_ns: 0 });
        }
    }

    /// What a limit was in other times says little about the next flood: one that is not used goes back to the
    /// beginning, slowly, and from there it may grow fast again.
    fn forget(&mut self, config: &ConcurrencyConfig, peak: u32) {
        let beginning = f64::from(config.initial.get());
        if self.limit > beginning {
            self.limit = (self.limit * UNUSED_KEEPS).max(beginning).max(f64::from(peak) * 2.0);
        }
        self.has_fallen &= self.limit > beginning;
    }

    /// An answer took so long whose work began while a probe counted.
    pub(crate) fn probed(&mut self, took_ns: u64, now: u64) {
        let Some(probe) = self.probe.as_mut() else { return };
        probe.answers += 1;
        probe.sum_ns = probe.sum_ns.saturating_add(took_ns);
        if probe.answers >= PROBE_ANSWERS {
            self.end_probe(now);
        }
    }

    /// Looks whether a probe goes on, with so many at work.
    pub(crate) fn tick(&mut self, config: &ConcurrencyConfig, in_flight: u32, now: u64) {
        let present_ns = self.present_ns();
        let Some(probe) = self.probe.as_mut() else { return };
        let running = now.saturating_sub(probe.began);
        // Those who are never held back may be more than a probe would let in.
        if probe.counts_from.is_none()
            && (in_flight <= u32::from(config.probe.get()) || running >= 2 * present_ns)
        {
            probe.counts_from = Some(now);
        }
        if running >= nanos(config.probe_ms_max.get().into()) {
            self.end_probe(now);
        }
    }

    fn end_probe(&mut self, now: u64) {
        let Some(probe) = self.probe.take() else { return };
        if probe.answers > 0 {
            // Newer than all that was known, and measured on purpose: it counts alone.
            let ns = float(probe.sum_ns) / float(probe.answers);
            self.least = Some(Least { ns, measured_at: Some(now) });
        } else if let Some(least) = &mut self.least {
            // Nothing came of it, and trying at once again would only cost as much again.
            least.measured_at = Some(now);
        }
        self.falling = 0;
    }

    fn learn(&mut self, mean: f64, unloaded: bool, now: u64) {
        match &mut self.least {
            None => self.least = Some(Least { ns: mean, measured_at: unloaded.then_some(now) }),
            Some(least) if unloaded || mean < least.ns => {
                // What was taken from a loaded window is no measure to keep.
                let fresh = unloaded && least.measured_at.is_none();
                least.ns += (mean - least.ns) * if fresh { 1.0 } else { LEAST_TAKES };
                if unloaded {
                    least.measured_at = Some(now);
                }
            }
            Some(_) => {}
        }
    }

    fn is_in_doubt(&self, config: &ConcurrencyConfig, now: u64) -> bool {
        let Some(measured_at) = self.least.and_then(|least| least.measured_at) else { return true };
        let age = now.saturating_sub(measured_at);
        age >= nanos(config.probe_every_ms.get().into())
            || self.falling >= FALLING_MAX && age >= DOUBT_REST_NS
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a window are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cut to what fits")]
fn whole(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cut to what fits")]
fn nanoseconds(number: f64) -> u64 {
    number.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn seen(mean_ms: u64, peak: u32) -> Seen {
        Seen { answers: 10, sum_ns: 10 * mean_ms * MS, peak, binds: peak > 20 }
    }

    /// The limit after a quiet start at 20 ms, and so many windows with latencies that follow the limit.
    fn after(windows: u64, latency_ms: impl Fn(u32) -> u64) -> u32 {
        let config = ConcurrencyConfig::default();
        let mut limit = Limit::new(&config);
        limit.window(&config, seen(20, 1), 0);
        for window in 1..=windows {
            let peak = limit.value(&config);
            limit.window(&config, seen(latency_ms(peak), peak), window * 100 * MS);
        }
        limit.value(&config)
    }

    #[test]
    fn latency_that_does_not_follow_the_limit_lets_it_grow() {
        assert!(after(15, |_| 30) > 1000, "{}", after(15, |_| 30));
    }

    #[test]
    fn one_server_ends_with_a_few_at_once() {
        let limit = after(200, |peak| 20 * u64::from(peak));
        assert!((4..=6).contains(&limit), "{limit}");
    }

    #[test]
    fn work_that_is_done_for_many_at_once_is_not_held_to_what_one_takes_alone() {
        // A sync of 4 ms, and 50 us more for each that shares it.
        let limit = after(200, |peak| 4 + u64::from(peak) / 20);
        assert!((800..=1500).contains(&limit), "{limit}");
    }

    #[test]
    fn eight_servers_end_with_some_more_than_eight() {
        let limit = after(200, |peak| 20 * u64::from(peak.max(8)) / 8);
        assert!((16..=26).contains(&limit), "{limit}");
    }

    #[test]
    fn a_limit_that_is_not_used_stays() {
        let config = ConcurrencyConfig::default();
        let mut limit = Limit::new(&config);
        (0..100).for_each(|window| limit.window(&config, seen(10, 3), window));
        assert_eq!(limit.value(&config), 20);
    }

    #[test]
    fn a_limit_of_other_times_is_forgotten() {
        let config = ConcurrencyConfig::default();
        let mut limit = Limit::new(&config);
        limit.limit = 1000.0;
        (0..300).for_each(|window| limit.window(&config, seen(10, 3), window));
        assert_eq!(limit.value(&config), 20);
    }

    #[test]
    fn a_start_under_load_is_probed_with_few_and_then_known() {
        let config = ConcurrencyConfig::default();
        let mut limit = Limit::new(&config);
        limit.window(&config, seen(200, 21), 100 * MS);
        assert_eq!(limit.probe_value(&config), 2);
        assert_eq!(limit.probe_counts_from(), u64::MAX);
        limit.tick(&config, 2, 110 * MS);
        assert_eq!(limit.probe_counts_from(), 110 * MS);
        (0..PROBE_ANSWERS).for_each(|_| limit.probed(10 * MS, 150 * MS));
        assert_eq!(limit.least_ns(), Some(10 * MS));
        assert!(limit.probe_value(&config) > 2);
    }

    #[test]
    fn a_probe_that_nobody_answers_ends_all_the_same() {
        let config = ConcurrencyConfig::default();
        let mut limit = Limit::new(&config);
        limit.window(&config, seen(200, 21), 0);
        limit.tick(&config, 20, 500 * MS);
        assert!(limit.probe_value(&config) > 2);
        limit.window(&config, seen(200, 21), 600 * MS);
        assert!(limit.probe_value(&config) > 2, "it probes again at once");
    }

    proptest! {
        #[test]
        fn the_limit_keeps_its_bounds_whatever_is_seen(
            windows in prop::collection::vec((0_u64..1000, 0_u64..u64::MAX / 2, any::<u32>(), any::<bool>()), 1..200),
        ) {
            let config = ConcurrencyConfig::default();
            let mut limit = Limit::new(&config);
            for (at, (answers, sum_ns, peak, binds)) in (0_u64..).zip(windows) {
                limit.window(&config, Seen { answers, sum_ns, peak, binds }, at * 100 * MS);
                limit.tick(&config, peak, at * 100 * MS);
                prop_assert!((config.floor.get().into()..=config.ceiling.get().into()).contains(&limit.value(&config)));
                prop_assert!((1..=limit.value(&config)).contains(&limit.probe_value(&config)));
            }
        }
    }
}
