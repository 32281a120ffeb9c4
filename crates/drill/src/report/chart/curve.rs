//! Latency by percentile: how long the unlucky waited.

use super::frame::{Frame, Scale, told_ms};
use crate::report::LoadResult;

/// One line a load; the first stands out, the others are for comparison.
pub(in crate::report) fn percentiles(loads: &[LoadResult]) -> String {
    let all = || loads.iter().flat_map(|load| load.percentiles.iter().map(|(_, ms)| *ms));
    let y = Scale::by_powers(all().fold(f64::MAX, f64::min).min(1e5), all().fold(0.1, f64::max));
    let mut frame = Frame::new(
        "Latency by percentile",
        (Scale::by_powers(1.0, 100_000.0), "of all callers", told_nines),
        (y, "waited", told_ms),
    );
    for (number, load) in loads.iter().enumerate().rev() {
        let points = load.percentiles.iter().filter(|(percent, _)| *percent < 100.0);
        let points: Vec<_> = points.map(|(percent, ms)| (nines(*percent), Some(*ms))).collect();
        // What lies beyond the number of callers is one caller's luck.
        let callers = load::float(load.counts.offered.max(1));
        let seen: Vec<_> = points.into_iter().filter(|(nines, _)| *nines <= callers).collect();
        let last = seen.last().and_then(|(x, y)| Some((frame.across(*x), frame.down((*y)?))));
        frame.line(if number == 0 { "line" } else { "line quiet" }, seen);
        if let Some((x, y)) = last {
            frame.label(
                if number == 0 { "note strong" } else { "note" },
                ((x + 5.0).min(560.0), y - 4.0),
                &load.title,
            );
        }
    }
    frame.done()
}

/// One in how many is left out.
fn nines(percent: f64) -> f64 {
    100.0 / (100.0 - percent)
}

fn told_nines(one_in: f64) -> String {
    let percent = 100.0 - 100.0 / one_in;
    if percent <= 0.0 {
        return "0 %".to_owned();
    }
    let text = format!("{percent:.4}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
