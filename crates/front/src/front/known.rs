//! What a front knows that stands in no settings, for another process that goes on where this one ends.

use serde::{Deserialize, Serialize};

use ipnet::IpNet;

use super::{Front, PoisonError};
use crate::{AttackMode, Block, BlockChange};

/// So many blocks are told; each takes some hundred bytes.
const BLOCKS_MAX: usize = 100_000;

/// Blocks, and what an operator said about an attack.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FrontKnown {
    blocks: Vec<Block>,
    /// Those of them that all nodes know, and may take back; nothing where the process that tells knows nothing of it.
    shared: Option<Vec<IpNet>>,
    /// What other nodes have not heard of.
    untold: Vec<BlockChange>,
    attack: Option<AttackMode>,
}

impl Front {
    /// What this front knows; of its blocks at most 100,000.
    #[must_use]
    pub fn known(&self) -> FrontKnown {
        let watch = self.0.siege.watch.lock().unwrap_or_else(PoisonError::into_inner);
        FrontKnown {
            blocks: self.0.blocks.list(BLOCKS_MAX),
            shared: Some(self.0.shared_blocks.known()),
            untold: self.0.shared_blocks.pending(BLOCKS_MAX),
            attack: watch.by_hand,
        }
    }

    /// Goes on with what the front of another process knew, which told of it when it came to know it. Where blocks are `with_others`
    /// they hold until those are heard, who may have taken them back; what they have not heard of is told them.
    pub fn go_on(&self, FrontKnown { blocks, shared, untold, attack }: FrontKnown, with_others: bool) {
        if with_others {
            self.0.shared_blocks.go_on(&blocks, shared, untold);
        }
        for block in blocks {
            // Beyond the room that there is, whoever floods again is blocked again.
            let _full = self.0.blocks.add(block);
        }
        if let Some(mode) = attack {
            self.set_attack(mode);
        }
    }
}
