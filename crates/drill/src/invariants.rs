//! What must hold whatever happens: checked afterwards, through public interfaces, against what was acknowledged.

mod audit;
mod checkpoints;
mod ended;
mod kept;
mod own_writes;
mod receipts;
mod updates;

use crate::{ground::Ground, observer::Seen, report::Flow};

/// Checks all of them.
pub(crate) fn run(ground: &mut Ground, seen: &[Seen]) -> anyhow::Result<Flow> {
    own_writes::check(ground)?;
    updates::check(ground)?;
    ended::check(ground)?;
    let mut flow = kept::check(ground)?;
    audit::check(ground)?;
    flow.proven = receipts::check(ground)?;
    checkpoints::check(ground, seen)?;
    Ok(flow)
}
