//! The service as others hold it, and what it is opened with.

use std::{path::PathBuf, sync::Arc};

use board::Election;
use cache::{Cache, Room, RoomConfig};
use clock::Clock;
use ids::Id;
use ledger::{Commands, Ledger, LedgerConfig, Standing, Times, Watcher};
use problem::Problem;
use queue::{Bell, Registry};
use rayon::{ThreadPool, ThreadPoolBuilder};
use seal::{Keys, PersonKeys, deployment_schema};
use store::{Databases, Schema, Told};
use telemetry::Metrics;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::Notify;

use crate::{
    AdvanceElection, ChangeElection, CreateElection, ElectionsConfig, ImportRoll, IssueToken, SERVICE,
    SharedPeople,
    ask::{AskForChecks, AskToCheckPart, AskToCount, AskToMix},
    boards::{Board, Boards, BoardsOpening, tag},
    create_election::no_such_election,
    instruments::Instruments,
    jobs::{CheckBallots, CheckPart, Count, Mix},
    rows::{ElectionRow, RollLine, TokenIssued, WeightCount},
};

/// What the service is opened with.
pub struct Opening {
    /// The folder that holds the service's newest checkpoints.
    pub folder: PathBuf,
    pub origin: String,
    pub keys: Keys,
    pub person_keys: PersonKeys,
    pub clock: Clock,
    pub config: ElectionsConfig,
    pub ledger: LedgerConfig,
    pub databases: Databases,
    pub cache: Cache,
    pub metrics: Metrics,
    pub people: SharedPeople,
}

/// The service of elections. Cheap to clone.
#[derive(Clone)]
pub struct Elections(Arc<Shared>);

/// Answers to the public, as they are sent.
pub(crate) type Answers = Room<String, Problem>;

struct Shared {
    ledger: Ledger,
    boards: Arc<Boards>,
    keys: Keys,
    people: SharedPeople,
    config: ElectionsConfig,
    workshop: ThreadPool,
    /// Where trustees wait for what is calculated.
    jury: ThreadPool,
    bell: Bell,
    /// Rings when an election's row has changed.
    changed: Arc<Notify>,
    shown: Answers,
    turnouts: Answers,
    results: Answers,
    instruments: Instruments,
}

/// Whoever takes votes goes before whoever checks them: on Linux a priority is one thread's own. A thread that is only
/// nice is not interrupted at once when another has work again, and each vote would wait for it some times.
fn stand_back() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let myself = thread_native_id();
    if let Err(error) = set_thread_priority_and_policy(myself, ThreadPriority::Min, policy) {
        tracing::warn!(code = "elections/no-priority", %error, "votes are taken and checked with the same priority");
    }
}

/// Every table of the service's own database.
#[must_use]
pub fn schema() -> Schema {
    ledger::schema().and(deployment_schema()).and(queue::schema()).and(
        Schema::new()
            .migration("elections/0001_elections", include_str!("../migrations/0001_elections.sql"))
            .table::<ElectionRow>()
            .table::<RollLine>()
            .table::<TokenIssued>()
            .table::<WeightCount>(),
    )
}

/// Every command of the service's own ledger, for replays.
#[must_use]
pub fn commands() -> Commands {
    queue::commands(Commands::new())
        .with::<CreateElection>()
        .with::<ChangeElection>()
        .with::<ImportRoll>()
        .with::<AdvanceElection>()
        .with::<IssueToken>()
        .with::<AskForChecks>()
        .with::<AskToMix>()
        .with::<AskToCheckPart>()
        .with::<AskToCount>()
}

impl Elections {
    /// Opens the service's database and ledger. Boards are opened when they are asked for.
    ///
    /// # Errors
    /// When the database or ledger does not open, or threads do not start.
    pub fn open(opening: Opening) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let Opening {
            folder,
            origin,
            keys,
            person_keys,
            clock,
            config,
            ledger,
            databases,
            cache,
            metrics,
            people,
        } = opening;
        let mut store = databases.open(SERVICE, &schema())?;
        let empty = store.writer.read(ledger::is_empty)?;
        person_keys.deployment().claim(&mut store.writer, SERVICE, empty)?;
        let (bell, changed) = (Bell::default(), Arc::new(Notify::new()));
        let boards = Arc::new(Boards::new(BoardsOpening {
            folder: folder.clone(),
            origin: origin.clone(),
            keys: keys.clone(),
            person_keys,
            clock: clock.clone(),
            ledger: ledger.clone(),
            databases,
            cache: cache.clone(),
            open_max: config.boards_open_max,
        }));
        let ledger = Ledger::open(ledger::Opening {
            name: SERVICE.into(),
            origin,
            store,
            keys: keys.clone(),
            clock,
            config: ledger,
            standing: Standing::LASTING,
            checkpoint_path: folder.join("elections.checkpoint"),
            watchers: vec![bell.watcher(), follow(&cache, &changed)],
            told: Told::new().table::<ElectionRow>(),
            times: Times::Exact,
            metrics: metrics.clone(),
        })?;
        let threads = config.threads.map_or(0, std::num::NonZeroUsize::get);
        let workshop = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|_| "elections-work".to_owned())
            .start_handler(|_| stand_back());
        let jury = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "elections-jury".to_owned());
        let reading = Reading { ledger: ledger.clone(), boards: Arc::clone(&boards), keys: keys.clone() };
        Ok(Self(Arc::new(Shared {
            ledger,
            boards,
            keys,
            people,
            workshop: workshop.build()?,
            jury: jury.build()?,
            bell,
            changed,
            shown: answers(&cache, "elections", 60_000, &reading, Reading::shown),
            turnouts: answers(&cache, "turnouts", 60_000, &reading, Reading::turnout),
            results: answers(&cache, "results", 900_000, &reading, Reading::published_results),
            config,
            instruments: metrics.register(Instruments::register),
        })))
    }

    /// The service's own ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// The service's jobs.
    #[must_use]
    pub fn jobs(&self) -> Registry {
        Registry::new()
            .with::<CheckBallots>(self.clone())
            .with::<Mix>(self.clone())
            .with::<CheckPart>(self.clone())
            .with::<Count>(self.clone())
    }

    /// Rings when there are jobs.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.0.bell
    }

    /// Ends the service's ledgers.
    pub fn stop(&self) {
        self.0.boards.stop();
        self.0.ledger.stop();
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.ledger.clock()
    }

    pub(crate) fn people(&self) -> &SharedPeople {
        &self.0.people
    }

    pub(crate) fn config(&self) -> &ElectionsConfig {
        &self.0.config
    }

    pub(crate) fn boards(&self) -> &Arc<Boards> {
        &self.0.boards
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.0.changed
    }

    pub(crate) fn instruments(&self) -> &Instruments {
        &self.0.instruments
    }

    pub(crate) fn shown(&self) -> &Answers {
        &self.0.shown
    }

    pub(crate) fn turnouts(&self) -> &Answers {
        &self.0.turnouts
    }

    pub(crate) fn results(&self) -> &Answers {
        &self.0.results
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading {
            ledger: self.0.ledger.clone(),
            boards: Arc::clone(&self.0.boards),
            keys: self.0.keys.clone(),
        }
    }

    /// What is calculated long is calculated apart, on threads of its own.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        on(&self.0.workshop, work).await
    }

    /// The same for a ceremony: people wait for it, so it does not stand back.
    pub(crate) async fn judge<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        on(&self.0.jury, work).await
    }

    /// An election's row.
    pub(crate) async fn row(&self, election: Id<Election>) -> Result<ElectionRow, Problem> {
        self.reading().row(election).await?.ok_or_else(no_such_election)
    }

    /// The board of an election that is no draft any more.
    pub(crate) async fn board(&self, election: Id<Election>) -> Result<Arc<Board>, Problem> {
        self.reading().board(election).await?.ok_or_else(no_such_election)
    }
}

async fn on<T: Send + 'static>(
    threads: &ThreadPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    threads.spawn(move || drop(answer.send(work())));
    answered.await.map_err(|error| Problem::internal(&error))
}

/// What reads need.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) ledger: Ledger,
    pub(crate) boards: Arc<Boards>,
    pub(crate) keys: Keys,
}

impl Reading {
    pub(crate) async fn row(&self, election: Id<Election>) -> Result<Option<ElectionRow>, Problem> {
        Ok(self.ledger.readers().read(move |snapshot| snapshot.get::<ElectionRow>(&election)).await?)
    }

    pub(crate) async fn board(&self, election: Id<Election>) -> Result<Option<Arc<Board>>, Problem> {
        match self.boards.opened(election) {
            Some(board) => Ok(Some(board)),
            None => match self.row(election).await? {
                Some(row) if row.is_announced() => Ok(Some(self.boards.of(election).await?)),
                Some(_) | None => Ok(None),
            },
        }
    }
}

/// Drops what caches keep of elections that change, and says that some did.
fn follow(cache: &Cache, changed: &Arc<Notify>) -> Watcher {
    let (cache, changed) = (cache.clone(), Arc::clone(changed));
    Box::new(move |changes| {
        let tags: Vec<_> = changes.of::<ElectionRow>().map(|(id, _)| tag(*id)).collect();
        if !tags.is_empty() {
            cache.drop_here(&tags);
            changed.notify_waiters();
        }
    })
}

fn answers<Read>(
    cache: &Cache,
    name: &'static str,
    fresh_ms: u64,
    reading: &Reading,
    read: impl Fn(Reading, Id<Election>) -> Read + Send + Sync + Copy + 'static,
) -> Answers
where
    Read: Future<Output = Result<Option<String>, Problem>> + Send + 'static,
{
    let usual = RoomConfig::default();
    let config =
        RoomConfig { fresh_ms: fresh_ms.try_into().unwrap_or(usual.fresh_ms), shared: false, ..usual };
    let reading = reading.clone();
    let tags = |key: &str| key.parse().map(tag).into_iter().collect();
    Room::new(cache, name, config, tags, move |key| {
        let reading = reading.clone();
        async move {
            match key.parse() {
                Ok(id) => read(reading, id).await,
                Err(_) => Ok(None),
            }
        }
    })
}

impl std::fmt::Debug for Elections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elections").field("ledger", &self.0.ledger).finish_non_exhaustive()
    }
}
