//! Networks that nobody is let in from for a while.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use clock::{Clock, Timestamp};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::networks::Tries;

/// Blocks at once; some 100 bytes of memory each.
const BLOCKS_MAX: usize = 1_000_000;

/// A network that nobody is let in from until it is over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    pub network: IpNet,
    pub until: Timestamp,
    /// Why, in a word: the rule that was broken, or `operator`.
    pub reason: String,
    /// Did an operator make it? Such blocks have more room among those that all nodes share, and keep it.
    #[serde(default)]
    pub ordered: bool,
}

/// There is no room for another block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are a million blocks already")]
pub struct BlockError;

/// All of them. They are read far more often than written.
#[derive(Debug)]
pub(crate) struct Blocks {
    clock: Clock,
    standing: RwLock<Standing>,
    /// As many as there are, so that nobody waits where there are none.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Standing {
    tries: Tries<Over>,
    /// The same in the order of their ends, so that those that are over are found without a search.
    ends: BTreeSet<(Timestamp, IpNet)>,
}

#[derive(Debug)]
struct Over {
    until: Timestamp,
    reason: String,
    ordered: bool,
}

impl Standing {
    fn insert(&mut self, Block { network, until, reason, ordered }: Block) {
        self.remove(network);
        let network = network.trunc();
        self.tries.insert(network, Over { until, reason, ordered });
        self.ends.insert((until, network));
    }

    fn remove(&mut self, network: IpNet) -> bool {
        let network = network.trunc();
        let removed = self.tries.remove(network);
        removed.is_some_and(|over| self.ends.remove(&(over.until, network)))
    }

    /// Forgets those that are over.
    fn sweep(&mut self, now: Timestamp) {
        while let Some((until, network)) = self.ends.first().copied()
            && until <= now
        {
            self.remove(network);
        }
    }
}

impl Blocks {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, standing: RwLock::default(), count: AtomicUsize::new(0) }
    }

    pub(crate) fn add(&self, block: Block) -> Result<(), BlockError> {
        self.change(|standing| {
            standing.sweep(self.clock.now());
            let room = standing.tries.len() < BLOCKS_MAX;
            room.then(|| standing.insert(block)).ok_or(BlockError)
        })
    }

    pub(crate) fn remove(&self, network: IpNet) -> bool {
        self.change(|standing| standing.remove(network))
    }

    /// Forgets those that are over.
    pub(crate) fn sweep(&self) {
        if self.count.load(Relaxed) > 0 {
            self.change(|standing| standing.sweep(self.clock.now()));
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Standing) -> T) -> T {
        let mut standing = self.standing.write().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut standing);
        self.count.store(standing.tries.len(), Relaxed);
        done
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        if self.count.load(Relaxed) == 0 {
            return false;
        }
        let now = self.clock.now();
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        standing.tries.any(address, |block| now < block.until)
    }

    /// Is nobody let in from there for as long anyway?
    pub(crate) fn covers(&self, block: &Block) -> bool {
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        standing.tries.any_around(block.network.trunc(), |over| block.until <= over.until)
    }

    /// Did an operator block exactly this network?
    pub(crate) fn is_ordered(&self, network: IpNet) -> bool {
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        standing.tries.get(network).is_some_and(|over| over.ordered && now < over.until)
    }

    /// At most so many of them, those of operators first.
    pub(crate) fn list(&self, most: usize) -> Vec<Block> {
        let standing = self.standing.read().unwrap_or_else(PoisonError::into_inner);
        let block = |(network, over): (IpNet, &Over)| Block {
            network,
            until: over.until,
            reason: over.reason.clone(),
            ordered: over.ordered,
        };
        let of = |ordered| standing.tries.iter().filter(move |(_, over)| over.ordered == ordered);
        of(true).chain(of(false)).take(most).map(block).collect()
    }

    pub(crate) fn len(&self) -> i64 {
        i64::try_from(self.count.load(Relaxed)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn block(network: &str, until: Timestamp) -> Block {
        Block {
            network: network.parse().expect("a network"),
            until,
            reason: "test".to_owned(),
            ordered: false,
        }
    }

    fn after(clock: &Clock, seconds: u64) -> Timestamp {
        Timestamp::from_millis(clock.now().millis() + seconds * 1000)
    }

    #[test]
    fn a_block_ends_when_it_is_said_to_and_is_forgotten_then() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 1);
        let blocks = Blocks::new(clock.clone());
        blocks.add(block("192.0.2.0/24", after(&clock, 60))).expect("there is room");
        blocks.add(block("192.0.2.7/32", after(&clock, 600))).expect("there is room");
        let [seven, eight] = [7, 8].map(|last| IpAddr::from([192, 0, 2, last]));
        assert!(blocks.has(seven) && blocks.has(eight));
        clock.advance(Duration::from_secs(61));
        assert!(blocks.has(seven) && !blocks.has(eight));
        blocks.sweep();
        assert_eq!(blocks.len(), 1);
    }

    #[test]
    fn who_is_blocked_for_longer_by_a_wider_network_is_covered() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 1);
        let blocks = Blocks::new(clock.clone());
        blocks.add(block("192.0.2.0/24", after(&clock, 600))).expect("there is room");
        assert!(blocks.covers(&block("192.0.2.7/32", after(&clock, 600))));
        assert!(!blocks.covers(&block("192.0.2.7/32", after(&clock, 601))), "it lasts longer");
        assert!(!blocks.covers(&block("192.0.0.0/16", after(&clock, 60))), "it is wider");
    }

    #[test]
    fn a_block_can_be_taken_back_and_made_longer() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 1);
        let blocks = Blocks::new(clock.clone());
        let address = IpAddr::from([192, 0, 2, 7]);
        blocks.add(block("192.0.2.7/32", after(&clock, 10))).expect("there is room");
        blocks.add(block("192.0.2.7/32", after(&clock, 100))).expect("there is room");
        clock.advance(Duration::from_secs(50));
        blocks.sweep();
        assert!(blocks.has(address));
        assert!(blocks.remove("192.0.2.7/32".parse().expect("a network")));
        assert!(!blocks.has(address) && !blocks.remove("192.0.2.7/32".parse().expect("a network")));
    }
}
