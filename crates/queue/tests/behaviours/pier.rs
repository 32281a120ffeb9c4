//! A pier where boats ask to be unloaded: the smallest domain that has jobs.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use authz::{Actor, By, Guarded};
use clock::{Clock, Timestamp};
use ids::Id;
use ledger::{
    Applied, Command, Commands, Ledger, LedgerConfig, Opening, SubmitError, Times,
    verify::{Subject, verify},
};
use problem::Problem;
use queue::{
    AnyJob, Attempt, Bell, Claim, Claimed, Enqueue, EnqueueError, Finished, Job, JobError, ManageError,
    Outcome, QueueLimits, QueueStatus, Registry, Schedule, Settle, SettleError, WorkerConfig, Workers,
};
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use store::{DatabaseConfig, Databases, Keys, Told, Tx};
use telemetry::Metrics;

pub(crate) const QUEUE: &str = "unload";

/// Unloads a boat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unload {
    pub(crate) boat: String,
}

/// What happens when boats are unloaded: what the test says, and a note of it.
#[derive(Clone, Default)]
pub(crate) struct Crew(Arc<Mutex<Vec<(String, u16)>>>);

impl Crew {
    pub(crate) fn unloaded(&self) -> Vec<(String, u16)> {
        self.0.lock().expect("nobody panics holding it").clone()
    }
}

impl Job for Unload {
    const NAME: &'static str = "pier/unload";
    const QUEUE: &'static str = QUEUE;
    const ATTEMPTS_MAX: u16 = 3;
    type Context = Crew;
    type Done = String;

    async fn run(self, crew: Crew, attempt: Attempt) -> Result<String, JobError> {
        crew.0.lock().expect("nobody panics holding it").push((self.boat.clone(), attempt.number));
        match self.boat.as_str() {
            "sinking" => Err(JobError::Later("it sinks".to_owned())),
            "phantom" => Err(JobError::Never("it is not there".to_owned())),
            "explosive" => panic!("a bug in a job"),
            "heavy" => {
                attempt.progress.tell(40, "half way down");
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok("at last".to_owned())
            }
            boat => Ok(format!("{boat} is empty")),
        }
    }
}

/// A boat comes in, and asks to be unloaded; pirates do not get in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ComeIn {
    pub(crate) boat: String,
    pub(crate) job: Id<AnyJob>,
    pub(crate) priority: u8,
    pub(crate) delay_s: u64,
    pub(crate) key: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ComeInError {
    #[error("no pirates")]
    Pirate,
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

impl From<ComeInError> for Problem {
    fn from(error: ComeInError) -> Self {
        Self::conflict("pier/refused", error)
    }
}

impl Guarded for ComeIn {
    fn allows(&self, _: &Actor) -> bool {
        true
    }
}

impl Command for ComeIn {
    const NAME: &'static str = "pier/come-in";
    type Done = Id<AnyJob>;
    type Refused = ComeInError;

    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<Id<AnyJob>>, ComeInError> {
        let how = Enqueue {
            unique_key: self.key,
            ..Enqueue::now(self.job).with_priority(self.priority).after(Duration::from_secs(self.delay_s))
        };
        let pirate = self.boat == "pirate";
        let job = queue::enqueue(tx, at, &Unload { boat: self.boat }, how)?;
        if pirate { Err(ComeInError::Pirate) } else { Ok(Applied::new(job)) }
    }
}

fn databases_on_postgres(folder: &Path) -> Databases {
    let mut config = DatabaseConfig::default();
    let url = peers::fresh_database().expect("there is a server");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    Databases::new(folder, &config).expect("its settings can be used")
}

fn commands() -> Commands {
    queue::commands(Commands::new().with::<ComeIn>())
}

/// A pier's ledger, on a clock that the test turns.
pub(crate) struct Pier {
    folder: tempfile::TempDir,
    databases: Databases,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) bell: Bell,
}

impl Pier {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let databases = Databases::in_files(folder.path());
        Self::open(folder, databases, Clock::manual(Timestamp::from_millis(1_772_357_400_000), 1))
    }

    pub(crate) fn on_postgres() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let databases = databases_on_postgres(folder.path());
        Self::open(folder, databases, Clock::manual(Timestamp::from_millis(1_772_357_400_000), 1))
    }

    /// Another node of the same pier.
    pub(crate) fn another_node(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(self.folder.path().join("keys.json"), folder.path().join("keys.json"))
            .expect("it is there");
        Self::open(folder, self.databases.clone(), self.clock.clone())
    }

    fn open(folder: tempfile::TempDir, databases: Databases, clock: Clock) -> Self {
        let schema = ledger::schema().and(queue::schema());
        let bell = Bell::default();
        let ledger = Ledger::open(Opening {
            name: "pier".into(),
            origin: "example.org/pier".to_owned(),
            store: databases.open("pier", &schema).expect("it opens"),
            keys: seal::Keys::open(folder.path(), &Clock::System).expect("the key file opens"),
            clock: clock.clone(),
            config: LedgerConfig { checkpoint_interval_ms: 5, ..LedgerConfig::default() },
            checkpoint_path: folder.path().join("pier.checkpoint"),
            watchers: vec![bell.watcher()],
            told: Told::new(),
            times: Times::Exact,
            standing: ledger::Standing::LASTING,
            metrics: Metrics::new(),
        });
        Self { folder, databases, clock, ledger: ledger.expect("the ledger opens"), bell }
    }

    pub(crate) async fn come_in(&self, boat: &str) -> Id<AnyJob> {
        self.try_come_in(boat, 0, 0, None).await.expect("it may come in")
    }

    pub(crate) async fn try_come_in(
        &self,
        boat: &str,
        priority: u8,
        delay_s: u64,
        key: Option<&str>,
    ) -> Result<Id<AnyJob>, SubmitError<ComeInError>> {
        let key = key.map(str::to_owned);
        let command = ComeIn { boat: boat.to_owned(), job: self.clock.id(), priority, delay_s, key };
        let permitted = Actor::service("pier").permit(command).expect("anybody may");
        Ok(self.ledger.submit(permitted).await?.done)
    }

    /// A worker takes some.
    pub(crate) async fn claim(&self, wanted: u32) -> Vec<Claimed> {
        self.claim_under(wanted, QueueLimits::default()).await
    }

    pub(crate) async fn claim_under(&self, wanted: u32, limits: QueueLimits) -> Vec<Claimed> {
        let claim = Claim {
            queue: QUEUE,
            worker: "test".to_owned(),
            wanted,
            limits,
            lease: Duration::from_secs(30),
            token: self.clock.random(),
            traced: true,
        };
        self.ledger.operate(claim).await.expect("it is heard")
    }

    /// The boats of the jobs that were taken.
    pub(crate) async fn claimed_boats(&self, wanted: u32) -> Vec<String> {
        let boats = self.claim(wanted).await;
        let read =
            |claimed: &Claimed| serde_json::from_slice::<Unload>(&claimed.payload).expect("it reads").boat;
        boats.iter().map(read).collect()
    }

    pub(crate) async fn settle(
        &self,
        claimed: &Claimed,
        outcome: Outcome,
    ) -> Result<(), SubmitError<SettleError>> {
        let settle = Settle {
            queue: QUEUE.to_owned(),
            job: claimed.lease.id,
            attempts: claimed.lease.attempts,
            outcome,
            result: to_raw_value("so it went").expect("it has a JSON form"),
            expires_at: claimed.lease.expires_at,
            token: claimed.lease.token,
        };
        let permitted = Actor::service("queue").permit(settle).expect("a service may");
        self.ledger.submit(permitted).await.map(drop)
    }

    /// An operator's wish is granted.
    pub(crate) async fn grant<C: Command<Refused = ManageError> + Guarded>(&self, wish: C) -> C::Done {
        let wish = Actor::service("pier").permit(wish).expect("it may");
        self.ledger.submit(wish).await.expect("it is granted").done
    }

    pub(crate) async fn status(&self) -> QueueStatus {
        let now = self.clock.now();
        let read = self.ledger.readers().read(move |snapshot| queue::queue_status(snapshot, QUEUE, now));
        read.await.expect("it reads")
    }

    pub(crate) async fn finished(&self, outcome: Outcome) -> Vec<Finished> {
        let read =
            move |snapshot: &store::Snapshot<'_>| queue::finished(snapshot, QUEUE, outcome, i64::MAX, 10_000);
        self.ledger.readers().read(read).await.expect("it reads")
    }

    /// Waits until so many have ended.
    pub(crate) async fn until_ended(&self, jobs: u64) {
        for _ in 0..2000 {
            let QueueStatus { done, dead, .. } = self.status().await;
            if done + dead >= jobs {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the jobs do not end: {:?}", self.status().await);
    }

    pub(crate) fn work(&self, crew: &Crew) -> Workers {
        self.work_with(Registry::new().with::<Unload>(crew.clone()), &WorkerConfig::default())
    }

    /// Workers who also enqueue the ferry whenever it is due.
    pub(crate) fn work_by_timetable(&self, crew: &Crew, times: &str) -> Workers {
        let ferry = Schedule::new("pier/ferry", times, &Unload { boat: "ferry".to_owned() });
        let registry = Registry::new().with::<Unload>(crew.clone()).scheduled(ferry.expect("it has times"));
        self.work_with(registry, &WorkerConfig::default())
    }

    pub(crate) fn work_with(&self, registry: Registry, config: &WorkerConfig) -> Workers {
        Workers::start("pier", self.ledger.clone(), registry, self.bell.clone(), config, self.clock.clone())
            .expect("it starts")
    }

    /// Entries of a command.
    pub(crate) async fn entries(&self, command: &str) -> usize {
        let entries = self.ledger.entries(0, 1000).await.expect("they can be read");
        entries.iter().filter(|entry| entry.command == command).count()
    }

    /// The pier after the process was killed: the same ledger, opened anew.
    pub(crate) fn crash(self) -> Self {
        let Self { folder, databases, clock, ledger, bell } = self;
        ledger.stop();
        drop((ledger, bell));
        Self::open(folder, databases, clock)
    }

    /// The pier's database as a restore builds it from its entries.
    pub(crate) async fn restored(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(self.folder.path().join("keys.json"), folder.path().join("keys.json"))
            .expect("it is there");
        let in_file = self.folder.path().join("pier.db").exists();
        let databases =
            if in_file { Databases::in_files(folder.path()) } else { databases_on_postgres(folder.path()) };
        let schema = ledger::schema().and(queue::schema());
        let begun = ledger::Rebuild::begin(&databases, "pier", &schema, commands(), HashSet::new());
        let mut rebuild = begun.expect("it begins");
        let entries = self.ledger.entries(0, 1000).await.expect("they can be read");
        rebuild.add(entries, None).expect("they replay");
        let finished = rebuild.finish(Vec::new(), |batch| queue::hold_unfinished(batch).map(drop));
        finished.expect("it is whole");
        Self::open(folder, databases, self.clock.clone())
    }

    /// A replay of the ledger makes the same jobs, done and not done.
    pub(crate) fn verify(&self) {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let verified = verify(&Subject {
            service: "pier",
            databases: &self.databases,
            checkpoint: &self.folder.path().join("pier.checkpoint"),
            origin: "example.org/pier",
            keys: &seal::Keys::open(self.folder.path(), &Clock::System).expect("the key file opens"),
            schema: ledger::schema().and(queue::schema()),
            commands: commands(),
            scratch: scratch.path(),
        });
        verified.expect("it is in order");
    }
}
