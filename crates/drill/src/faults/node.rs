//! Faults of the process itself.

use anyhow::Context;

use super::{Bite, Fault};
use load::proxy::Proxy;

use crate::{ground::Ground, local::Local};

fn node(ground: &mut Ground) -> anyhow::Result<&mut Local> {
    ground.local.as_mut().context("the drill started no node")
}

/// Ended as a crash ends it, and started again.
pub(super) const KILLED: Fault = Fault {
    name: "killed",
    title: "A node that is killed comes back with everything",
    bite: Bite::Stops,
    begin: |ground: &mut Ground, _: &Proxy| node(ground)?.kill(),
    end: |ground: &mut Ground, _: &Proxy| node(ground)?.begin(),
};

/// Stopped where it stands, as a machine is that swaps or is moved.
pub(super) const PAUSED: Fault = Fault {
    name: "paused",
    title: "A node that stands still goes on where it was",
    bite: Bite::Stops,
    begin: |ground: &mut Ground, _: &Proxy| node(ground)?.freeze(),
    end: |ground: &mut Ground, _: &Proxy| node(ground)?.thaw(),
};

/// Asked to end, and started again.
pub(super) const RESTARTED: Fault = Fault {
    name: "restarted",
    title: "A node that is restarted in order comes back",
    bite: Bite::Stops,
    begin: |ground: &mut Ground, _: &Proxy| node(ground)?.stop(),
    end: |ground: &mut Ground, _: &Proxy| node(ground)?.begin(),
};
