//! Blocks that all nodes of a fleet go by: written in Redis by whoever makes them, read from there by all.

use std::{collections::HashSet, time::Duration};

use cache::{Board, BoardRoom, Cache, Line, LineChange};
use clock::Timestamp;
use edge::{Block, BlockChange, Front};
use telemetry::{Metrics, instruments::gauge::Gauge};
use tokio::sync::watch;

const BOARD: &str = "blocks";
/// Before the reason of a block that an operator made, so that whoever reads of it can write it again as such.
const ORDERED: &str = "operator: ";
/// Blocks that a fleet shares, and those of operators beyond them: a flood must not keep an operator from blocking it. A
/// node may have more of its own.
const ROOM: BoardRoom = BoardRoom { lines: 20_000, set_beyond: 5000 };
/// Changes that are written at once.
const WRITTEN_MAX: usize = 500;
/// How often it is looked whether anything has changed; hints come sooner.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
struct Instruments {
    together: Gauge,
    shared: Gauge,
    unshared: Gauge,
}

impl Instruments {
    fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("front_blocks");
            registry.register(
                "together",
                "Does this node go by the blocks of all (1), or by its own alone (0)?",
                this.together.clone(),
            );
            registry.register("shared", "Blocks that all nodes share", this.shared.clone());
            registry.register(
                "unshared",
                "Changes that other nodes have not heard of",
                this.unshared.clone(),
            );
        });
        this
    }
}

/// Keeps this node and the others of one mind, until told to stop.
pub(crate) async fn share(front: Front, cache: Cache, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    front.share_blocks();
    let instruments = Instruments::register(&metrics);
    let (mut known, mut is_full) = (String::new(), false);
    while !*stop.borrow() {
        let together =
            write(&front, &cache, &mut is_full).await && read(&front, &cache, &mut known, &instruments).await;
        instruments.together.set(together.into());
        let unshared = front.blocks_to_share(ROOM.all()).len();
        instruments.unshared.set(i64::try_from(unshared).unwrap_or(i64::MAX));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = cache.board_changed(BOARD) => {}
            () = front.blocks_changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Tells the others what was changed here; is all told?
async fn write(front: &Front, cache: &Cache, is_full: &mut bool) -> bool {
    loop {
        let changes = front.blocks_to_share(WRITTEN_MAX);
        if changes.is_empty() {
            return true;
        }
        let lines: Vec<_> = changes.iter().map(written).collect();
        let Some(left) = cache.write_board(BOARD, &lines, ROOM).await else { return false };
        if !left.is_empty() && !*is_full {
            tracing::warn!(
                code = "server/blocks-full",
                "nodes share as many blocks as there is room for: more stay with the node that makes them"
            );
        }
        *is_full = !left.is_empty();
        let left: HashSet<_> = left.iter().filter_map(|network| network.parse().ok()).collect();
        front.blocks_shared(&changes, &left);
    }
}

/// Goes by what all share; could they be asked?
async fn read(front: &Front, cache: &Cache, known: &mut String, instruments: &Instruments) -> bool {
    let Some(told) = cache.read_board(BOARD, known, ROOM.all()).await else { return false };
    let Some(Board { version, lines }) = told else { return true };
    if version.is_empty() && (front.share_blocks_again() || !known.is_empty()) {
        // Redis has lost what it knew: whoever still knows it writes it again.
        tracing::warn!(
            code = "server/blocks-lost",
            "Redis has lost the blocks: this node writes its own again"
        );
        known.clear();
        return true;
    }
    instruments.shared.set(i64::try_from(lines.len()).unwrap_or(i64::MAX));
    let new = front.see_shared_blocks(lines.iter().filter_map(block).collect());
    if new > 0 {
        tracing::info!(code = "server/blocks-shared", new, "other nodes blocked networks");
    }
    *known = version;
    true
}

fn written(change: &BlockChange) -> LineChange {
    match change {
        BlockChange::Made(block) if block.ordered => LineChange::Keep(line(block, true)),
        BlockChange::Made(block) => LineChange::Prolong(line(block, false)),
        BlockChange::Ordered(block) => LineChange::Set(line(block, true)),
        BlockChange::TakenBack(network) => LineChange::TakeAway(network.to_string()),
    }
}

fn line(Block { network, until, reason, .. }: &Block, ordered: bool) -> Line {
    let text = if ordered { format!("{ORDERED}{reason}") } else { reason.clone() };
    Line { name: network.to_string(), text, until_ms: until.millis() }
}

/// Nothing if it is none of ours.
fn block(line: &Line) -> Option<Block> {
    let until = Timestamp::from_millis(line.until_ms);
    let of_operator = line.text.strip_prefix(ORDERED);
    let reason = of_operator.unwrap_or(&line.text).to_owned();
    Some(Block { network: line.name.parse().ok()?, until, reason, ordered: of_operator.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_of_an_operators_block_writes_it_again_as_one() {
        let network = "192.0.2.0/24".parse().expect("a network");
        let until = Timestamp::from_millis(9000);
        for ordered in [true, false] {
            let told = Block { network, until, reason: "flood".to_owned(), ordered };
            let change = if ordered { BlockChange::Ordered } else { BlockChange::Made };
            let (LineChange::Set(line) | LineChange::Prolong(line)) = written(&change(told.clone())) else {
                panic!("it is written");
            };
            assert_eq!(block(&line).as_ref(), Some(&told));
            let again = if ordered { LineChange::Keep } else { LineChange::Prolong };
            assert_eq!(written(&BlockChange::Made(told)), again(line));
        }
    }
}
