//! Six nodes of a cluster: three masters with slots, each with a replica.

use std::process::Command;

use anyhow::{Context, ensure};

use super::{
    Redis, Secrets, access,
    sentinel::{AGREE_TRIES, wait},
};
use crate::{free_port, program::run};

const NODES: usize = 6;
const SLOTS: u32 = 16_384;

/// A cluster with files of its own.
#[derive(Debug)]
pub struct RedisCluster {
    pub nodes: Vec<Redis>,
    secrets: Option<Secrets>,
}

impl RedisCluster {
    /// Starts the nodes, and joins them.
    ///
    /// # Errors
    /// When they cannot be installed or do not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_behind(None)
    }

    /// The same, where everybody must know its secrets, if it has any.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub fn start_behind(secrets: Option<&Secrets>) -> anyhow::Result<Self> {
        let start = |_| {
            // The port of others is ten thousand more, if nothing is said, which may be none.
            let others = free_port()?.to_string();
            let timeout = ("cluster-node-timeout", "1000");
            let settings =
                [("cluster-enabled", "yes"), timeout, ("cluster-port", &others), ("save", "3600 1")];
            Redis::start_behind(secrets, &settings)
        };
        let nodes = (0..NODES).map(start).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        let mut create = Command::new("redis-cli");
        create.args(access(secrets)).args(["--cluster", "create"]).args(addresses);
        run(create.args(["--cluster-replicas", "1", "--cluster-yes"]))?;
        let this = Self { nodes, secrets: secrets.cloned() };
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
        wait(AGREE_TRIES, || self.nodes.iter().all(|node| agreed(node) && follows(node)))
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
        reshard.args(access(self.secrets.as_ref()));
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
