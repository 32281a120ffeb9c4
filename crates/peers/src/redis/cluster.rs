//! Six nodes of a cluster: three masters with slots, each with a replica.

use std::process::Command;

use anyhow::{Context, ensure};

use super::{Redis, START_TRIES, sentinel::wait};
use crate::program::run;

const NODES: usize = 6;
const SLOTS: u32 = 16_384;

/// A cluster with files of its own.
#[derive(Debug)]
pub struct RedisCluster {
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes, and joins them.
    ///
    /// # Errors
    /// When they cannot be installed or do not start.
    pub fn start() -> anyhow::Result<Self> {
        let settings = [("cluster-enabled", "yes"), ("cluster-node-timeout", "1000"), ("save", "3600 1")];
        let nodes = (0..NODES).map(|_| Redis::start_with(&settings)).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses);
        run(create.args(["--cluster-replicas", "1", "--cluster-yes"]))?;
        let this = Self { nodes };
        this.until_agreed()?;
        Ok(this)
    }

    fn until_agreed(&self) -> anyhow::Result<()> {
        let agreed = |node: &Redis| {
            let info = node.command(&["CLUSTER", "INFO"]).unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")
        };
        let follows = |node: &Redis| {
            let info = node.command(&["INFO", "replication"]).unwrap_or_default();
            info.contains("role:master") || info.contains("master_link_status:up")
        };
        wait(START_TRIES * 4, || self.nodes.iter().all(|node| agreed(node) && follows(node)))
    }

    /// Where its nodes are.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Moves every slot of one master to another, with what is in it.
    ///
    /// # Errors
    /// When they cannot be moved.
    pub fn move_slots(&self, from: usize, to: usize) -> anyhow::Result<()> {
        let id = |node: usize| {
            let node = self.nodes.get(node).context("there are six")?;
            node.command(&["CLUSTER", "MYID"])
        };
        let mut reshard = Command::new("redis-cli");
        reshard.args(["--cluster", "reshard", &format!("127.0.0.1:{}", self.nodes[0].port())]);
        reshard.args(["--cluster-from", &id(from)?, "--cluster-to", &id(to)?]);
        let slots = (SLOTS / 4).to_string();
        let told = run(reshard.args(["--cluster-slots", &slots, "--cluster-yes"]))?;
        ensure!(!told.contains("[ERR]"), "the slots were not moved: {told}");
        Ok(())
    }

    /// The place of a node that is a master with slots now, other than these.
    #[must_use]
    pub fn master(&self, others: &[usize]) -> Option<usize> {
        (0..self.nodes.len())
            .filter(|node| !others.contains(node))
            .find(|node| self.nodes[*node].command(&["ROLE"]).is_ok_and(|role| role.starts_with("master")))
    }
}
