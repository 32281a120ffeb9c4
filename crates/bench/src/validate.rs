//! How many tokens a second are checked: over HTTP by the thousand, and in process one at a time.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::ensure;
use authz::{PersonKind, Roles};
use clock::Clock;
use identity::{Assurance, Audience, Live, SignedIn, TOKEN_BYTES, Tokens};
use rig::Server;

use crate::{
    figures::{Figures, median},
    load::{Connection, on_runtime, request},
};

/// Live tokens that callers draw from.
const TOKENS: usize = 1_000_000;
/// Tokens in one call.
const CALL: usize = 1000;
/// One token in so many is forged.
const FORGED_EVERY: u64 = 100;
/// Persons and ended sessions in process.
const PERSONS: u32 = 10_000_000;
const REVOKED: u32 = 2_000_000;

type Token = [u8; TOKEN_BYTES];

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, time) = if quick { (3, Duration::from_secs(3)) } else { (7, Duration::from_secs(5)) };
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start(&data)?;
    let administrator = on_runtime(server.administrator())?.token.unwrap_or_default();
    let tokens: Arc<Vec<Token>> = Arc::new(mint(&data.join("keys"), &Arc::new(Live::new()), 0)?);
    let mut rates = Vec::new();
    for _ in 0..runs {
        rates.push(over_http(server.public, &administrator, &tokens, time)?);
    }
    server.stop()?;
    let mut figures = Figures::new("validate");
    figures.add(
        "tokens_per_s",
        median(rates),
        "over HTTP, a thousand a call, 1 % forged, every answer checked",
    );
    figures.add(
        "in_process_ns",
        in_process(&data.join("keys"))?,
        "one thread, 10 M persons, 2 M ended sessions",
    );
    Ok(figures)
}

/// A million tokens that hold, each of another person and session.
fn mint(keys: &Path, live: &Arc<Live>, epoch: u32) -> anyhow::Result<Vec<Token>> {
    let clock = Clock::System;
    let tokens = Tokens::new(seal::Keys::open_existing(keys, &clock)?, clock.clone(), Arc::clone(live));
    let expires_at = clock.now().plus(Duration::from_hours(12));
    let mint = |number: usize| {
        let spread = u32::try_from(number).unwrap_or_default().wrapping_mul(9) % PERSONS + 1;
        tokens.mint(&SignedIn {
            person: clock.id(),
            number: spread,
            epoch,
            kind: PersonKind::Citizen,
            roles: Roles::NONE,
            session: clock.id(),
            assurance: Assurance::DeviceKey,
            audience: Audience::named("holdfast").0,
            device: None,
            device_known: false,
            expires_at,
        })
    };
    Ok((0..TOKENS).map(mint).collect())
}

/// Two callers, each with a connection of its own, on the cores that the server has too.
fn over_http(
    address: SocketAddr,
    bearer: &str,
    tokens: &Arc<Vec<Token>>,
    time: Duration,
) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let checked = Arc::new(AtomicU64::new(0));
    let stopwatch = Clock::System.stopwatch();
    let callers: Vec<_> = (1..=2_u64)
        .map(|seed| {
            let (bearer, tokens) = (bearer.to_owned(), Arc::clone(tokens));
            let (stop, checked) = (Arc::clone(&stop), Arc::clone(&checked));
            thread::spawn(move || on_runtime(call(address, bearer, tokens, seed, stop, checked)))
        })
        .collect();
    on_runtime(async { tokio::time::sleep(time).await });
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
    }
    Ok(per_second(checked.load(Ordering::Relaxed), stopwatch.elapsed()))
}

async fn call(
    address: SocketAddr,
    bearer: String,
    tokens: Arc<Vec<Token>>,
    seed: u64,
    stop: Arc<AtomicBool>,
    checked: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    let bearer = format!("Bearer {bearer}");
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/octet-stream")];
    let head = request("POST", "/api/v1/tokens/validate", &fields, &[0; CALL * TOKEN_BYTES]);
    let body_at = head.len() - CALL * TOKEN_BYTES;
    let mut bytes = head;
    let mut expected = [0_u8; CALL];
    let mut dice = Dice(seed);
    while !stop.load(Ordering::Relaxed) {
        for (place, wanted) in expected.iter_mut().enumerate() {
            let drawn = dice.throw();
            let at = body_at + place * TOKEN_BYTES;
            let token = &mut bytes[at..at + TOKEN_BYTES];
            token.copy_from_slice(&tokens[usize::try_from(drawn >> 32)? % TOKENS]);
            let forged = drawn.is_multiple_of(FORGED_EVERY);
            if forged {
                token[70] ^= 1;
            }
            *wanted = if forged { 2 } else { 0 };
        }
        let (status, answer) = connection.ask(&bytes).await?;
        ensure!(status == 200, "the answer was {status}");
        ensure!(answer == expected, "a token was judged wrongly");
        checked.fetch_add(CALL as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Nanoseconds for each token, one after the other, no two alike.
fn in_process(keys: &Path) -> anyhow::Result<f64> {
    let live = Arc::new(Live::new());
    (1..=PERSONS).for_each(|number| live.set_epoch(number, 1));
    live.revoke_all((0..REVOKED).map(|_| Clock::System.id()));
    let minted = mint(keys, &live, 1)?;
    let clock = Clock::System;
    let tokens = Tokens::new(seal::Keys::open_existing(keys, &clock)?, clock.clone(), live);
    let mut rounds = Vec::new();
    for seed in 1..=5 {
        let mut dice = Dice(seed);
        let stopwatch = clock.stopwatch();
        let mut held = 0_u64;
        for chunk in 0..TOKENS / CALL {
            let validator = tokens.validator();
            for _ in 0..CALL {
                let token = &minted[usize::try_from(dice.throw() >> 32)? % TOKENS];
                held += u64::from(validator.check(token).is_ok());
            }
            ensure!(held == (chunk as u64 + 1) * CALL as u64, "a token did not hold");
        }
        rounds.push(1e9 / per_second(held, stopwatch.elapsed()));
    }
    Ok(median(rounds))
}

#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 tokens")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Marsaglia's xorshift: dice that cost nothing to throw.
struct Dice(u64);

impl Dice {
    const fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
