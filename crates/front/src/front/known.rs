//! What a front knows that stands in no settings, for another process that goes on where this one ends.

use serde::{Deserialize, Serialize};

use super::{Front, PoisonError};
use crate::{AttackMode, Block};

/// So many blocks are told; each takes some hundred bytes.
const BLOCKS_MAX: usize = 100_000;

/// Blocks, and what an operator said about an attack.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FrontKnown {
    blocks: Vec<Block>,
    attack: Option<AttackMode>,
}

impl Front {
    /// What this front knows; of its blocks at most 100,000.
    #[must_use]
    pub fn known(&self) -> FrontKnown {
        let watch = self.0.siege.watch.lock().unwrap_or_else(PoisonError::into_inner);
        FrontKnown { blocks: self.0.blocks.list(BLOCKS_MAX), attack: watch.by_hand }
    }

    /// Goes on with what the front of another process knew, which told of it when it came to know it. Where blocks are `shared` with
    /// other nodes they come from there: somebody may have taken them back.
    pub fn go_on(&self, FrontKnown { blocks, attack }: FrontKnown, shared: bool) {
        for block in blocks.into_iter().filter(|_| !shared) {
            // Beyond the room that there is, whoever floods again is blocked again.
            let _full = self.0.blocks.add(block);
        }
        if let Some(mode) = attack {
            self.set_attack(mode);
        }
    }
}
