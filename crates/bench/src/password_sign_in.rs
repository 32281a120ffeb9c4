//! How much of a core's time for hashing becomes sign-ins with passwords.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::ensure;
use argon2::{Algorithm, Argon2, Params, Version};
use clock::Clock;
use rig::Server;
use serde_json::json;

use crate::{
    figures::{Figures, median},
    load::{Connection, on_runtime, request},
};

const PEOPLE: usize = 16;
const PASSWORD: &str = "kelp holds fast in winter storms";

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, time) = if quick { (3, Duration::from_secs(4)) } else { (5, Duration::from_secs(8)) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("data"))?;
    on_runtime(async {
        for person in 0..PEOPLE {
            server.client().register(&format!("person-{person}"), PASSWORD).await?;
        }
        anyhow::Ok(())
    })?;
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let bare = bare(time)?;
        let ours = sign_in(&server, time, run)?;
        rates.push(ours);
        ratios.push(ours / bare);
    }
    server.stop()?;
    let mut figures = Figures::new("password-sign-in");
    figures.add("sign_ins_per_s", median(rates), "durable, Argon2id of 19 MiB and two passes, all cores");
    figures.add("ratio_to_argon2", median(ratios), "of hashing alone on the same cores");
    Ok(figures)
}

/// Hashes a second, with nothing else to do, on every core.
fn bare(time: Duration) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let stopwatch = Clock::System.stopwatch();
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let hashers: Vec<_> = (0..cores)
        .map(|_| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || {
                let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are in range");
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut hash = [0; 32];
                while !stop.load(Ordering::Relaxed) {
                    let hashed =
                        argon2.hash_password_into(PASSWORD.as_bytes(), b"a salt of 16 b..", &mut hash);
                    hashed.expect("it hashes");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    on_runtime(async { tokio::time::sleep(time).await });
    stop.store(true, Ordering::Relaxed);
    for hasher in hashers {
        hasher.join().map_err(|_| anyhow::anyhow!("a hasher panicked"))?;
    }
    Ok(per_second(count.load(Ordering::Relaxed), stopwatch.elapsed()))
}

/// Sign-ins a second, of people who each wait for their own answer.
fn sign_in(server: &Server, time: Duration, run: usize) -> anyhow::Result<f64> {
    let address = server.public;
    let stopwatch = Clock::System.stopwatch();
    let count = on_runtime(async {
        let everybody = (0..PEOPLE).map(|person| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                let running = Clock::System.stopwatch();
                let mut count = 0_u64;
                while running.elapsed() < time {
                    // Another audience makes another request: the same one would be answered from memory.
                    let audience = format!("run-{run}-{count}");
                    let body = json!({"userId": format!("person-{person}"), "credentials": PASSWORD, "audience": audience});
                    let body = serde_json::to_vec(&body)?;
                    let kind = [("content-type", "application/json")];
                    let (status, answer) = connection.ask(&request("POST", "/api/v1/authenticate", &kind, &body)).await?;
                    ensure!(status == 200, "the sign-in was refused: {}", String::from_utf8_lossy(answer));
                    count += 1;
                }
                anyhow::Ok(count)
            })
        });
        let everybody: Vec<_> = everybody.collect();
        let mut all = 0;
        for one in everybody {
            all += one.await??;
        }
        anyhow::Ok(all)
    })?;
    Ok(per_second(count, stopwatch.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 sign-ins")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
