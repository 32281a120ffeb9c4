//! Several who ship one ledger, a ledger that is not what it was, and snapshots of many parts.

use clock::{Clock, Timestamp};
use ledger::{Commands, Entry};
use seal::Keys;
use store::{Cell, DatabaseConfig, Databases, Erasable, Schema, Store, encode_row, first_difference};

use crate::{
    Service, ShipError, Shipper, SnapshotConfig, SnapshotMade, Snapshots, Target, Until, Way,
    names::{Span, segments},
    restore,
    restore::Segments,
    ship::SHORT_MAX,
};

store::table! {
    /// A boat, with a column of every type.
    struct Boat in "boats", Replayed {
        key { number: u32 }
        afloat: bool,
        name: Option<String>,
        papers: Erasable,
    }
}

store::table! {
    /// A place that nobody has taken yet.
    struct Berth in "berths", Replayed {
        key { pier: String, number: u64 }
    }
}

const BOATS: &str = "
    CREATE TABLE boats (number BIGINT PRIMARY KEY, afloat BOOLEAN NOT NULL, name TEXT, papers BYTEA NOT NULL);
    CREATE TABLE berths (pier TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (pier, number));
";

fn schema() -> Schema {
    let own = Schema::new().migration("harbour/0001_boats", BOATS).table::<Boat>().table::<Berth>();
    ledger::schema().and(own)
}

const SERVICE: &str = "harbour";

/// A ledger of which nothing but its entries is there, and where it is shipped to.
struct Harbour {
    folder: tempfile::TempDir,
    store: Store,
    keys: Keys,
    entries: Vec<Entry>,
}

impl Harbour {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Databases::in_files(folder.path()).open(SERVICE, &schema()).expect("it opens");
        let keys = Keys::open(&folder.path().join("keys"), &Clock::System).expect("they are made");
        Self { folder, store, keys, entries: Vec::new() }
    }

    fn target(&self) -> Target {
        Target::open(&self.folder.path().join("target").display().to_string()).expect("it can be made")
    }

    fn add(&mut self, count: u8) {
        let mut batch = self.store.writer.begin().expect("it begins");
        for _ in 0..count {
            let index = self.entries.len() as u64;
            let entry = Entry {
                index,
                at: Timestamp::from_millis(index),
                command: "harbour/land".to_owned(),
                actor: "anonymous".to_owned(),
                subject: None,
                salt: Clock::System.random(),
                body: b"{}".to_vec(),
                erasable: Some(Clock::System.random::<40>().to_vec()),
                effect: [0; 32],
            };
            batch.append(entry.clone());
            self.entries.push(entry);
        }
        batch.flush().expect("it flushes");
        batch.commit().expect("it commits");
    }

    /// The ledger lost its last entries, and others came in their places.
    fn lose(&mut self, count: usize) {
        let left = self.entries.len() - count;
        let from = Cell::Integer(i64::try_from(left).expect("few"));
        let mut batch = self.store.writer.begin().expect("it begins");
        let lost = "DELETE FROM entries WHERE \"index\" >= $1";
        batch.execute(lost, &[from]).expect("they can be taken away");
        batch.commit().expect("it commits");
        drop(batch);
        self.entries.truncate(left);
    }

    async fn shipper(&self) -> Result<Shipper, ShipError> {
        let databases = Databases::in_files(self.folder.path());
        let checkpoint = self.folder.path().join("checkpoint");
        Shipper::open(&service(), &databases, checkpoint, self.target(), &self.keys, Clock::System).await
    }

    /// Is every entry in the target, as it was?
    async fn check(&self) {
        let (target, key) = (self.target(), self.keys.backup_key());
        let mut found = Segments::all(SERVICE, None, &target, &key).await.expect("it can be listed");
        let mut next = 0;
        while let Some(entries) = found.from(next as u64).await.expect("it can be read") {
            for entry in entries {
                let encoded = [&entry, &self.entries[next]].map(|entry| {
                    let mut bytes = Vec::new();
                    encode_row(entry, &mut bytes);
                    bytes
                });
                assert_eq!(encoded[0], encoded[1], "entry {next}");
                next += 1;
            }
        }
        assert_eq!(next, self.entries.len());
    }
}

#[tokio::test]
async fn two_who_ship_at_the_same_moment_leave_nothing_out() {
    let mut harbour = Harbour::new();
    harbour.add(1);
    let mut one = harbour.shipper().await.expect("it opens");
    let mut other = harbour.shipper().await.expect("it opens");
    for round in 0..250_u8 {
        harbour.add(round % 5);
        // At the same moment, one alone, the other alone; and now and then one that has just started.
        match round % 7 {
            0 | 3 | 5 => {
                let (one, other) = tokio::join!(one.ship(), other.ship());
                assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
            }
            1 | 2 => drop(one.ship().await.expect("it ships")),
            4 => drop(other.ship().await.expect("it ships")),
            _ => one = harbour.shipper().await.expect("it opens"),
        }
    }
    one.ship().await.expect("it ships");
    harbour.check().await;
    let left = harbour.target().list(&segments(SERVICE)).await.expect("it can be listed");
    let spans = left.iter().filter_map(|name| Span::of_name(name)).count();
    assert!(spans < 3 * SHORT_MAX, "short segments are merged: {spans} are left");
}

#[tokio::test]
async fn a_ledger_that_lost_entries_and_wrote_others_is_not_shipped_upon() {
    let mut harbour = Harbour::new();
    harbour.add(10);
    let mut shipper = harbour.shipper().await.expect("it opens");
    shipper.ship().await.expect("it ships");
    harbour.lose(3);
    assert!(matches!(harbour.shipper().await, Err(ShipError::Ahead { shipped: 10, have: 7 })));
    harbour.add(5);
    assert!(matches!(shipper.ship().await, Err(ShipError::Rewritten { index: 9 })));
    // Nor by one that has just started.
    let mut shipper = harbour.shipper().await.expect("it opens");
    assert!(matches!(shipper.ship().await, Err(ShipError::Rewritten { index: 9 })));
}

fn service() -> Service {
    Service {
        name: SERVICE.to_owned(),
        origin: "example.org/harbour".to_owned(),
        schema: schema(),
        commands: Commands::new(),
        attachments: None,
    }
}

#[tokio::test]
async fn what_comes_after_a_mark_is_not_shipped_with_it() {
    let mut harbour = Harbour::new();
    harbour.add(10);
    let mut shipper = harbour.shipper().await.expect("it opens");
    let mark = shipper.mark().expect("it can be read");
    harbour.add(5);
    assert_eq!(shipper.ship_to(mark.clone()).await.expect("it ships").entries, 10);
    assert_eq!(shipper.ship().await.expect("it ships").entries, 15);
    // A mark that was passed is no reason to go back.
    assert_eq!(shipper.ship_to(mark).await.expect("it ships").entries, 15);
    harbour.lose(8);
    assert!(matches!(shipper.mark(), Err(ShipError::Ahead { shipped: 15, have: 7 })));
}

/// Restores a harbour with thousands of boats into other databases, without replaying anything: the rows must
/// come out the same.
async fn check_many_parts(databases: &Databases) {
    let mut harbour = Harbour::new();
    harbour.add(20);
    let mut batch = harbour.store.writer.begin().expect("it begins");
    for number in 0..9000 {
        let papers = Erasable::new(Clock::System.random(), Clock::System.random::<1000>().to_vec());
        let name = (number % 3 > 0).then(|| format!("boat {number}"));
        batch.replace(Boat { number, afloat: number % 2 == 0, name, papers });
    }
    batch.flush().expect("it flushes");
    batch.commit().expect("it commits");
    drop(batch);
    harbour.shipper().await.expect("it opens").ship().await.expect("it ships");
    let own = Databases::in_files(harbour.folder.path());
    let (keys, config) = (harbour.keys.clone(), SnapshotConfig::default());
    let making = Snapshots::open(service(), own, harbour.target(), keys, Clock::System, config);
    let made = making.await.expect("it opens").make().await.expect("it is made");
    assert_eq!(made, Some(SnapshotMade { entries: 20, rows: 9000 }));
    let parts = crate::snapshots::list(SERVICE, &harbour.target()).await.expect("it can be listed");
    assert!(parts.values().any(|parts| parts.len() > 3), "{parts:?}");

    let way = Way { until: Until::End, full: false };
    let target = harbour.target();
    let restored = restore(&service(), databases, &target, &harbour.keys, way, |_| Ok(())).await;
    let restored = restored.expect("it is restored");
    assert_eq!((restored.from, restored.head.size), (20, 20));
    let found = databases.open_to_read(SERVICE, &schema()).expect("it opens");
    for table in
        schema().tables().iter().filter(|table| ["boats", "berths", "entries", "tiles"].contains(&table.name))
    {
        let compared =
            found.read(|found| harbour.store.writer.read(|had| first_difference(found, had, table)));
        assert_eq!(compared.expect("they can be compared"), None);
    }
}

#[tokio::test]
async fn a_snapshot_of_many_parts_is_restored_into_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    check_many_parts(&Databases::in_files(folder.path())).await;
}

#[tokio::test]
async fn a_snapshot_of_many_parts_is_restored_onto_postgresql() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    let url = peers::fresh_database().expect("there is a server");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    check_many_parts(&Databases::new(folder.path(), &config).expect("its settings can be used")).await;
}
