//! How many people a second sign in with device keys, durably, over HTTP: a challenge, a signature, a
//! session.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::ensure;
use clock::Clock;
use hdrhistogram::Histogram;
use rig::{Device, Server};
use serde_json::Value;

use crate::{
    figures::{Figures, median},
    load::{Connection, on_runtime, request},
};

/// People who sign in, each from a connection of their own.
const PEOPLE: usize = 128;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, time) = if quick { (3, Duration::from_secs(4)) } else { (5, Duration::from_secs(8)) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("data"))?;
    let devices: Arc<Vec<Device>> = Arc::new(on_runtime(async {
        let mut devices = Vec::new();
        for person in 0..PEOPLE {
            devices.push(Device::register(&server.client(), &format!("person-{person}")).await?);
        }
        anyhow::Ok(devices)
    })?);
    let (mut rates, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let full = sign_in(server.public, &devices, time, None)?;
        let pace = full.rate / 2.0;
        let half = sign_in(server.public, &devices, time, Some(pace))?;
        rates.push(full.rate);
        p50.push(millis(half.latency.value_at_quantile(0.5)));
        p99.push(millis(half.latency.value_at_quantile(0.99)));
    }
    server.stop()?;
    let mut figures = Figures::new("device-sign-in");
    figures.add(
        "sign_ins_per_s",
        median(rates),
        "challenge, Ed25519 signature, durable session; both on these cores",
    );
    figures.add("p50_ms", median(p50), "of the sign-in, at half that load");
    figures.add("p99_ms", median(p99), "of the sign-in, at half that load");
    Ok(figures)
}

struct Measured {
    rate: f64,
    /// Microseconds.
    latency: Histogram<u64>,
}

/// Everybody signs in again and again: as fast as they can, or so many a second between them.
fn sign_in(
    address: SocketAddr,
    devices: &Arc<Vec<Device>>,
    time: Duration,
    pace: Option<f64>,
) -> anyhow::Result<Measured> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopwatch = Clock::System.stopwatch();
    let (devices, stopped) = (Arc::clone(devices), Arc::clone(&stop));
    // One thread for all callers: the server needs the rest of the machine more.
    let callers = thread::spawn(move || {
        on_runtime(async move {
            let everybody = (0..devices.len()).map(|seat| {
                let (devices, stop) = (Arc::clone(&devices), Arc::clone(&stopped));
                tokio::spawn(
                    async move { one(address, &devices[seat], seat, devices.len(), pace, &stop).await },
                )
            });
            let everybody: Vec<_> = everybody.collect();
            let mut latency = Histogram::<u64>::new(3)?;
            for one in everybody {
                latency.add(one.await??)?;
            }
            anyhow::Ok(latency)
        })
    });
    on_runtime(async { tokio::time::sleep(time).await });
    stop.store(true, Ordering::Relaxed);
    let latency = callers.join().map_err(|_| anyhow::anyhow!("the callers panicked"))??;
    #[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 sign-ins")]
    let rate = latency.len() as f64 / stopwatch.elapsed().as_secs_f64();
    Ok(Measured { rate, latency })
}

/// One person. At a given pace the time counts from when the sign-in was due, so that a slow answer is not
/// hidden by the wait that it causes.
async fn one(
    address: SocketAddr,
    device: &Device,
    seat: usize,
    seats: usize,
    pace: Option<f64>,
    stop: &AtomicBool,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(address).await?;
    let challenge = request("POST", "/api/v1/challenges", &[], b"");
    let mut latency = Histogram::<u64>::new(3)?;
    #[expect(clippy::cast_precision_loss, reason = "there are few seats")]
    let step = pace.map(|pace| Duration::from_secs_f64(seats as f64 / pace));
    let running = Clock::System.stopwatch();
    let mut due = step.map_or(Duration::ZERO, |step| {
        step * u32::try_from(seat).unwrap_or(0) / u32::try_from(seats).unwrap_or(1)
    });
    while !stop.load(Ordering::Relaxed) {
        if step.is_some() {
            tokio::time::sleep(due.saturating_sub(running.elapsed())).await;
        } else {
            due = running.elapsed();
        }
        let (status, answer) = connection.ask(&challenge).await?;
        ensure!(status == 201, "there was no challenge: {status}");
        let answer: Value = serde_json::from_slice(answer)?;
        let body = device.answer(answer["challenge"].as_str().unwrap_or_default());
        let body = serde_json::to_vec(&body)?;
        let sign_in = request("POST", "/api/v1/authenticate", &[("content-type", "application/json")], &body);
        let (status, answer) = connection.ask(&sign_in).await?;
        ensure!(status == 200, "the sign-in was refused: {}", String::from_utf8_lossy(answer));
        latency.record(u64::try_from(running.elapsed().saturating_sub(due).as_micros())?)?;
        due += step.unwrap_or_default();
    }
    Ok(latency)
}

#[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
