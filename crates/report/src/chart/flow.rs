//! What became of what was asked for, from the question to the proof.

use std::fmt::Write;

use load::float;

use super::frame::{WIDTH, drawing};
use crate::{Flow, targets::grouped};

const LEFT: f64 = 150.0;
const ROW: f64 = 34.0;

/// Bars of one scale: asked, acknowledged, found again, proven; and what is missing.
pub(crate) fn flow(flow: &Flow) -> String {
    let rows = [
        ("asked for", flow.asked + flow.refused, "of the ledger, in all parts of the drill"),
        ("acknowledged", flow.acknowledged, "the target said: it has happened"),
        ("found again", flow.found, "in the ledger, as it was acknowledged"),
        ("proven", flow.proven, "a sample, each to a signed checkpoint"),
        ("refused", flow.refused, "the target said: not now"),
        ("unknown", flow.unknown, "no answer came: either is right"),
        ("lost or altered", flow.lost + flow.altered, "acknowledged, and not there"),
        ("doubled", flow.doubled, "there more often than asked for"),
    ];
    let most = float(rows.iter().map(|(_, count, _)| *count).max().unwrap_or(1).max(1));
    let scale = (WIDTH - LEFT - 290.0) / most;
    let mut drawn = String::new();
    for (row, (name, count, what)) in rows.iter().enumerate() {
        let y = float(row as u64) * ROW + 6.0;
        let width = (float(*count) * scale).max(if *count > 0 { 1.0 } else { 0.0 });
        let class = if row < 4 { "bar" } else { "bar quiet" };
        let text = format_args!(
            "<text class='label' x='{:.0}' y='{:.1}' text-anchor='end'>{name}</text>\
             <rect class='{class}' x='{LEFT}' y='{y:.1}' width='{width:.1}' height='18'/>\
             <text class='note' x='{:.1}' y='{:.1}'><tspan class='strong'>{}</tspan> {what}</text>",
            LEFT - 10.0,
            y + 13.5,
            LEFT + width + 8.0,
            y + 13.5,
            grouped(float(*count))
        );
        drawn.write_fmt(text).expect("a string takes any text");
    }
    drawing("What became of what was asked for", float(rows.len() as u64) * ROW + 4.0, &drawn)
}
