//! Latency over time, with what was done meanwhile.

use load::float;

use super::frame::{Frame, Scale, told_ms, told_s};
use crate::Timeline;

/// The median and the 99th percentile of each second.
pub(crate) fn latency(timeline: &Timeline) -> String {
    let seconds = &timeline.seconds;
    let most = seconds.iter().map(|moment| moment.p99_ms).fold(1.0, f64::max);
    let least = seconds.iter().filter(|moment| moment.counts.offered > 0).map(|moment| moment.p50_ms);
    let y = Scale::by_powers(least.fold(most, f64::min), most);
    let x = Scale::straight(0.0, float(seconds.len() as u64));
    let mut frame = Frame::new(
        "Latency over time, with what was done to the target",
        (x, "since the beginning", told_s),
        (y, "waited, by the moment of asking", told_ms),
    );
    for (row, band) in timeline.bands.iter().enumerate() {
        frame.band(band.from_s, band.to_s, &band.name, row);
    }
    for (second, moment) in seconds.iter().enumerate() {
        let missed = moment.counts.offered.saturating_sub(moment.counts.good);
        if missed > 0 {
            frame.foot(float(second as u64), float(missed) / float(moment.counts.offered), missed);
        }
    }
    for (class, pick) in [
        ("line quiet", (|moment| moment.p50_ms) as fn(&crate::Moment) -> f64),
        ("line", |moment| moment.p99_ms),
    ] {
        let points = seconds.iter().enumerate().map(|(second, moment)| {
            let asked = moment.counts.offered > 0;
            (float(second as u64) + 0.5, asked.then(|| pick(moment)))
        });
        frame.line(class, points);
    }
    frame.done()
}
