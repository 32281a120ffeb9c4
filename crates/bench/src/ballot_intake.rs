//! How many votes a second are taken durably over HTTP, and how many are carried on until they are confirmed.

use std::time::Duration;

use clock::Clock;

use crate::{
    figures::{Figures, median},
    hall::{Hall, Plan},
};

/// Votes a second at which it is measured how long one takes.
const PACE: f64 = 5000.0;

/// Voters, who vote again and again.
const VOTERS: usize = 1000;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (votes, runs) = if quick { (5_000, 3) } else { (60_000, 5) };
    let hall = Hall::open(Plan { voters: VOTERS, trustees: 3, threshold: 2 })?;
    let (mut taken, mut confirmed, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        let before = hall.confirmed()?;
        let bodies = hall.votes(votes, run)?;
        let running = Clock::System.stopwatch();
        let sent = hall.send(bodies, None)?;
        taken.push(rate(votes, sent.took));
        hall.until_confirmed(before + votes as u64)?;
        confirmed.push(rate(votes, running.elapsed()));
        let sent = hall.send(hall.votes(votes / 2, runs + run)?, Some(PACE))?;
        p50.push(millis(sent.latency.value_at_quantile(0.5)));
        p99.push(millis(sent.latency.value_at_quantile(0.99)));
        hall.until_confirmed(before + (votes + votes / 2) as u64)?;
    }
    hall.close()?;
    let mut figures = Figures::new("ballot-intake");
    figures.add(
        "ballots_per_s",
        median(taken),
        "votes of one contest, durable when answered; both on these cores",
    );
    figures.add("confirmed_per_s", median(confirmed), "from the first sent until the last is confirmed");
    figures.add("p50_ms", median(p50), "of a vote, at 5,000 a second or as fast as it goes");
    figures.add("p99_ms", median(p99), "of a vote, at 5,000 a second or as fast as it goes");
    Ok(figures)
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 votes")]
fn rate(votes: usize, took: Duration) -> f64 {
    votes as f64 / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
