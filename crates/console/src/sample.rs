//! All of a process's series at one moment, and what has changed since another.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clock::{Clock, Stopwatch};
use telemetry::Metrics;

/// Everybody who looks within this time sees the same moment: writing all series out takes a while.
const FRESH: Duration = Duration::from_millis(900);

/// Series by name and labels, as the text format writes them.
pub(crate) type Sample = BTreeMap<String, f64>;

/// Reads a process's series, once for all who look.
#[derive(Debug)]
pub(crate) struct Sampler {
    metrics: Metrics,
    last: Mutex<Option<(Stopwatch, Arc<Sample>)>>,
}

impl Sampler {
    pub(crate) const fn new(metrics: Metrics) -> Self {
        Self { metrics, last: Mutex::new(None) }
    }

    /// All series as they are, or were a moment ago; `measure` brings those up to date that do not do so by themselves.
    pub(crate) fn sample(&self, measure: impl FnOnce()) -> Arc<Sample> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((taken, sample)) = &*last
            && taken.elapsed() < FRESH
        {
            return sample.clone();
        }
        measure();
        let sample = Arc::new(read(&self.metrics.encode()));
        *last = Some((Clock::System.stopwatch(), sample.clone()));
        sample
    }
}

/// How the names begin under which Prometheus is told once more what others say: whoever looks here has it already.
const TOLD_TWICE: &str = "http_server_";

/// The series of the OpenMetrics text format. What is no series is left out.
fn read(text: &str) -> Sample {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with(TOLD_TWICE));
    let series = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    series.collect()
}

/// What `now` says otherwise than `before`, and the names of what is gone.
pub(crate) fn changes<'s>(before: &'s Sample, now: &'s Sample) -> (BTreeMap<&'s str, f64>, Vec<&'s str>) {
    let changed = now.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    (changed.map(|(name, value)| (&**name, *value)).collect(), gone.map(String::as_str).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn series_are_read_with_labels_that_hold_spaces() {
        let text = "# TYPE requests counter\n\
            requests_total{route=\"GET /a b\",code=\"200\"} 3\n\
            seconds_bucket{le=\"+Inf\"} 1.5e3\n\
            http_server_active_requests 3\n\
            # EOF\n";
        let sample = read(text);
        let all: Vec<_> = sample.iter().map(|(name, value)| (&**name, *value)).collect();
        let expected = [
            ("requests_total{route=\"GET /a b\",code=\"200\"}", 3.0),
            ("seconds_bucket{le=\"+Inf\"}", 1500.0),
        ];
        assert_eq!(all, expected);
    }

    proptest! {
        #[test]
        fn whoever_follows_the_changes_has_the_same_series(
            before in prop::collection::btree_map("[a-e]", 0_u32..4, 0..5),
            now in prop::collection::btree_map("[a-e]", 0_u32..4, 0..5),
        ) {
            let sample = |of: BTreeMap<String, u32>| of.into_iter().map(|(name, value)| (name, f64::from(value)));
            let (before, now): (Sample, Sample) = (sample(before).collect(), sample(now).collect());
            let (changed, gone) = changes(&before, &now);
            let mut followed = before.clone();
            followed.retain(|name, _| !gone.contains(&&**name));
            followed.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), *value)));
            prop_assert_eq!(followed, now);
        }
    }
}
