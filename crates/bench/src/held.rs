//! Connections in the hundred-thousands, held by one generator over as many nodes as the descriptors of a process ask for:
//! how many stay open, what each costs a node, and how long a question on one of them takes meanwhile.

use std::{net::Ipv4Addr, thread, time::Duration};

use anyhow::Context;
use load::{Hold, Kept, float, hold, target::Target};
use rig::{Server, ServerOptions};
use rustix::process::{Resource, getrlimit};

use crate::figures::Figures;

/// What the service is meant to bear.
const CONNECTIONS: usize = 200_000;
const CONNECTIONS_QUICK: usize = 20_000;
/// Descriptors that a node has for everything else.
const DESCRIPTORS_LEFT: u64 = 1024;
/// A node takes so many by default.
const NODE_MAX: usize = 50_000;
/// Connections from one address.
const OF_ONE_ADDRESS: usize = 500;
/// How often something is asked on each.
const ASKED_EVERY_S: f64 = 50.0;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (connections, time) = if quick {
        (CONNECTIONS_QUICK, Duration::from_secs(10))
    } else {
        (CONNECTIONS, Duration::from_secs(60))
    };
    let descriptors = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let each =
        usize::try_from(descriptors.saturating_sub(DESCRIPTORS_LEFT)).unwrap_or(usize::MAX).min(NODE_MAX);
    let count = connections.div_ceil(each.max(1));
    let folder = tempfile::tempdir()?;
    let options = ServerOptions::default();
    let nodes: Vec<Server> = (0..count)
        .map(|number| Server::start_with(&folder.path().join(number.to_string()), &options))
        .collect::<Result<_, _>>()?;
    let resident = || nodes.iter().map(Server::resident_bytes).sum::<anyhow::Result<f64>>();
    let before = resident()?;
    let all = thread::scope(|scope| {
        // Each node's connections are opened beside the others'.
        let opening: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(number, node)| {
                let share = connections / count + usize::from(number < connections % count);
                scope.spawn(move || hold(&asked(node, share)))
            })
            .collect();
        let held = opening.into_iter().map(|opening| opening.join().ok().context("a holder panicked")?);
        held.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let open: usize = all.iter().map(load::Held::open).sum();
    let after = resident()?;
    wait(time);
    let mut kept = Kept::default();
    for held in all {
        kept.merge(held.let_go()?);
    }
    let counts = kept.record.counts;
    let mut figures = Figures::new("held");
    let (open, unanswered) = (float(open as u64), float(counts.offered - counts.good));
    figures.add("connections_held", open, &format!("of {connections}, over {count} nodes"));
    figures.add("refused", float(kept.refused), &kept.examples.join("; "));
    figures.add("dropped", float(kept.dropped), "were open and closed by a node");
    figures.add("unanswered", unanswered, &format!("of {} questions on them", counts.offered));
    figures.add("question_p99_ms", kept.record.latency_ms(99.0), "from when each was due");
    figures.add("bytes_each", (after - before) / open.max(1.0), "of a node's memory, besides the kernel's");
    Ok(figures)
}

fn asked(node: &Server, connections: usize) -> Hold {
    let addresses = connections.div_ceil(OF_ONE_ADDRESS);
    Hold {
        target: Target::at(node.public),
        connections,
        from: (0..addresses)
            .filter_map(|number| Some(Ipv4Addr::new(127, 90, 0, u8::try_from(number + 1).ok()?)))
            .collect(),
        path: "/health".to_owned(),
        asked_per_s: float(connections as u64) / ASKED_EVERY_S,
        patience: Duration::from_secs(10),
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing else is to be done meanwhile")]
fn wait(time: Duration) {
    thread::sleep(time);
}
