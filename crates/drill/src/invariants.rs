//! What must hold whatever happens: checked afterwards, through public interfaces, against what was acknowledged.

pub(crate) mod audit;
pub(crate) mod checkpoints;
mod ended;
pub(crate) mod kept;
mod own_writes;
mod receipts;
mod secret_votes;
mod updates;
mod votes;

use report::Flow;

use crate::{ground::Ground, observer::Observer};

/// Checks all of them; whoever watched the checkpoints until now is asked what they saw.
pub(crate) fn run(ground: &mut Ground, observer: Observer) -> anyhow::Result<Flow> {
    own_writes::check(ground)?;
    updates::check(ground)?;
    ended::check(ground)?;
    let mut flow = kept::check(ground)?;
    audit::check(ground)?;
    flow.proven = receipts::check(ground)?;
    checkpoints::check(ground, observer.end())?;
    votes::check(ground)?;
    secret_votes::check(ground)?;
    Ok(flow)
}
