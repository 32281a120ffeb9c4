//! Commands that nodes on one PostgreSQL make durable, beside pgbench on the same server.

mod node;
mod pgbench;
mod sql;

use std::time::Duration;

use peers::{Distance, Postgres};

use crate::figures::{Figures, median};

/// Between a node and its server, when they are not on one machine.
const ROUND_TRIP: Duration = Duration::from_millis(1);

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, seconds) = if quick { (3, 3) } else { (5, 10) };
    let time = Duration::from_secs(seconds);
    let server = Postgres::start()?;
    let far = Distance::to(server.port(), ROUND_TRIP)?;
    let (mut one, mut three, mut apart, mut ratio) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        let theirs = pgbench::measure(&server, &format!("theirs{run}"), seconds)?;
        let fresh = |kind: &str| server.create_database(&format!("{kind}{run}"));
        let ours = node::measure(&fresh("one")?, 1, time)?;
        three.push(node::measure(&fresh("three")?, 3, time)?);
        let near = fresh("apart")?;
        let url = near.replace(&format!(":{}/", server.port()), &format!(":{}/", far.port()));
        apart.push(node::measure(&url, 1, time)?);
        one.push(ours);
        ratio.push(ours / theirs);
    }
    let mut figures = Figures::new("postgres");
    figures.add("commands_per_s", median(one), "sign-ins and jobs in turn, durable, from one node");
    figures.add("ratio_to_pgbench", median(ratio), "of pgbench: 16 clients, two inserts a transaction");
    figures.add("three_nodes_per_s", median(three), "from three nodes that write one ledger");
    figures.add("per_s_at_1ms", median(apart), "from one node, 1 ms of round trip away from its server");
    Ok(figures)
}
