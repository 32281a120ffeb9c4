//! What a process knows that stands in no file and in no store, as the one that goes on where it ends is told of it.

use anyhow::Context;
use edge::{Front, FrontKnown};
use gateway::{Gateway, RoutesStanding};
use serde::{Deserialize, Serialize};

use crate::hand_over::Inherited;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    front: FrontKnown,
    routes: RoutesStanding,
}

impl Known {
    /// What this process knows.
    pub(crate) fn of(front: &Front, gateway: Option<&Gateway>) -> Self {
        Self { front: front.known(), routes: gateway.map(Gateway::standing).unwrap_or_default() }
    }

    pub(crate) fn told(&self) -> std::io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// What the predecessor told, if there was one.
    pub(crate) fn heard(inherited: &mut Inherited) -> anyhow::Result<Self> {
        let Some(told) = inherited.known()? else { return Ok(Self::default()) };
        serde_json::from_slice(&told).context("cannot read what the predecessor knows")
    }

    /// Goes on with it; where blocks are `shared`, with those that all nodes know.
    pub(crate) fn go_on(self, front: &Front, gateway: Option<&Gateway>, shared: bool) {
        front.go_on(self.front, shared);
        if let Some(gateway) = gateway {
            gateway.go_on(&self.routes);
        }
    }
}
