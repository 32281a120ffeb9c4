//! How long each fault took to recover from.

use std::fmt::Write;

use load::float;

use super::frame::{WIDTH, drawing, escaped, told_ms};
use crate::FaultResult;

const LEFT: f64 = 150.0;
const ROW: f64 = 30.0;

/// One bar a fault: its own length, and then until it was well again.
pub(crate) fn recovery(faults: &[FaultResult]) -> String {
    let length = |fault: &FaultResult| (fault.to_s - fault.from_s) * 1000.0;
    let most =
        faults.iter().map(|fault| length(fault) + fault.recovered_ms.unwrap_or(0.0)).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 190.0) / most;
    let mut drawn = String::new();
    for (row, fault) in faults.iter().enumerate() {
        let y = float(row as u64) * ROW + 6.0;
        let broken = length(fault) * scale;
        let name = escaped(&fault.name.replace('-', " "));
        let (bar, told) = match fault.recovered_ms {
            Some(ms) => ((ms * scale).max(1.0), format!("well after {}", told_ms(ms))),
            None => (0.0, "not well again".to_owned()),
        };
        let text = format_args!(
            "<text class='label' x='{:.0}' y='{:.1}' text-anchor='end'>{name}</text>\
             <rect class='bar quiet' x='{LEFT}' y='{y:.1}' width='{broken:.1}' height='16'><title>{name} for {}</title></rect>\
             <rect class='bar' x='{:.1}' y='{y:.1}' width='{bar:.1}' height='16'/>\
             <text class='note' x='{:.1}' y='{:.1}'>{told}</text>",
            LEFT - 10.0,
            y + 12.5,
            told_ms(length(fault)),
            LEFT + broken,
            LEFT + broken + bar + 8.0,
            y + 12.5
        );
        drawn.write_fmt(text).expect("a string takes any text");
    }
    drawing("How long each fault took to recover from", float(faults.len() as u64) * ROW + 6.0, &drawn)
}
