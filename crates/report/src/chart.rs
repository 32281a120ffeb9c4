//! Charts as SVG, drawn here: nothing is asked of anybody when a report is opened, and they print as they are.

mod curve;
mod flow;
mod frame;
mod heat;
mod offered;
mod recovery;
mod time;

pub(super) use curve::percentiles;
pub(super) use flow::flow;
pub(super) use frame::{escaped, told_ms};
pub(super) use heat::heat;
pub(super) use offered::offered;
pub(super) use recovery::recovery;
pub(super) use time::latency;
