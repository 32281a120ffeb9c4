//! Networks that are blocked for a while: by operators, by inspection, and by other nodes.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use problem::Problem;

use super::Front;
use crate::{
    Block, BlockError, Incident, IncidentKind, Incidents,
    inspection::{Attack, Inspection, refusal},
    networks::Standing,
    rule::network_of,
    shared_blocks::BlockChange,
};

impl Front {
    /// Lets nobody in from there for so long, as the front decided by itself. What is blocked for longer already stays so, and why;
    /// what an operator blocked for less stays an operator's.
    ///
    /// # Errors
    /// When there are too many blocks.
    pub fn block(&self, block: Block) -> Result<(), BlockError> {
        if self.0.blocks.covers(&block) {
            return Ok(());
        }
        let ordered = self.0.blocks.is_ordered(block.network);
        self.add_block(Block { ordered, ..block }, None)
    }

    /// Lets nobody in from there for so long, longer or shorter than until now, as an operator said: this one.
    ///
    /// # Errors
    /// When there are too many blocks.
    pub fn block_by(&self, block: Block, by: String) -> Result<(), BlockError> {
        self.add_block(Block { ordered: true, ..block }, Some(by))
    }

    fn add_block(&self, block: Block, by: Option<String>) -> Result<(), BlockError> {
        let change = if by.is_some() { BlockChange::Ordered } else { BlockChange::Made };
        self.0.blocks.add(block.clone())?;
        let Block { network, until, reason, .. } = block.clone();
        let incident = Incident::now(IncidentKind::NetworkBlocked, &reason, &self.0.clock);
        self.0.incidents.tell(Incident { network: Some(network), until: Some(until), by, ..incident });
        self.0.shared_blocks.note(change(block));
        Ok(())
    }

    /// Forgets the block of exactly this network; tells whether there was one.
    pub fn unblock(&self, network: IpNet, by: Option<String>) -> bool {
        let network = network.trunc();
        let removed = self.0.blocks.remove(network);
        if removed {
            let incident = Incident::now(IncidentKind::NetworkUnblocked, "operator", &self.0.clock);
            self.0.incidents.tell(Incident { network: Some(network), by, ..incident });
            self.0.shared_blocks.note(BlockChange::TakenBack(network));
        }
        removed
    }

    /// Somebody's connection had to be ended because they flooded it. Whoever does it again and again is not let in for a
    /// while; proxies that are trusted, and networks that are allowed, are.
    pub fn flooded(&self, peer: IpAddr) {
        self.strike(peer);
        // Counted last: whoever reads of a flood finds who did it kept out.
        self.0.instruments.connections_flooded.inc();
    }

    fn strike(&self, peer: IpAddr) {
        let table = self.0.table.load();
        if table.clients.trusts(peer) || table.networks.standing(peer, || false) == Standing::Allowed {
            return;
        }
        let now = u64::try_from(self.0.since_start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(time) = table.floods.strike(peer, now) {
            let until = self.0.clock.now().plus(time);
            let block =
                Block { network: network_of(peer), until, reason: "flood".to_owned(), ordered: false };
            // Without room for another, each of their connections costs what one costs.
            let _full = self.block(block);
        }
    }

    /// From now on blocks are kept for other nodes too.
    pub fn share_blocks(&self) {
        self.0.shared_blocks.begin();
    }

    /// At most so many changes of blocks that other nodes have not heard of.
    #[must_use]
    pub fn blocks_to_share(&self, most: usize) -> Vec<BlockChange> {
        self.0.shared_blocks.pending(most)
    }

    /// Other nodes know these, but for blocks of the networks `left`, for which they have no room: they stay with this node.
    pub fn blocks_shared(&self, changes: &[BlockChange], left: &HashSet<IpNet>) {
        self.0.shared_blocks.told(changes, left);
    }

    /// Waits until a block is made or taken back here.
    pub async fn blocks_changed(&self) {
        self.0.shared_blocks.changed().await;
    }

    /// Other nodes have forgotten everything, and are to be told again; tells whether there is anything to tell.
    pub fn share_blocks_again(&self) -> bool {
        self.0.shared_blocks.tell_again(&self.0.blocks)
    }

    /// Goes by the blocks that all nodes share; tells how many were new.
    pub fn see_shared_blocks(&self, all: Vec<Block>) -> usize {
        self.0.shared_blocks.see(all, &self.0.blocks)
    }

    /// What operators are to be told.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.0.incidents
    }

    /// Tells of an attack, and refuses it where attacks are refused.
    pub(super) fn tell(
        &self,
        attack: &Attack,
        inspection: &Inspection,
        client: Option<IpAddr>,
    ) -> Result<(), Problem> {
        let refused = inspection.refuses();
        let incident = self.0.teller.tell(attack, refused, &self.0.instruments, &self.0.clock);
        if !refused {
            return Ok(());
        }
        self.0.siege.turned_away.note(client);
        let network = client.map(network_of);
        self.0.incidents.count(IncidentKind::RequestInspected, network, attack.class.word());
        let now = u64::try_from(self.0.since_start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(client) = client
            && let Some(time) = inspection.strike(client, now)
        {
            let until = self.0.clock.now().plus(time);
            let block =
                Block { network: network_of(client), until, reason: "inspection".to_owned(), ordered: false };
            // Without room for another it is refused request by request.
            let _full = self.block(block);
        }
        Err(refusal(attack, &incident))
    }
}
