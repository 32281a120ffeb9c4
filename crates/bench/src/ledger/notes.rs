//! Our side: notes written through a ledger.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use authz::{Actor, By, Guarded, Person};
use clock::{Clock, Timestamp};
use ids::Id;
use ledger::{Applied, Command, Commands, Ledger, LedgerConfig, Once, Opening, Times};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Cell, Column, Databases, Erasable, Keys, Schema, StoreError, Told, Tx};
use telemetry::Metrics;

use super::{rate, stopwatch};

/// Bytes of a note's sealed body.
pub(super) const BODY_BYTES: usize = 200;

/// The tables of both sides; the bare loop writes the same.
pub(super) const SQL: &str = "
    CREATE TABLE notes (id BYTEA PRIMARY KEY, owner BYTEA NOT NULL, body BYTEA NOT NULL, at BIGINT NOT NULL);
    CREATE INDEX notes_by_owner ON notes (owner);
    CREATE TABLE lines (number BIGINT PRIMARY KEY, body BYTEA NOT NULL);
";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// A sealed body, an idempotency key and a secondary index, with readers at work.
    Realistic,
    /// A row of 200 bytes under a key that counts up.
    Plain,
}

/// What came out.
pub(super) struct Measured {
    pub(super) per_second: f64,
    /// Commands in a batch, on average.
    pub(super) batch: u64,
}

store::table! {
    /// Somebody's note.
    struct Note in "notes", Replayed {
        key { id: Id<Note> }
        owner: Id<Person>,
        body: Erasable,
        at: Timestamp,
    }
}

store::table! {
    /// A row without anything random.
    struct Line in "lines", Replayed {
        key { number: u64 }
        body: Vec<u8>,
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct WriteNote {
    id: Id<Note>,
    owner: Id<Person>,
    body: Erasable,
}

#[derive(Debug, Serialize, Deserialize)]
struct WriteLine {
    number: u64,
    body: String,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct WriteError(#[from] StoreError);

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        error.0.into()
    }
}

impl Guarded for WriteNote {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Guarded for WriteLine {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for WriteNote {
    const NAME: &'static str = "bench/write-note";
    type Done = ();
    type Refused = WriteError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, WriteError> {
        tx.put(Note { id: self.id, owner: self.owner, body: self.body, at });
        Ok(Applied::new(()).about(self.owner))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        each(&mut self.body);
    }
}

impl Command for WriteLine {
    const NAME: &'static str = "bench/write-line";
    type Done = ();
    type Refused = WriteError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, WriteError> {
        tx.put(Line { number: self.number, body: self.body.into_bytes() });
        Ok(Applied::new(()))
    }
}

/// Keeps `waiting` commands on their way for a while.
pub(super) fn measure(case: Case, waiting: usize, time: Duration) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir()?;
    let metrics = Metrics::new();
    let ledger = open(folder.path(), &metrics)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let stopwatch = stopwatch();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for seat in 0..waiting {
            let writing = write(case, ledger.clone(), seat, waiting, Arc::clone(&stop), Arc::clone(&written));
            tasks.push(tokio::spawn(writing));
        }
        if case == Case::Realistic {
            tasks.extend((0..4).map(|_| tokio::spawn(read(ledger.clone(), Arc::clone(&stop)))));
        }
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    let commands = written.load(Ordering::Relaxed);
    let per_second = rate(commands, &stopwatch);
    anyhow::ensure!(ledger.head().size == commands, "the ledger holds another number than it acknowledged");
    ledger.stop();
    Ok(Measured { per_second, batch: commands / commits(&metrics).max(1) })
}

/// How many batches the ledger has made durable.
fn commits(metrics: &Metrics) -> u64 {
    let text = metrics.encode();
    let line = text.lines().find(|line| line.starts_with("ledger_commits_total"));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or_default()
}

async fn write(
    case: Case,
    ledger: Ledger,
    seat: usize,
    seats: usize,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let actor = Actor::service("bench");
    let mut number = seat as u64;
    while !stop.load(Ordering::Relaxed) {
        match case {
            Case::Realistic => write_note(&ledger).await?,
            Case::Plain => {
                let line = WriteLine { number, body: "x".repeat(BODY_BYTES) };
                ledger.submit(actor.permit(line)?).await?;
                number += seats as u64;
            }
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Looks somebody's notes up, again and again.
async fn read(ledger: Ledger, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let owner: Id<Person> = Id::from_bytes(Clock::System.random());
        let found = ledger.readers().read(move |snapshot| {
            snapshot
                .rows::<Note>("WHERE owner >= $1 ORDER BY owner LIMIT $2", &[owner.cell(), Cell::Integer(10)])
        });
        found.await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The tables of the ledger of notes.
pub(crate) fn schema() -> Schema {
    ledger::schema().and(Schema::new().migration("bench/0001", SQL).table::<Note>().table::<Line>())
}

/// Its commands.
pub(crate) fn commands() -> Commands {
    Commands::new().with::<WriteNote>().with::<WriteLine>()
}

/// Writes one note: a sealed body, an idempotency key, an owner.
pub(crate) async fn write_note(ledger: &Ledger) -> anyhow::Result<()> {
    let (clock, actor) = (Clock::System, Actor::service("bench"));
    let body = Erasable::new(clock.random(), clock.random::<BODY_BYTES>().to_vec());
    let note = WriteNote { id: clock.id(), owner: Id::from_bytes(clock.random()), body };
    let key = note.id.to_string();
    let once = Once::new(actor.by(), "POST /notes", &key, key.as_bytes());
    ledger.submit_once(actor.permit(note)?, Some(once)).await?;
    Ok(())
}

pub(crate) fn open(folder: &Path, metrics: &Metrics) -> anyhow::Result<Ledger> {
    let store = Databases::in_files(folder).open("bench", &schema())?;
    Ok(Ledger::open(Opening {
        name: "bench".into(),
        origin: "example.org/bench".to_owned(),
        store,
        keys: seal::Keys::open(folder, &Clock::System)?,
        clock: Clock::System,
        config: LedgerConfig::default(),
        standing: ledger::Standing::LASTING,
        checkpoint_path: folder.join("bench.checkpoint"),
        watchers: Vec::new(),
        told: Told::new(),
        times: Times::Exact,
        metrics: metrics.clone(),
    })?)
}
