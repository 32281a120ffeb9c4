//! A harbour: the smallest domain that has rules, unique names and something to erase.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use authz::{Actor, By, Guarded, Permitted, Person};
use clock::{Clock, Timestamp};
use ids::Id;
use ledger::{
    Applied, Command, Commands, Ledger, LedgerConfig, Once, OpenError, Opening, Published, Receipt, Standing,
    SubmitError, Times,
    verify::{Report, Subject, VerifyError, verify},
};
use problem::Problem;
use seal::Keys as SealKeys;
use serde::{Deserialize, Serialize};
use store::{DatabaseConfig, Databases, Erasable, Keys, PostgresConfig, Schema, StoreError, Told, Tx};
use telemetry::Metrics;

store::table! {
    /// A boat and where it lies.
    pub struct Boat in "boats", Replayed {
        key { pub(crate) number: u32 }
        pub(crate) id: Id<Person>,
        pub(crate) berth: String,
        pub(crate) name: Option<Erasable>,
    }
}

store::table! {
    /// A berth that is taken.
    pub struct Berth in "berths", Replayed {
        key { pub(crate) name: String }
        pub(crate) boat: u32,
    }
}

const SQL: &str = "
    CREATE TABLE boats (number BIGINT PRIMARY KEY, id BYTEA NOT NULL, berth TEXT NOT NULL, name BYTEA);
    CREATE TABLE berths (name TEXT PRIMARY KEY, boat BIGINT NOT NULL);
";

/// A boat takes a berth.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Moor {
    pub(crate) boat: Id<Person>,
    pub(crate) berth: String,
}

/// A boat gets a name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rename {
    pub(crate) boat: Id<Person>,
    pub(crate) name: Erasable,
}

/// A boat is taken to pieces, and forgotten.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scrap {
    pub(crate) boat: Id<Person>,
}

/// A command with a bug.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Panics;

#[derive(Debug, thiserror::Error)]
pub(crate) enum MoorError {
    #[error("the berth is taken")]
    Taken,
    #[error("there is no such boat")]
    NoSuchBoat,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<MoorError> for Problem {
    fn from(error: MoorError) -> Self {
        Self::conflict("harbour/refused", error)
    }
}

macro_rules! for_services {
    ($($command:ty),+) => {$(
        impl Guarded for $command {
            fn allows(&self, actor: &Actor) -> bool {
                actor.is_service()
            }
        }
    )+};
}

for_services!(Moor, Rename, Scrap, Panics);

pub(crate) fn permitted<C: Guarded>(command: C) -> Permitted<C> {
    Actor::service("harbour").permit(command).expect("a service may")
}

pub(crate) fn boat(number: u32) -> Id<Person> {
    Id::new(u64::from(number), [0; 10])
}

fn number(boat: Id<Person>) -> u32 {
    u32::try_from(boat.unix_ms()).expect("it is a small number")
}

pub(crate) fn erasable(content: &[u8]) -> Erasable {
    Erasable::new([7; 16], content.to_vec())
}

impl Command for Moor {
    const NAME: &'static str = "harbour/moor";
    type Done = String;
    type Refused = MoorError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Berth>(self.berth.clone());
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<String>, MoorError> {
        if tx.get::<Berth>(self.berth.clone())?.is_some() {
            return Err(MoorError::Taken);
        }
        tx.put(Berth { name: self.berth.clone(), boat: number(self.boat) });
        tx.put(Boat { number: number(self.boat), id: self.boat, berth: self.berth.clone(), name: None });
        Ok(Applied::new(self.berth).about(self.boat))
    }
}

impl Command for Rename {
    const NAME: &'static str = "harbour/rename";
    type Done = ();
    type Refused = MoorError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Boat>(number(self.boat));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, MoorError> {
        let boat = tx.get::<Boat>(number(self.boat))?.ok_or(MoorError::NoSuchBoat)?;
        tx.put(Boat { name: Some(self.name), ..boat });
        Ok(Applied::new(()).about(self.boat))
    }

    fn erasables(&mut self, each: &mut dyn FnMut(&mut Erasable)) {
        each(&mut self.name);
    }
}

impl Command for Scrap {
    const NAME: &'static str = "harbour/scrap";
    type Done = ();
    type Refused = MoorError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Boat>(number(self.boat));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, MoorError> {
        let boat = tx.get::<Boat>(number(self.boat))?.ok_or(MoorError::NoSuchBoat)?;
        if let Some(berth) = tx.get::<Berth>(boat.berth.clone())? {
            tx.delete(berth);
        }
        tx.delete(boat);
        Ok(Applied::new(()).erasing(self.boat))
    }
}

impl Command for Panics {
    const NAME: &'static str = "harbour/panic";
    type Done = ();
    type Refused = MoorError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, MoorError> {
        tx.put(Berth { name: "never".to_owned(), boat: 0 });
        panic!("a bug in a command");
    }
}

/// A harbour's ledger in a temporary folder.
pub(crate) struct Harbour {
    folder: tempfile::TempDir,
    pub(crate) databases: Databases,
    /// The name of its ledger: one service may have several, each with an order of its own.
    name: &'static str,
    /// Boats that changed while this node ran, as its watcher saw it.
    view: Arc<Mutex<HashMap<u32, Boat>>>,
    pub(crate) clock: Clock,
    ledger: Option<Ledger>,
}

pub(crate) fn schema() -> Schema {
    ledger::schema().and(Schema::new().migration("harbour/0001", SQL).table::<Boat>().table::<Berth>())
}

impl Harbour {
    pub(crate) fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_millis(1_772_357_400_000), 1);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let databases = Databases::in_files(folder.path());
        let mut harbour =
            Self { folder, databases, name: "harbour", view: Arc::default(), clock, ledger: None };
        harbour.start();
        harbour
    }

    pub(crate) fn on_postgres() -> Self {
        let url = peers::fresh_database().expect("there is a server");
        Self::at(&url, PostgresConfig::default())
    }

    /// Another node of the same harbour: its own folder, the same keys, the same database.
    pub(crate) fn another_node(&self) -> Self {
        self.another_ledger(self.name)
    }

    /// A ledger of the same service, with the same keys, on the same server.
    pub(crate) fn another_ledger(&self, name: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::copy(self.path("keys.json"), folder.path().join("keys.json")).expect("it can be copied");
        let mut other = Self {
            folder,
            databases: self.databases.clone(),
            name,
            view: Arc::default(),
            clock: self.clock.clone(),
            ledger: None,
        };
        other.start();
        other
    }

    pub(crate) fn at(url: &str, postgres: PostgresConfig) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = Some(url.parse().expect("it is a URL"));
        let config =
            DatabaseConfig { postgres: PostgresConfig { url, ..postgres }, ..DatabaseConfig::default() };
        let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
        let clock = Clock::manual(Timestamp::from_millis(1_772_357_400_000), 1);
        let mut harbour =
            Self { folder, databases, name: "harbour", view: Arc::default(), clock, ledger: None };
        harbour.start();
        harbour
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn keys(&self) -> SealKeys {
        SealKeys::open(&self.path("keys.json"), &Clock::System).expect("the key file opens")
    }

    pub(crate) fn try_start(&self) -> Result<Ledger, OpenError> {
        let store = self.databases.open(self.name, &schema())?;
        let view = Arc::clone(&self.view);
        Ledger::open(Opening {
            name: self.name.into(),
            origin: format!("example.org/{}", self.name),
            store,
            keys: self.keys(),
            clock: self.clock.clone(),
            config: LedgerConfig { checkpoint_interval_ms: 5, ..LedgerConfig::default() },
            standing: Standing::LASTING,
            checkpoint_path: self.path("harbour.checkpoint"),
            watchers: vec![Box::new(move |changes| {
                let mut boats = view.lock().expect("nobody panics holding it");
                for (number, boat) in changes.of::<Boat>() {
                    match boat {
                        Some(boat) => boats.insert(*number, boat.clone()),
                        None => boats.remove(number),
                    };
                }
            })],
            told: Told::new().table::<Boat>(),
            times: Times::Exact,
            metrics: Metrics::new(),
        })
    }

    pub(crate) fn start(&mut self) {
        self.ledger = Some(self.try_start().expect("the ledger opens"));
    }

    pub(crate) fn stop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.stop();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub(crate) fn restart_with_clock_at(&mut self, at: Timestamp) {
        self.stop();
        self.clock = Clock::manual(at, 2);
        self.start();
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().expect("it was started")
    }

    pub(crate) async fn submit<C: Command + Guarded>(
        &self,
        command: C,
    ) -> Result<Receipt<C::Done>, SubmitError<C::Refused>> {
        self.ledger().submit(permitted(command)).await
    }

    pub(crate) async fn moor(
        &self,
        number: u32,
        berth: &str,
    ) -> Result<Receipt<String>, SubmitError<MoorError>> {
        self.moor_once(number, berth, None).await
    }

    pub(crate) async fn moor_once(
        &self,
        number: u32,
        berth: &str,
        once: Option<Once>,
    ) -> Result<Receipt<String>, SubmitError<MoorError>> {
        let command = Moor { boat: boat(number), berth: berth.to_owned() };
        self.ledger().submit_once(permitted(command), once).await
    }

    /// A boat as the node's watcher last saw it, once it has.
    pub(crate) async fn hears(&self, number: u32) -> Option<Boat> {
        for _ in 0..1000 {
            if let Some(boat) = self.view.lock().expect("nobody panics holding it").get(&number) {
                return Some(boat.clone());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    pub(crate) async fn berth_of(&self, number: u32) -> Option<String> {
        let boat = self.ledger().readers().read(move |snapshot| snapshot.get::<Boat>(&number)).await;
        boat.expect("it reads").map(|boat| boat.berth)
    }

    /// The checkpoint over so many entries, once it is published.
    pub(crate) async fn published(&self, size: u64) -> Arc<Published> {
        let mut checkpoints = self.ledger().checkpoints();
        let covers = |published: &Option<Arc<Published>>| {
            published.as_ref().is_some_and(|published| published.checkpoint.size() >= size)
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), checkpoints.wait_for(covers)).await;
        waited.expect("it is published soon").expect("the publisher runs").clone().expect("there is one")
    }

    /// Puts a folder where the draft of a checkpoint would be written.
    pub(crate) fn block_checkpoints(&self) {
        fs::create_dir(self.path("harbour.draft")).expect("it can be made");
    }

    /// Verifies the files as they are; a running ledger is read beside its writer.
    pub(crate) fn verify(&self) -> Result<Report, VerifyError> {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        verify(&Subject {
            service: "harbour",
            databases: &self.databases,
            checkpoint: &self.path("harbour.checkpoint"),
            origin: "example.org/harbour",
            keys: &self.keys(),
            schema: schema(),
            commands: Commands::new().with::<Moor>().with::<Rename>().with::<Scrap>(),
            scratch: scratch.path(),
        })
    }

    pub(crate) fn copy_database(&self) -> Vec<u8> {
        fs::read(self.path("harbour.db")).expect("it can be read")
    }

    pub(crate) fn put_database(&self, bytes: &[u8]) {
        for beside in ["harbour.db-wal", "harbour.db-shm"] {
            drop(fs::remove_file(self.path(beside)));
        }
        fs::write(self.path("harbour.db"), bytes).expect("it can be written");
    }

    /// Changes the database behind the ledger's back.
    pub(crate) fn meddle(&self, sql: &str) {
        let mut store = self.databases.open("harbour", &schema()).expect("it opens");
        let mut batch = store.writer.begin().expect("it begins");
        assert!(batch.execute(sql, &[]).expect("it is well-formed") > 0, "{sql} changed nothing");
        batch.commit().expect("it commits");
        drop(batch);
        store.writer.fold_log().expect("it folds");
    }

    /// Do any of the files hold these bytes?
    pub(crate) fn holds(&self, bytes: &[u8]) -> bool {
        let files = fs::read_dir(self.folder.path()).expect("it can be listed");
        let contents = files.map(|file| fs::read(file.expect("a file").path()).expect("it can be read"));
        contents.into_iter().any(|content| content.windows(bytes.len()).any(|window| window == bytes))
    }
}
