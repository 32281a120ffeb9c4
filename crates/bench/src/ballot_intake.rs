//! How many votes a second are taken durably over HTTP, and how many are carried on until they are confirmed.

mod hall;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{bail, ensure};
use clock::Clock;
use hall::Hall;
use hdrhistogram::Histogram;

use crate::{
    figures::{Figures, median},
    load::{Connection, on_runtime, request},
};

/// Those who send, each on a connection of their own.
const SENDERS: usize = 64;

/// Votes a second at which it is measured how long one takes.
const PACE: f64 = 5000.0;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (votes, runs) = if quick { (5_000, 3) } else { (60_000, 5) };
    let hall = Hall::open()?;
    let (mut taken, mut confirmed, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        let before = hall.confirmed()?;
        let bodies = Arc::new(hall.votes(votes, run)?);
        let running = Clock::System.stopwatch();
        let sent = send(hall.address(), &bodies, None)?;
        taken.push(rate(votes, sent.took));
        hall.until_confirmed(before + votes as u64)?;
        confirmed.push(rate(votes, running.elapsed()));
        let paced = Arc::new(hall.votes(votes / 2, runs + run)?);
        let sent = send(hall.address(), &paced, Some(PACE))?;
        p50.push(millis(sent.latency.value_at_quantile(0.5)));
        p99.push(millis(sent.latency.value_at_quantile(0.99)));
        hall.until_confirmed(before + (votes + votes / 2) as u64)?;
    }
    hall.close()?;
    let mut figures = Figures::new("ballot-intake");
    figures.add(
        "received_per_s",
        median(taken),
        "votes of one contest, durable when answered; both on these cores",
    );
    figures.add("confirmed_per_s", median(confirmed), "from the first sent until the last is confirmed");
    figures.add("p50_ms", median(p50), "of a vote, at 5,000 a second or as fast as it goes");
    figures.add("p99_ms", median(p99), "of a vote, at 5,000 a second or as fast as it goes");
    Ok(figures)
}

struct Sent {
    took: Duration,
    /// Microseconds.
    latency: Histogram<u64>,
}

/// Sends each vote once: as fast as it goes, or so many a second.
fn send(address: SocketAddr, bodies: &Arc<Vec<Vec<u8>>>, pace: Option<f64>) -> anyhow::Result<Sent> {
    let (bodies, next) = (Arc::clone(bodies), Arc::new(AtomicUsize::new(0)));
    let running = Clock::System.stopwatch();
    let latency = on_runtime(async move {
        let senders =
            (0..SENDERS).map(|_| tokio::spawn(one(address, Arc::clone(&bodies), Arc::clone(&next), pace)));
        let senders: Vec<_> = senders.collect();
        let mut latency = Histogram::<u64>::new(3)?;
        for sender in senders {
            latency.add(sender.await??)?;
        }
        anyhow::Ok(latency)
    })?;
    Ok(Sent { took: running.elapsed(), latency })
}

/// One sender. At a given pace the time counts from when the vote was due, so that a slow answer is not hidden by
/// the wait that it causes.
async fn one(
    address: SocketAddr,
    bodies: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
    pace: Option<f64>,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(address).await?;
    let mut latency = Histogram::<u64>::new(3)?;
    let running = Clock::System.stopwatch();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(body) = bodies.get(place) else { return Ok(latency) };
        #[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 votes")]
        let due = pace.map_or_else(|| running.elapsed(), |pace| Duration::from_secs_f64(place as f64 / pace));
        tokio::time::sleep(due.saturating_sub(running.elapsed())).await;
        let vote = request("POST", "/api/v1/voting/submit", &[("content-type", "application/json")], body);
        // Who is told that there is no room now sends again; the time goes on.
        loop {
            let (status, answer) = connection.ask(&vote).await?;
            if status == 201 {
                break;
            }
            ensure!(status == 503, "a vote was not taken: {}", String::from_utf8_lossy(answer));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        latency.record(u64::try_from(running.elapsed().saturating_sub(due).as_micros())?)?;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 votes")]
fn rate(votes: usize, took: Duration) -> f64 {
    votes as f64 / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

/// Asks again and again until something is so.
async fn until<T>(mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>, what: &str) -> anyhow::Result<T> {
    for _ in 0..6000 {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it never came to {what}")
}
