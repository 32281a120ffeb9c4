//! Faults of the servers behind a node: PostgreSQL and Redis, private ones, where they are installed.

use std::{path::Path, sync::Arc, time::Duration};

use clock::Stopwatch;
use load::target::Target;
use peers::{Postgres, Redis};

use crate::{
    client::Client,
    ground::{Ground, people, stopwatch},
    local::{Local, NodeOptions},
    pause,
    probe::Probe,
    profile::Profile,
    report::{Area, Outcome},
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
const POSTGRES: (&str, &str) =
    ("failure/postgresql", "A PostgreSQL that crashes or stands still loses nothing, and service comes back");
const REDIS: (&str, &str) = ("failure/redis", "A Redis that crashes or stands still stops nobody");
/// A node leaves a database alone for half a minute that did not answer: it may take as long to notice that it does.
const PATIENCE: Duration = Duration::from_secs(45);
/// Of what is asked while Redis is away, so much may fail: what was on its way to it.
const FAILED_SHARE_MAX: usize = 10;

/// What is done to a server.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Kill,
    Freeze,
}

/// What came of it: what was seen, and what speaks against the node.
type Found = (String, Option<String>);

/// A node with its own PostgreSQL and Redis, and somebody who asks it all the time.
struct Fleet {
    postgres: Postgres,
    redis: Redis,
    node: Local,
    probe: Probe,
    stopwatch: Stopwatch,
    broken: Duration,
}

/// Breaks both, with a node of its own that uses them.
pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    if let Some(why) = why_not(ground) {
        for (name, title) in [POSTGRES, REDIS] {
            ground.skipped(Area::Failure, name, title, why);
        }
        return Ok(());
    }
    let mut fleet = Fleet::start(ground)?;
    pause::sleep(Duration::from_secs(1));
    let mut of_postgres = vec![fleet.postgres(Harm::Kill)?, fleet.postgres(Harm::Freeze)?];
    let of_redis = vec![fleet.redis(Harm::Kill)?, fleet.redis(Harm::Freeze)?];
    let Fleet { mut node, probe, .. } = fleet;
    drop(probe);
    node.stop()?;
    if let Err(error) = node.verify() {
        let words = format!("the ledger is not in order afterwards: {error:#}");
        of_postgres.push(("verified".to_owned(), Some(words)));
    }
    for ((name, title), found) in [(POSTGRES, of_postgres), (REDIS, of_redis)] {
        let (seen, against): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let against: Vec<_> = against.into_iter().flatten().collect();
        let outcome = if against.is_empty() { Outcome::Passed } else { Outcome::Failed };
        ground.found(Area::Failure, name, title, outcome, seen.join("; "), against);
    }
    Ok(())
}

fn why_not(ground: &Ground) -> Option<&'static str> {
    let installed = |program: &str| Path::new(program).exists();
    if !ground.profile.engines {
        Some("this profile breaks nothing but the node itself")
    } else if !installed("/usr/lib/postgresql/15/bin/postgres") || !installed("/usr/bin/redis-server") {
        Some("PostgreSQL 15 and Redis are not installed here")
    } else {
        None
    }
}

impl Fleet {
    fn start(ground: &Ground) -> anyhow::Result<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        let settings = format!("[redis]\nurls = [\"{}\"]\n", redis.url());
        let node = Local::start(NodeOptions {
            settings,
            database: Some(postgres.create_database("drill")?),
            ..NodeOptions::default()
        })?;
        let client = Client::new(&Target::at(node.public));
        let few = Profile { citizens: 1, devices: 4, ..ground.profile.clone() };
        let people = Arc::new(ground.block_on(people(&client, &few, &ground.name("engines")))?);
        let stopwatch = stopwatch();
        Ok(Self {
            postgres,
            redis,
            node,
            probe: Probe::begin(&client, &people, &stopwatch)?,
            stopwatch,
            broken: Duration::from_millis(ground.profile.fault_ms),
        })
    }

    /// Harms PostgreSQL, without which nothing can be written.
    fn postgres(&mut self, harm: Harm) -> anyhow::Result<Found> {
        let from = self.stopwatch.elapsed();
        match harm {
            Harm::Kill => self.postgres.kill(),
            Harm::Freeze => self.postgres.freeze(),
        }
        pause::sleep(self.broken);
        let to = self.stopwatch.elapsed();
        match harm {
            Harm::Kill => self.postgres.restart()?,
            Harm::Freeze => self.postgres.thaw(),
        }
        let (all, failed, well) = self.watch(from, to);
        let seen = format!("{harm:?}: {failed} of {all} questions without a good answer meanwhile");
        Ok(match well {
            None => (seen, Some(format!("{harm:?}: not well again in time"))),
            Some(_) if failed == 0 => (format!("{seen} (it did not bite)"), None),
            Some(ms) => (format!("{seen}, well after {ms} ms"), None),
        })
    }

    /// Harms Redis, without which everything can be done.
    fn redis(&mut self, harm: Harm) -> anyhow::Result<Found> {
        let from = self.stopwatch.elapsed();
        match harm {
            Harm::Kill => self.redis.kill(),
            Harm::Freeze => self.redis.freeze()?,
        }
        pause::sleep(self.broken);
        let to = self.stopwatch.elapsed();
        match harm {
            Harm::Kill => self.redis.restart()?,
            Harm::Freeze => self.redis.thaw()?,
        }
        let (all, failed, well) = self.watch(from, to);
        let seen = format!("{harm:?}: {failed} of {all} questions without a good answer meanwhile");
        let against = (well.is_none() || failed * FAILED_SHARE_MAX > all).then(|| seen.clone());
        Ok((seen, against))
    }

    /// How many were asked meanwhile, how many of them had no good answer, and when it was well again.
    fn watch(&self, from: Duration, to: Duration) -> (usize, usize, Option<u128>) {
        while self.probe.well_since(to).is_none() && self.stopwatch.elapsed() < to + PATIENCE {
            pause::sleep(LOOK_EVERY);
        }
        let asked: Vec<_> = self.probe.since(from).into_iter().filter(|asked| asked.at < to).collect();
        let failed = asked.iter().filter(|asked| !asked.good || asked.at + asked.took > to).count();
        let well = self.probe.well_since(to).map(|at| at.saturating_sub(to).as_millis());
        (asked.len(), failed, well)
    }
}
