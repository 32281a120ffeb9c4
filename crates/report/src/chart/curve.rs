//! Latency by percentile: how long the unlucky waited.

use super::frame::{Frame, Scale, told_ms};
use crate::LoadResult;

/// What a name takes up, and how far right it may begin.
const NAME_HEIGHT: f64 = 14.0;
const NAME_X_MAX: f64 = 530.0;

/// One line a load; the first stands out, the others are for comparison.
pub(crate) fn percentiles(loads: &[LoadResult]) -> String {
    let all = || loads.iter().flat_map(|load| load.percentiles.iter().map(|(_, ms)| *ms));
    let y = Scale::by_powers(all().fold(f64::MAX, f64::min).min(1e5), all().fold(0.1, f64::max));
    let mut frame = Frame::new(
        "Latency by percentile",
        (Scale::by_powers(1.0, 100_000.0), "of all callers", told_nines),
        (y, "waited", told_ms),
    );
    let mut names: Vec<(f64, f64, bool, &str)> = Vec::new();
    for (number, load) in loads.iter().enumerate().rev() {
        let points = load.percentiles.iter().filter(|(percent, _)| *percent < 100.0);
        let points: Vec<_> = points.map(|(percent, ms)| (nines(*percent), Some(*ms))).collect();
        // What lies beyond the number of callers is one caller's luck.
        let callers = load::float(load.counts.offered.max(1));
        let seen: Vec<_> = points.into_iter().filter(|(nines, _)| *nines <= callers).collect();
        let last = seen.last().and_then(|(x, y)| Some((frame.across(*x), frame.down((*y)?))));
        frame.line(if number == 0 { "line" } else { "line quiet" }, seen);
        names.extend(last.map(|(x, y)| (x, y, number == 0, load.title.as_str())));
    }
    // Names stand beside the ends of their lines, from the top down, and never on each other.
    names.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free_from = 0.0_f64;
    for (x, y, first, name) in names {
        let y = (y + 4.0).max(free_from);
        free_from = y + NAME_HEIGHT;
        frame.label(if first { "note strong" } else { "note" }, ((x + 6.0).min(NAME_X_MAX), y), name);
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
