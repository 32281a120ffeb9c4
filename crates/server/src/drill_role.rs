//! `holdfast drill`: the stress test as one command.

use anyhow::ensure;
use drill::{DrillOptions, drill};

/// Drills; a target that does not hold is a failure.
///
/// # Errors
/// When the drill cannot be run, or the target did not hold.
pub fn run_drill(options: &DrillOptions) -> anyhow::Result<()> {
    ensure!(drill(options)?, "the target did not hold");
    Ok(())
}
