//! Our side: nodes that give the commands of real sign-ins and real jobs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use authz::{Actor, PersonKind, Roles};
use clock::{Clock, Timestamp};
use identity::{Challenge, FirstKey, Proof, RegisterPerson, SignIn, SignatureAlgorithm};
use ledger::{Ledger, LedgerConfig, Opening, Times};
use store::{DatabaseConfig, Databases, Erasable, Told};
use telemetry::Metrics;

use crate::{jobs::Ask, load::on_runtime};

/// People who sign in.
const PEOPLE: u32 = 1000;
/// Commands on their way at any time, from all nodes together.
const WAITING: u64 = 4096;
const SESSION_LIFE: Duration = Duration::from_hours(8);

/// Somebody who is registered, and the key of their device.
struct Known {
    person: ids::Id<authz::Person>,
    number: u32,
    key: ids::Id<identity::DeviceKey>,
}

/// Commands a second that `nodes` make durable in one ledger.
pub(super) fn measure(database: &str, nodes: u64, time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let ledgers = (0..nodes).map(|node| open(folder.path(), node, database));
    let ledgers = ledgers.collect::<anyhow::Result<Vec<_>>>()?;
    let people = Arc::new(on_runtime(register(&ledgers[0]))?);
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let began = Clock::System.stopwatch();
    on_runtime(async {
        let seats = (0..WAITING).map(|seat| {
            let ledger = ledgers[usize::try_from(seat % nodes)?].clone();
            let (people, stop, written) = (Arc::clone(&people), Arc::clone(&stop), Arc::clone(&written));
            anyhow::Ok(tokio::spawn(async move { give(&ledger, &people, seat, &stop, &written).await }))
        });
        let seats = seats.collect::<anyhow::Result<Vec<_>>>()?;
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        for seat in seats {
            seat.await??;
        }
        anyhow::Ok(())
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 commands")]
    let rate = written.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    ledgers.iter().for_each(Ledger::stop);
    Ok(rate)
}

fn open(folder: &std::path::Path, node: u64, database: &str) -> anyhow::Result<Ledger> {
    let mut config = DatabaseConfig::default();
    config.postgres.url = Some(database.parse().map_err(anyhow::Error::msg)?);
    let databases = Databases::new(folder, &config)?;
    Ok(Ledger::open(Opening {
        name: "bench".into(),
        origin: "example.org/bench".to_owned(),
        store: databases.open("bench", &identity::schema())?,
        keys: seal::Keys::open(folder, &Clock::System)?,
        clock: Clock::System,
        config: LedgerConfig::default(),
        checkpoint_path: folder.join(format!("{node}.checkpoint")),
        watchers: Vec::new(),
        told: Told::new(),
        times: Times::Exact,
        standing: ledger::Standing::LASTING,
        metrics: Metrics::new(),
    })?)
}

/// Everybody, in the order of their numbers.
async fn register(ledger: &Ledger) -> anyhow::Result<Vec<Known>> {
    let clock = Clock::System;
    let sealed = |length| Erasable::new(clock.random(), clock.random::<64>()[..length].to_vec());
    let mut people = Vec::new();
    for number in 1..=PEOPLE {
        let known = Known { person: clock.id(), number, key: clock.id() };
        let command = RegisterPerson {
            person: known.person,
            kind: PersonKind::Citizen,
            roles: Roles::NONE,
            login: sealed(32),
            name: sealed(40),
            password: None,
            device_key: Some(FirstKey {
                id: known.key,
                algorithm: SignatureAlgorithm::Ed25519,
                public_key: sealed(32),
                label: sealed(40),
            }),
        };
        people.push((known, Actor::service("bench").permit(command)?));
    }
    let mut registered = Vec::new();
    for (known, command) in people {
        ledger.submit(command).await?;
        registered.push(known);
    }
    Ok(registered)
}

/// A sign-in and a job in turn, until it stops.
async fn give(
    ledger: &Ledger,
    people: &[Known],
    seat: u64,
    stop: &AtomicBool,
    written: &AtomicU64,
) -> anyhow::Result<()> {
    let (clock, actor) = (Clock::System, Actor::service("bench"));
    let mut turn = seat;
    while !stop.load(Ordering::Relaxed) {
        if turn.is_multiple_of(2) {
            let known = &people[usize::try_from(turn / 2)? % people.len()];
            let sign_in = SignIn {
                person: known.person,
                number: known.number,
                epoch: 0,
                session: clock.id(),
                proof: Proof::DeviceKey {
                    key: known.key,
                    challenge: Challenge::new(&clock, Timestamp::EPOCH),
                },
                audience: 0,
                device: None,
                network: None,
                expires_at: clock.now().plus(SESSION_LIFE),
            };
            ledger.submit(actor.permit(sign_in)?).await?;
        } else {
            ledger.submit(actor.permit(Ask { order: u32::try_from(turn)?, job: clock.id() })?).await?;
        }
        written.fetch_add(1, Ordering::Relaxed);
        turn += 1;
    }
    Ok(())
}
