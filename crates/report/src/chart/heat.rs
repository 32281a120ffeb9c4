//! How many waited how long, second by second: what averages hide.

use std::fmt::Write;

use load::float;

use super::frame::{WIDTH, drawing, told_ms};
use crate::{HEAT_MS, Timeline};

const LEFT: f64 = 64.0;
const ROW: f64 = 16.0;
const TOP: f64 = 4.0;
/// Columns that are drawn, at most: longer runs are gathered.
const COLUMNS_MAX: usize = 300;

/// One cell for each second and each span of latencies, the darker the more.
pub(crate) fn heat(timeline: &Timeline) -> String {
    let rows = HEAT_MS.len() + 1;
    let each = timeline.seconds.len().div_ceil(COLUMNS_MAX).max(1);
    let columns: Vec<Vec<u64>> = timeline
        .seconds
        .chunks(each)
        .map(|seconds| (0..rows).map(|row| seconds.iter().map(|moment| moment.heat[row]).sum()).collect())
        .collect();
    let most = columns.iter().flatten().copied().max().unwrap_or(1).max(1);
    let width = (WIDTH - LEFT - 16.0) / float(columns.len().max(1) as u64);
    let mut drawn = String::new();
    for row in 0..rows {
        let y = TOP + float((rows - 1 - row) as u64) * ROW;
        let told = match HEAT_MS.get(row) {
            Some(end) => format!("≤ {}", told_ms(*end)),
            None => "longer".to_owned(),
        };
        let text = format_args!(
            "<text class='tick' x='{:.0}' y='{:.1}' text-anchor='end'>{told}</text>",
            LEFT - 8.0,
            y + 12.0
        );
        drawn.write_fmt(text).expect("a string takes any text");
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| column[row] > 0) {
            let count = column[row];
            // By powers, so that the few who waited long are seen beside the many who did not.
            let shade = (0.12 + 0.88 * float(count).ln_1p() / float(most).ln_1p()).min(1.0);
            let x = LEFT + float(at as u64) * width;
            let second = at * each;
            let text = format_args!(
                "<rect class='cell' x='{x:.1}' y='{y:.1}' width='{:.2}' height='{:.1}' fill-opacity='{shade:.2}'>\
                 <title>second {second}, {told}: {count}</title></rect>",
                (width - 0.5).max(0.5),
                ROW - 1.0
            );
            drawn.write_fmt(text).expect("a string takes any text");
        }
    }
    drawing("How many waited how long, second by second", TOP + float(rows as u64) * ROW + 4.0, &drawn)
}
