//! Sign-ins with passwords when more come than one core can hash: what is still answered in time.
//!
//! The server is held to one core by its CPU affinity, and whoever asks stays on another. Load comes at a constant
//! rate, and callers give up after a second.

mod cores;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use cores::Cores;
use rig::{Client, Server};
use serde_json::json;

use crate::{
    figures::{Figures, median},
    load::{
        Connection, on_runtime,
        open_loop::{self, Sent, Stream},
        request,
    },
};

/// How many times the knee comes, and what is said of it.
const LOADS: [(f64, &str, &str); 4] = [
    (1.0, "goodput_1x", "of the most that its round has seen, answered within a second, at the knee"),
    (2.0, "goodput_2x", "the same at twice the knee"),
    (5.0, "goodput_5x", "at five times"),
    (10.0, "goodput_10x", "at ten times"),
];
const PEOPLE: u64 = 16;
const PASSWORD: &str = "kelp holds fast in winter storms";
/// How long callers wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// What comes before the beginning is learnt from, and does not count.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long whoever is sent away waits before they ask again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (rounds, time) = (if quick { 1 } else { 4 }, Duration::from_secs(5));
    let cores = Cores::allowed()?;
    let folder = tempfile::tempdir()?;
    cores.stay_on(0)?;
    let server = Server::start(&folder.path().join("data"))?;
    cores.stay_on(1)?;
    let address = server.public;
    let mut figures = Figures::new("overload");
    on_runtime(async {
        let client = server.client();
        for person in 0..PEOPLE {
            client.register(&name(person), PASSWORD).await?;
        }
        // Taken before the floods: whoever signs in right after one is not signed in yet, and may be refused.
        let signed_in = client.sign_in(&name(0), PASSWORD).await?;
        let knee = goodputs(address, rounds, time, &mut figures).await?;
        flood(&server, &signed_in, knee, time * (1 + rounds), &mut figures).await
    })?;
    server.stop()?;
    drop(cores);
    Ok(figures)
}

/// Load after load, in rounds, so that a machine that is busier for a while is so for all of them. Tells the knee.
async fn goodputs(
    address: SocketAddr,
    rounds: u32,
    time: Duration,
    figures: &mut Figures,
) -> anyhow::Result<f64> {
    let (mut knees, mut shares) = (Vec::new(), [const { Vec::new() }; LOADS.len()]);
    for round in 0..rounds {
        let knee = knee(address, time, round).await?;
        let mut found = Vec::new();
        for (load, ..) in LOADS {
            found.push(goodput(address, knee * load, time, &format!("load-{round}-{load}")).await?);
        }
        // Whatever was the most that this round has seen is what all of it is measured by.
        let peak = found.iter().copied().fold(knee, f64::max);
        shares.iter_mut().zip(found).for_each(|(shares, found)| shares.push(found / peak));
        knees.push(knee);
    }
    let knee = median(knees);
    figures.add("knee_per_s", knee, "sign-ins of four callers who each wait for their answer");
    for ((_, key, meaning), shares) in LOADS.into_iter().zip(shares) {
        figures.add(key, median(shares), meaning);
    }
    Ok(knee)
}

fn name(person: u64) -> String {
    format!("person-{person}")
}

/// A sign-in that is like no other: the same one would be answered from memory.
fn sign_in(run: &str, number: u64, more: &[(&str, &str)]) -> Vec<u8> {
    let person = name(number % PEOPLE);
    let body = json!({"userId": person, "credentials": PASSWORD, "audience": format!("{run}-{number}")});
    let mut fields = vec![("content-type", "application/json"), ("request-timeout-ms", "1000")];
    fields.extend_from_slice(more);
    request("POST", "/api/v1/authenticate", &fields, body.to_string().as_bytes())
}

fn stream(
    run: &str,
    per_second: f64,
    from: Duration,
    to: Duration,
    fields: &[(&'static str, String)],
) -> Stream {
    let (run, fields) = (run.to_owned(), fields.to_vec());
    let request = Box::new(move |number| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        sign_in(&run, number, &fields)
    });
    Stream { per_second, from, to, request }
}

/// Sign-ins a second of a few who each wait for their own answer: as many as can be.
async fn knee(address: SocketAddr, time: Duration, round: u32) -> anyhow::Result<f64> {
    let running = clock::Clock::System.stopwatch();
    let callers = (0..4).map(|caller| {
        let running = running.clone();
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut count = 0_u64;
            while running.elapsed() < time {
                let (status, _) = connection
                    .ask(&sign_in(&format!("knee-{round}-{caller}"), count * 4 + caller, &[]))
                    .await?;
                // Right after a flood the first may still be sent away.
                ensure!(matches!(status, 200 | 503), "a sign-in gave {status}");
                if status == 503 {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    continue;
                }
                count += 1;
            }
            anyhow::Ok(count)
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut all = 0;
    for caller in callers {
        all += caller.await??;
    }
    Ok(float(all) / running.elapsed().as_secs_f64())
}

/// Answers in time, a second, when so many come.
async fn goodput(address: SocketAddr, per_second: f64, time: Duration, run: &str) -> anyhow::Result<f64> {
    let end = WARM_UP + time;
    let streams = vec![stream(run, per_second, Duration::ZERO, end, &[])];
    let sent = open_loop::run(address, streams, PATIENCE).await?;
    // By when they were answered: what was asked before the beginning and served after it is work all the same.
    let good = sent[0].iter().filter(|sent| is_good(sent) && (WARM_UP..end).contains(&(sent.at + sent.took)));
    Ok(float(good.count() as u64) / time.as_secs_f64())
}

/// People who are signed in, beside twelve times as many crawlers as could be served; then the crawlers stop.
async fn flood(
    server: &Server,
    client: &Client,
    knee: f64,
    time: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let token = client.token.as_deref().context("they are signed in")?;
    let signed_in = [("authorization", format!("Bearer {token}"))];
    let crawling = [("user-agent", "Mozilla/5.0 (compatible; examplebot/1.0)".to_owned())];
    let (from, to) = (WARM_UP, WARM_UP + time);
    let end = to + Duration::from_secs(4);
    let streams = vec![
        stream("top", knee * 0.4, Duration::ZERO, end, &signed_in),
        stream("nobody", knee * 0.2, Duration::ZERO, end, &[]),
        stream("crawler", knee * 12.0, from, to, &crawling),
    ];
    let sent = open_loop::run(server.public, streams, PATIENCE).await?;
    let during = |sent: &&Sent| (from..to).contains(&sent.at);
    let count = |sent: &mut dyn Iterator<Item = &Sent>| float(sent.count() as u64);
    let top = count(&mut sent[0].iter().filter(during));
    let answered = count(&mut sent[0].iter().filter(during).filter(|sent| is_good(sent)));
    let crawlers = count(&mut sent[2].iter().filter(|sent| is_good(sent)));
    let refused: Vec<_> =
        sent[2].iter().filter(|sent| sent.status == Some(503)).map(|sent| sent.took).collect();
    let failed = sent[0].iter().chain(&sent[1]).filter(|sent| sent.at >= to && !is_good(sent));
    let recovered = failed.map(|sent| sent.at - to).max().unwrap_or_default();
    figures.add(
        "top_class_availability",
        answered / top,
        "of signed-in callers, beside twelve times the knee of crawlers",
    );
    figures.add("top_class_asked", top, "requests that this was measured on");
    figures.add("crawlers_per_s", crawlers / time.as_secs_f64(), "crawlers served all the same");
    figures.add("refusal_ms", median_ms(&refused), "what a refused crawler waited, in the middle");
    figures.add(
        "recovery_s",
        recovered.as_secs_f64(),
        "after the flood until nobody was refused or late any more",
    );
    Ok(())
}

fn is_good(sent: &Sent) -> bool {
    sent.status == Some(200) && sent.took <= PATIENCE
}

fn median_ms(times: &[Duration]) -> f64 {
    median(times.iter().map(|time| time.as_secs_f64() * 1000.0).collect())
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 requests")]
fn float(count: u64) -> f64 {
    count as f64
}
