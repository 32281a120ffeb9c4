//! Several nodes on one PostgreSQL and one Redis, private ones, where they are installed; and what may happen to each of them.

mod harm;
mod started;

use std::{path::Path, time::Duration};

use harm::Harm;
use started::Fleet;

use report::{Area, FaultResult, Outcome, targets};

use crate::{
    ground::Ground,
    invariants::{audit::Entries, checkpoints, kept},
    ledger_keys::LedgerKeys,
    local, pause,
};

const POSTGRES: (&str, &str) =
    ("failure/postgresql", "A PostgreSQL that crashes or stands still loses nothing, and service comes back");
const REDIS: (&str, &str) = ("failure/redis", "A Redis that crashes or stands still stops nobody");
const NODES: (&str, &str) = (
    targets::FAILING_NODES,
    "Half of all nodes may be killed, stand still or be cut off, and the others serve",
);
const KEPT: (&str, &str) = (
    "failure/fleet-kept",
    "Whatever happened to a fleet, what any node acknowledged stands, once, in one history",
);
/// How long it is well before the first of them.
const WELL: Duration = Duration::from_secs(1);

/// What came of something.
#[derive(Debug)]
struct Found {
    /// What was seen.
    words: String,
    against: Option<String>,
    /// Something was seen of it; of what is to be noticed by nobody it is enough that it was done.
    bit: bool,
}

impl Found {
    const fn outcome(&self) -> Outcome {
        match (&self.against, self.bit) {
            (Some(_), _) => Outcome::Failed,
            (None, false) => Outcome::NotExercised,
            (None, true) => Outcome::Passed,
        }
    }
}

/// Breaks one after the other, with a fleet of its own; adds how it took each.
pub(super) fn run(ground: &mut Ground, results: &mut Vec<FaultResult>) -> anyhow::Result<()> {
    if let Some(why) = why_not(ground) {
        for (name, title) in [POSTGRES, REDIS, NODES, KEPT] {
            ground.skipped(Area::Failure, name, title, why);
        }
        return Ok(());
    }
    let mut fleet = Fleet::start(ground)?;
    pause::sleep(WELL);
    for ((name, title), harms) in [
        (NODES, &[Harm::KillNodes, Harm::FreezeNodes, Harm::CutNodes][..]),
        (POSTGRES, &[Harm::KillPostgres, Harm::FreezePostgres]),
        (REDIS, &[Harm::KillRedis, Harm::FreezeRedis]),
    ] {
        ground.screen.doing(title);
        let (mut seen, mut against, mut outcome) = (Vec::new(), Vec::new(), Outcome::Passed);
        for harm in harms {
            let (found, result) = fleet.suffer(*harm)?;
            crate::ending::go_on()?;
            outcome = outcome.min(found.outcome());
            seen.push(found.words);
            against.extend(found.against);
            results.push(result);
        }
        ground.found(Area::Failure, name, title, outcome, seen.join("; "), against);
    }
    kept(ground, fleet)
}

fn why_not(ground: &Ground) -> Option<&'static str> {
    if ground.profile.nodes < 2 {
        Some("this profile starts no fleet (--nodes)")
    } else if !installed() {
        Some("PostgreSQL 15 and Redis are not installed here")
    } else {
        None
    }
}

/// Is there what a fleet stands on?
pub(crate) fn installed() -> bool {
    ["/usr/lib/postgresql/15/bin/postgres", "/usr/bin/redis-server"]
        .iter()
        .all(|program| Path::new(program).exists())
}

/// Compares what was acknowledged with what stands, and what all nodes signed with each other.
fn kept(ground: &mut Ground, fleet: Fleet) -> anyhow::Result<()> {
    let nodes = fleet.count();
    let (mut rest, ran) = fleet.calm()?;
    let entries = Entries::new(&ground.runtime, &rest.auditor, local::FIRST_ASKED);
    let (checked, mut against) = kept::compare_all(rest.history.path(), entries, &ground.commands, true)?;
    rest.seen.sort_by_key(|seen| seen.checkpoint.size());
    let keys = LedgerKeys::of(&rest.nodes[0])?;
    against.extend(checkpoints::against(ground, &rest.client, &rest.seen, Some(&keys)));
    for counts in &ran {
        if counts.wrong > 0 {
            against.push(format!("{} answers were neither right nor refusals", counts.wrong));
        }
    }
    rest.nodes.iter_mut().try_for_each(local::Local::stop)?;
    if let Err(error) = rest.nodes[0].verify() {
        against.push(format!("the ledger is not in order afterwards: {error:#}"));
    }
    let detail = format!(
        "{nodes} nodes; {} acknowledgements and {} questions without an answer were compared with {} entries, {} checkpoints of all \
         nodes with each other, and the ledger was verified",
        checked.acknowledged,
        checked.unknown,
        checked.entries,
        rest.seen.len()
    );
    let (name, title) = KEPT;
    if checked.acknowledged == 0 {
        ground.found(Area::Failure, name, title, Outcome::Invalid, detail, against);
    } else {
        ground.judged(Area::Failure, name, title, detail, against);
    }
    Ok(())
}
