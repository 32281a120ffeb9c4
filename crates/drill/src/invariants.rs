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

use report::{Area, Flow};

use crate::{ground::Ground, observer::Observer};

/// Checks all of them; whoever watched the checkpoints until now is asked what they saw.
pub(crate) fn run(ground: &mut Ground, observer: Observer) -> Option<Flow> {
    one(ground, own_writes::CHECK, own_writes::check);
    one(ground, updates::CHECK, updates::check);
    one(ground, ended::CHECK, ended::check);
    let mut flow = one(ground, kept::CHECK, kept::check);
    one(ground, audit::CHECK, audit::check);
    let proven = one(ground, receipts::CHECK, receipts::check);
    if let Some(flow) = &mut flow {
        flow.proven = proven;
    }
    let seen = observer.end();
    one(ground, checkpoints::CHECK, |ground| checkpoints::check(ground, seen));
    one(ground, votes::CHECK, votes::check);
    one(ground, secret_votes::CHECK, secret_votes::check);
    flow
}

/// The name of a check, and what holds if it passes.
type Called = (&'static str, &'static str);

/// Makes a check. One that cannot be made to its end has failed, and the others are made all the same.
fn one<T: Default>(
    ground: &mut Ground,
    (name, title): Called,
    check: impl FnOnce(&mut Ground) -> anyhow::Result<T>,
) -> T {
    check(ground).unwrap_or_else(|error| {
        let detail = "the check did not come to its end".to_owned();
        ground.broke_off((Area::Invariants, name), title, detail, &error);
        T::default()
    })
}
