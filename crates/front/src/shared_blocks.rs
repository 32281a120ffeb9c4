//! Blocks that all nodes go by: what this node has to tell the others, and what it knows of them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Block, blocks::Blocks};

/// Changes that wait until the others can be told; what is beyond them stays with this node.
const PENDING_MAX: usize = 100_000;

/// A block that was made or taken back here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockChange {
    /// The front made it by itself, or tells it again: where others have one of its network that lasts longer, that stays.
    Made(Block),
    /// An operator made it, longer or shorter than what there was.
    Ordered(Block),
    TakenBack(IpNet),
}

impl BlockChange {
    /// The network that it is about.
    #[must_use]
    pub const fn network(&self) -> IpNet {
        match self {
            Self::Made(block) | Self::Ordered(block) => block.network,
            Self::TakenBack(network) => *network,
        }
    }

    /// Is it what an operator wants?
    const fn is_ordered(&self) -> bool {
        match self {
            Self::Made(block) => block.ordered,
            Self::Ordered(_) | Self::TakenBack(_) => true,
        }
    }
}

/// One node's view of what all share.
#[derive(Debug, Default)]
pub(crate) struct SharedBlocks {
    view: Mutex<Option<View>>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct View {
    /// The last change of each network that the others have not heard of.
    pending: BTreeMap<IpNet, BlockChange>,
    /// Networks that others may take back.
    known: HashSet<IpNet>,
}

impl SharedBlocks {
    /// From now on changes are kept for the others.
    pub(crate) fn begin(&self) {
        self.view().get_or_insert_default();
    }

    /// Something was changed here.
    pub(crate) fn note(&self, change: BlockChange) {
        if let Some(view) = self.view().as_mut() {
            let network = change.network();
            if view.pending.len() < PENDING_MAX || view.pending.contains_key(&network) {
                view.pending.insert(network, change);
                self.grown.notify_one();
            }
        }
    }

    /// Waits until something is changed here.
    pub(crate) async fn changed(&self) {
        self.grown.notified().await;
    }

    /// Networks that others may take back.
    pub(crate) fn known(&self) -> Vec<IpNet> {
        self.view().iter().flat_map(|view| view.known.iter().copied()).collect()
    }

    /// Begins with the blocks of a process before this one, of which the others know those of the networks `known` (all, if
    /// it does not say), and with the changes of which it had not told them.
    pub(crate) fn go_on(&self, blocks: &[Block], known: Option<Vec<IpNet>>, untold: Vec<BlockChange>) {
        self.begin();
        let known: HashSet<IpNet> =
            known.unwrap_or_else(|| blocks.iter().map(|block| block.network).collect()).into_iter().collect();
        for block in blocks.iter().filter(|block| !known.contains(&block.network)) {
            self.note(BlockChange::Made(block.clone()));
        }
        if let Some(view) = self.view().as_mut() {
            view.known = known;
        }
        untold.into_iter().for_each(|change| self.note(change));
    }

    /// The others have forgotten everything: what this node knows of them is told again. Was there anything?
    pub(crate) fn tell_again(&self, blocks: &Blocks) -> bool {
        let mut view = self.view();
        let Some(view) = view.as_mut() else { return false };
        let knew = !view.known.is_empty();
        for block in blocks.list(PENDING_MAX).into_iter().filter(|block| view.known.contains(&block.network))
        {
            view.pending.entry(block.network).or_insert(BlockChange::Made(block));
        }
        view.known.clear();
        knew
    }

    /// At most so many changes that the others have not heard of; first what operators want, while there is room for it.
    pub(crate) fn pending(&self, most: usize) -> Vec<BlockChange> {
        let view = self.view();
        let Some(view) = view.as_ref() else { return Vec::new() };
        let of = |ordered| view.pending.values().filter(move |change| change.is_ordered() == ordered);
        of(true).chain(of(false)).take(most).cloned().collect()
    }

    /// The others know these, unless they were changed again since; but those of the networks `left` they have no room
    /// for, and they stay with this node.
    pub(crate) fn told(&self, changes: &[BlockChange], left: &HashSet<IpNet>) {
        let mut view = self.view();
        let Some(view) = view.as_mut() else { return };
        for change in changes {
            let network = change.network();
            if view.pending.get(&network) == Some(change) {
                view.pending.remove(&network);
            }
            match change {
                BlockChange::Made(_) | BlockChange::Ordered(_) if left.contains(&network) => {
                    view.known.remove(&network);
                }
                BlockChange::Made(_) | BlockChange::Ordered(_) => {
                    view.known.insert(network);
                }
                BlockChange::TakenBack(_) => {}
            }
        }
    }

    /// Goes by what all share: these blocks, and none of those that were among them before. Tells how many were new.
    pub(crate) fn see(&self, all: Vec<Block>, blocks: &Blocks) -> usize {
        let mut view = self.view();
        let Some(view) = view.as_mut() else { return 0 };
        let seen: HashSet<IpNet> = all.iter().map(|block| block.network).collect();
        for gone in view.known.difference(&seen) {
            // What was changed here since is told to the others first.
            if !view.pending.contains_key(gone) {
                blocks.remove(*gone);
            }
        }
        let mut new = 0;
        for mut block in all {
            if view.pending.contains_key(&block.network) {
                continue;
            }
            new += usize::from(!view.known.contains(&block.network));
            // Who makes it longer may not have heard that an operator made it.
            block.ordered |= blocks.is_ordered(block.network);
            // Without room for another this node goes without.
            let _full = blocks.add(block);
        }
        view.known = seen;
        new
    }

    fn view(&self) -> MutexGuard<'_, Option<View>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::{Clock, Timestamp};

    fn block(network: &str, until: u64) -> Block {
        let network = network.parse().expect("a network");
        Block { network, until: Timestamp::from_millis(until), reason: "test".to_owned(), ordered: false }
    }

    fn start() -> (SharedBlocks, Blocks) {
        let shared = SharedBlocks::default();
        shared.begin();
        (shared, Blocks::new(Clock::manual(Timestamp::from_millis(1000), 1)))
    }

    fn networks(blocks: &Blocks) -> Vec<String> {
        let mut networks: Vec<_> = blocks.list(10).iter().map(|block| block.network.to_string()).collect();
        networks.sort();
        networks
    }

    #[test]
    fn what_all_share_is_gone_by_and_given_up_with_the_others() {
        let (shared, blocks) = start();
        let own = block("192.0.2.9/32", 9000);
        blocks.add(own).expect("there is room");
        let (one, other) = (block("192.0.2.1/32", 9000), block("192.0.2.2/32", 9000));
        assert_eq!(shared.see(vec![one.clone(), other.clone()], &blocks), 2);
        assert_eq!(shared.see(vec![other], &blocks), 0);
        assert_eq!(networks(&blocks), ["192.0.2.2/32", "192.0.2.9/32"], "one's own stays");
        assert_eq!(shared.see(vec![one], &blocks), 1);
        assert_eq!(networks(&blocks), ["192.0.2.1/32", "192.0.2.9/32"]);
    }

    #[test]
    fn what_is_changed_here_counts_until_the_others_know_it() {
        let (shared, blocks) = start();
        let one = block("192.0.2.1/32", 9000);
        shared.see(vec![one.clone()], &blocks);
        blocks.remove(one.network);
        let change = BlockChange::TakenBack(one.network);
        shared.note(change.clone());
        shared.see(vec![one.clone()], &blocks);
        assert_eq!(networks(&blocks), [""; 0], "an old answer brings nothing back");
        assert_eq!(shared.pending(10), std::slice::from_ref(&change));
        let again = BlockChange::Made(one);
        shared.note(again.clone());
        shared.told(&[change], &HashSet::new());
        assert_eq!(shared.pending(10), std::slice::from_ref(&again), "it was changed again meanwhile");
        shared.told(&[again], &HashSet::new());
        assert_eq!(shared.pending(10), []);
    }

    #[test]
    fn what_the_others_have_no_room_for_stays_with_this_node() {
        let (shared, blocks) = start();
        let (one, other) = (block("192.0.2.1/32", 9000), block("192.0.2.2/32", 9000));
        let changes = [BlockChange::Ordered(one.clone()), BlockChange::Made(other.clone())];
        for (block, change) in [&one, &other].into_iter().zip(&changes) {
            blocks.add(block.clone()).expect("there is room");
            shared.note(change.clone());
        }
        shared.told(&changes, &HashSet::from([other.network]));
        assert_eq!(shared.pending(10), [], "they are not asked again and again");
        shared.see(vec![one], &blocks);
        assert_eq!(networks(&blocks), ["192.0.2.1/32", "192.0.2.2/32"]);
        shared.see(Vec::new(), &blocks);
        assert_eq!(networks(&blocks), ["192.0.2.2/32"], "nobody else can take it back");
    }

    #[test]
    fn what_all_have_forgotten_is_told_again_by_who_still_knows_it() {
        let (shared, blocks) = start();
        let one = block("192.0.2.1/32", 9000);
        shared.see(vec![one.clone()], &blocks);
        assert!(shared.tell_again(&blocks), "it knew something");
        assert!(!shared.tell_again(&blocks));
        assert_eq!(shared.pending(10), [BlockChange::Made(one)]);
        shared.see(Vec::new(), &blocks);
        assert_eq!(networks(&blocks), ["192.0.2.1/32"]);
    }

    #[test]
    fn blocks_of_operators_stay_theirs_and_are_told_again_first() {
        let (shared, blocks) = start();
        let made = ["192.0.2.1/32", "192.0.2.2/32"].map(|network| block(network, 9000));
        let ordered = Block { ordered: true, ..block("192.0.2.3/32", 9000) };
        let mut all = made.to_vec();
        all.push(ordered.clone());
        shared.see(all, &blocks);
        assert_eq!(
            blocks.list(1),
            std::slice::from_ref(&ordered),
            "a process that goes on hears of it first"
        );
        shared.see([&made[..], &[block("192.0.2.3/32", 9500)]].concat(), &blocks);
        let ordered = Block { until: Timestamp::from_millis(9500), ..ordered };
        let told = blocks.list(10);
        assert!(shared.tell_again(&blocks));
        assert_eq!(shared.pending(1), [BlockChange::Made(ordered.clone())]);
        assert_eq!(shared.pending(10).len(), 3);
        let (shared, _) = start();
        shared.go_on(&told, Some(Vec::new()), Vec::new());
        assert_eq!(shared.pending(1), [BlockChange::Made(ordered)], "nor does a new process forget it");
    }

    #[test]
    fn a_process_that_goes_on_tells_what_the_one_before_had_not_told() {
        let (shared, blocks) = start();
        let [known, own, new] =
            ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"].map(|network| block(network, 9000));
        let all = [known.clone(), own.clone(), new.clone()];
        all.iter().for_each(|block| blocks.add(block.clone()).expect("there is room"));
        let back = BlockChange::TakenBack("192.0.2.4/32".parse().expect("a network"));
        let untold = vec![BlockChange::Ordered(new.clone()), back.clone()];
        shared.go_on(&all, Some(vec![known.network]), untold);
        let pending = [BlockChange::Ordered(new), back, BlockChange::Made(own.clone())];
        assert_eq!(shared.pending(10), pending);
        shared.told(&pending, &HashSet::from([own.network]));
        shared.see(Vec::new(), &blocks);
        assert_eq!(networks(&blocks), ["192.0.2.2/32"], "the others took the rest back");
    }

    #[test]
    fn a_node_by_itself_keeps_nothing_for_others() {
        let shared = SharedBlocks::default();
        shared.note(BlockChange::Made(block("192.0.2.1/32", 9000)));
        assert_eq!(shared.pending(10), []);
    }
}
