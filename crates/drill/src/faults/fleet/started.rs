//! A fleet that was started, with callers at each of its nodes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use clock::Stopwatch;
use load::{Counts, Live, Phase, Ran, Shape, Spacing, history::Historian, target::Target};
use peers::{Postgres, Redis};

use load::proxy::Proxy;

use crate::{
    client::{Client, Keeper},
    ground::{self, Ground, in_background, stopwatch},
    local::{Local, NodeOptions},
    observer::{Observer, Seen},
    probe::Probe,
    profile::Profile,
};

/// Longer than any run of faults.
const LONG_S: f64 = 24.0 * 3600.0;
/// A node that is silent in the midst of a transaction keeps others waiting for two seconds: what lasts no longer would show
/// nothing of how it goes on.
const BROKEN_MIN: Duration = Duration::from_secs(6);
/// How often each node is asked whether it is well: seldom enough that asking itself is no load.
const PROBED_EVERY: Duration = Duration::from_millis(200);
const DATABASE: &str = "drill";

/// Nodes, what they stand on, and those who call them.
pub(super) struct Fleet {
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    pub(super) nodes: Vec<Local>,
    /// Between PostgreSQL and the nodes that come to harm.
    pub(super) way: Proxy,
    /// One at each node.
    pub(super) probes: Vec<Probe>,
    pub(super) stopwatch: Stopwatch,
    pub(super) broken: Duration,
    observers: Vec<Observer>,
    loads: Vec<JoinHandle<anyhow::Result<Ran>>>,
    live: Arc<Live>,
    keeper: Keeper,
    client: Client,
    auditor: Client,
    history: tempfile::TempDir,
}

/// What is left when nobody calls any more.
pub(super) struct Rest {
    pub(super) nodes: Vec<Local>,
    pub(super) client: Client,
    pub(super) auditor: Client,
    /// Where acknowledgements are kept.
    pub(super) history: tempfile::TempDir,
    /// Checkpoints of all nodes.
    pub(super) seen: Vec<Seen>,
    _postgres: Postgres,
    _redis: Redis,
}

impl Fleet {
    pub(super) fn start(ground: &mut Ground) -> anyhow::Result<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        let database = postgres.create_database(DATABASE)?;
        let way = Proxy::before(SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port())))?;
        let detour =
            database.replace(&format!(":{}/", postgres.port()), &format!(":{}/", way.address.port()));
        let count = ground.profile.nodes;
        let mut nodes: Vec<Local> = Vec::new();
        for number in 0..count {
            let harmed = number < to_harm(count);
            nodes.push(Local::start(NodeOptions {
                settings: format!("[redis]\nurls = [\"{}\"]\n", redis.url()),
                database: Some(if harmed { detour.clone() } else { database.clone() }),
                keys: nodes.first().map(|first| first.data().join("keys")),
                ..NodeOptions::default()
            })?);
        }
        let history = tempfile::tempdir()?;
        let stopwatch = stopwatch();
        let historian = Historian::in_folder(history.path(), "fleet", &ground.commands)?;
        let keeper = Keeper::new(historian, stopwatch.clone());
        let targets: Vec<_> = nodes.iter().map(|node| Target::at(node.public)).collect();
        // Whoever stays unharmed is asked for what must be known.
        let client = Client::new(&targets[count - 1]).with_keeper(&keeper);
        let staff =
            ground.block_on(ground::staff(&Client::new(&targets[0]).with_keeper(&keeper), &nodes[0]))?;
        let auditor = staff.auditor.map(|auditor| auditor.at(&client.target));
        let auditor = anyhow::Context::context(auditor, "a local deployment has an auditor")?;
        let few = Profile { citizens: 1, devices: 16, ..ground.profile.clone() };
        let people = Arc::new(ground.block_on(ground::people(&client, &few, &ground.name("fleet")))?);
        let live = Arc::new(Live::default());
        let (mut probes, mut observers, mut loads) = (Vec::new(), Vec::new(), Vec::new());
        for target in &targets {
            let own = client.at(target);
            probes.push(Probe::begin(&own, &people, &stopwatch, PROBED_EVERY)?);
            observers.push(Observer::begin(&own)?);
            let journeys = vec![
                (ground.journey("sign-in-device")?, 3),
                (ground.journey("register")?, 1),
                (ground.journey("validate-session")?, 4),
            ];
            let per_s = ground.profile.fault_per_s / load::float(count as u64);
            let phases = vec![Phase::constant(per_s, LONG_S)];
            let mut load =
                ground.load("a fleet", journeys, Shape::Open { phases, spacing: Spacing::Poisson });
            load.target = target.clone();
            load.people = Arc::clone(&people);
            load.history = Some(history.path().to_owned());
            load.threads = 1;
            loads.push(in_background(load, &live)?);
        }
        let broken = Duration::from_millis(ground.profile.fault_ms).max(BROKEN_MIN);
        Ok(Self {
            postgres,
            redis,
            nodes,
            way,
            probes,
            stopwatch,
            broken,
            observers,
            loads,
            live,
            keeper,
            client,
            auditor,
            history,
        })
    }

    pub(super) const fn count(&self) -> usize {
        self.nodes.len()
    }

    /// How many nodes come to harm: the first ones, half of them at least.
    pub(super) const fn harmed(&self) -> usize {
        to_harm(self.nodes.len())
    }

    /// Lets nobody call any more; what the callers of each node saw.
    pub(super) fn calm(self) -> anyhow::Result<(Rest, Vec<Counts>)> {
        self.live.stop();
        // What is still asked may be promised still.
        drop(self.probes);
        let mut counts = Vec::new();
        for load in self.loads {
            let ran = load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
            counts.push(ran.record.counts);
        }
        self.keeper.finish()?;
        let seen = self.observers.into_iter().flat_map(Observer::end).collect();
        let rest = Rest {
            nodes: self.nodes,
            client: self.client,
            auditor: self.auditor,
            history: self.history,
            seen,
            _postgres: self.postgres,
            _redis: self.redis,
        };
        Ok((rest, counts))
    }
}

const fn to_harm(nodes: usize) -> usize {
    nodes.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_nodes_come_to_harm_and_one_at_least_does_not() {
        for nodes in 2..20 {
            assert!(to_harm(nodes) * 2 >= nodes && to_harm(nodes) < nodes, "{nodes}");
        }
    }
}
