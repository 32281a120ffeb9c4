//! What every engine must do with rows; its modules, what it must do on disks that are not as they should be.

mod cuts;
mod damage;
mod encrypted;
mod parts;
mod power;
mod replicas;
mod space;
mod together;

use std::path::{Path, PathBuf};

use ids::Id;
use store::{Cell, DatabaseConfig, Databases, Erasable, Scan, Schema, SqliteConfig, Store, StoreError};

/// A behaviour that both engines must have: a test on each.
macro_rules! on_both_engines {
    (async fn $name:ident($harbour:ident) $body:block) => {
        mod $name {
            use super::*;

            async fn holds($harbour: &Harbour) $body

            #[tokio::test]
            async fn on_sqlite() {
                holds(&Harbour::new()).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                holds(&Harbour::on_postgres()).await;
            }
        }
    };
    (fn $name:ident($harbour:ident) $body:block) => {
        mod $name {
            use super::*;

            fn holds($harbour: &Harbour) $body

            #[test]
            fn on_sqlite() {
                holds(&Harbour::new());
            }

            #[test]
            fn on_postgres() {
                holds(&Harbour::on_postgres());
            }
        }
    };
}

mod ranges;

store::table! {
    /// A boat and where it lies.
    struct Boat in "boats", Replayed {
        key { number: u32 }
        berth: Option<String>,
        owner: Erasable,
    }
}

store::table! {
    /// A night that a boat spent in a harbour.
    struct Night in "nights", Replayed {
        key { harbour: String, day: u64 }
        boat: u32,
    }
}

const BOATS: &str = "
    CREATE TABLE boats (number BIGINT PRIMARY KEY, berth TEXT, owner BYTEA NOT NULL);
    CREATE TABLE nights (harbour TEXT NOT NULL, day BIGINT NOT NULL, boat BIGINT NOT NULL, PRIMARY KEY (harbour, day));
";

struct Harbour {
    folder: tempfile::TempDir,
    databases: Databases,
}

impl Harbour {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let databases = Databases::in_files(folder.path());
        Self { folder, databases }
    }

    fn on_postgres() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = peers::fresh_database().expect("there is a server").parse().expect("it has a URL");
        let mut config = DatabaseConfig::default();
        config.postgres.url = Some(url);
        let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
        Self { folder, databases }
    }

    fn open_with(&self, schema: &Schema) -> Result<Store, StoreError> {
        self.databases.open("harbour", schema)
    }

    fn open_as(&self, schema: &Schema, sqlite: &SqliteConfig) -> Result<Store, StoreError> {
        in_files(self.folder.path(), sqlite).open("harbour", schema)
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("harbour.db")
    }

    fn open(&self) -> Store {
        self.open_with(&schema()).expect("it opens")
    }
}

fn in_files(folder: &Path, sqlite: &SqliteConfig) -> Databases {
    Databases::in_files(folder).with_sqlite(sqlite.clone())
}

fn schema() -> Schema {
    Schema::new().migration("harbour/0001_boats", BOATS).table::<Boat>().table::<Night>()
}

fn boat(number: u32, berth: &str) -> Boat {
    Boat { number, berth: Some(berth.to_owned()), owner: Erasable::new([1; 16], b"Ada".to_vec()) }
}

fn night(day: u64, boat: u32) -> Night {
    Night { harbour: "Kiel".to_owned(), day, boat }
}

fn commit(store: &mut Store, change: impl FnOnce(&mut store::Tx<'_>)) {
    try_commit(store, change).expect("it commits");
}

fn try_commit(store: &mut Store, change: impl FnOnce(&mut store::Tx<'_>)) -> Result<(), StoreError> {
    let mut batch = store.writer.begin()?;
    change(&mut batch.tx());
    batch.keep();
    batch.flush()?;
    batch.commit()
}

fn read_boat(store: &Store, number: u32) -> Option<Boat> {
    store.writer.read(|snapshot| snapshot.get(&number)).expect("it reads")
}

on_both_engines! {
    fn a_database_exists_once_it_was_made(harbour) {
        assert!(!harbour.databases.exists("harbour").expect("it can be asked"));
        harbour.open();
        assert!(harbour.databases.exists("harbour").expect("it can be asked"));
        assert!(!harbour.databases.exists("other").expect("it can be asked"));
    }
}

on_both_engines! {
    fn a_committed_row_reads_back_after_the_store_is_opened_again(harbour) {
        commit(&mut harbour.open(), |tx| tx.put(boat(7, "A1")));
        assert_eq!(read_boat(&harbour.open(), 7), Some(boat(7, "A1")));
    }
}

on_both_engines! {
    fn a_batch_that_is_not_committed_leaves_nothing_behind(harbour) {
        let mut store = harbour.open();
        let mut batch = store.writer.begin().expect("it begins");
        batch.tx().put(boat(7, "A1"));
        batch.keep();
        batch.flush().expect("it flushes");
        drop(batch);
        assert_eq!(read_boat(&store, 7), None);
    }
}

on_both_engines! {
    fn a_discarded_change_leaves_the_batch_as_it_was(harbour) {
        let mut store = harbour.open();
        commit(&mut store, |tx| tx.put(boat(7, "A1")));
        let mut batch = store.writer.begin().expect("it begins");
        batch.tx().put(boat(7, "B2"));
        batch.tx().delete(boat(7, "B2"));
        assert_eq!(batch.tx().get::<Boat>(7u32).expect("it reads"), None);
        batch.discard();
        assert_eq!(batch.tx().get::<Boat>(7u32).expect("it reads"), Some(boat(7, "A1")));
    }
}

on_both_engines! {
    fn a_command_sees_what_the_one_before_it_did(harbour) {
        let mut store = harbour.open();
        let mut batch = store.writer.begin().expect("it begins");
        batch.tx().put(boat(7, "A1"));
        batch.keep();
        assert_eq!(batch.tx().get::<Boat>(7u32).expect("it reads"), Some(boat(7, "A1")));
        batch.tx().delete(boat(7, "A1"));
        batch.keep();
        batch.flush().expect("it flushes");
        batch.commit().expect("it commits");
        drop(batch);
        assert_eq!(read_boat(&store, 7), None);
    }
}

on_both_engines! {
    fn rows_named_in_advance_are_not_read_alone(harbour) {
        let mut store = harbour.open();
        commit(&mut store, |tx| tx.put(boat(7, "A1")));
        let mut batch = store.writer.begin().expect("it begins");
        batch.keys().want::<Boat>(7);
        batch.load().expect("it loads");
        assert!(batch.tx().get::<Boat>(7u32).expect("it reads").is_some());
        assert_eq!(batch.unplanned_reads(), 0);
        assert!(batch.tx().get::<Boat>(8u32).expect("it reads").is_none());
        assert_eq!(batch.unplanned_reads(), 1);
    }
}

on_both_engines! {
    fn a_scan_sees_disk_and_memory_as_one_in_key_order(harbour) {
        let mut store = harbour.open();
        commit(&mut store, |tx| [1, 2, 4, 9].into_iter().for_each(|day| tx.put(night(day, 7))));
        let mut batch = store.writer.begin().expect("it begins");
        batch.tx().delete(night(2, 7));
        batch.tx().put(night(3, 8));
        batch.keep();
        batch.tx().put(night(4, 9));
        let scan = Scan { prefix: vec![Cell::Text("Kiel".into())], below: Some(Cell::Integer(9)), limit: 3 };
        let found = batch.tx().scan::<Night>(&scan).expect("it scans");
        assert_eq!(found, [night(1, 7), night(3, 8), night(4, 9)]);
        let all = Scan { prefix: vec![Cell::Text("Kiel".into())], below: None, limit: usize::MAX };
        assert_eq!(batch.tx().scan::<Night>(&all).expect("it scans").len(), 4);
    }
}

#[test]
fn the_same_changes_have_the_same_effect_and_others_another() {
    let effect = |berth| {
        let mut memory = store::Memory::default();
        let mut batch = memory.batch();
        batch.tx().put(boat(7, berth));
        batch.tx().put(night(1, 7));
        batch.keep()
    };
    assert_eq!(effect("A1"), effect("A1"));
    assert_ne!(effect("A1"), effect("A2"));
}

#[test]
fn an_effect_does_not_depend_on_erasable_content_that_is_gone() {
    let effect = |owner| {
        let mut memory = store::Memory::default();
        let mut batch = memory.batch();
        batch.tx().put(Boat { number: 7, berth: None, owner });
        batch.keep()
    };
    let held = Erasable::new([1; 16], b"Ada".to_vec());
    let text = serde_json::to_string(&held).expect("it has a JSON form");
    let erased: Erasable = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(effect(held), effect(erased));
}

on_both_engines! {
    fn a_changed_row_is_told_to_those_who_keep_a_view(harbour) {
        let mut store = harbour.open();
        let mut batch = store.writer.begin().expect("it begins");
        batch.tx().put(boat(7, "A1"));
        batch.keep();
        batch.tx().delete(night(1, 7));
        batch.keep();
        let boats: Vec<_> = batch.changes().of::<Boat>().map(|(key, row)| (*key, row.cloned())).collect();
        assert_eq!(boats, [(7, Some(boat(7, "A1")))]);
        assert_eq!(batch.changes().of::<Night>().filter(|(_, row)| row.is_none()).count(), 1);
    }
}

on_both_engines! {
    fn a_table_that_is_not_what_the_program_takes_it_for_is_refused(harbour) {
        let other = BOATS.replace("berth TEXT", "berth BIGINT").leak();
        let schema = Schema::new().migration("harbour/0001_boats", other).table::<Boat>();
        assert!(matches!(harbour.open_with(&schema), Err(StoreError::Schema { table: "boats", .. })));
    }
}

on_both_engines! {
    fn a_migration_that_was_changed_or_is_not_known_is_refused(harbour) {
        drop(harbour.open());
        let changed = Schema::new().migration("harbour/0001_boats", "CREATE TABLE boats (number BIGINT);");
        assert!(matches!(harbour.open_with(&changed), Err(StoreError::MigrationChanged { .. })));
        assert!(matches!(harbour.open_with(&Schema::new()), Err(StoreError::MigrationUnknown { .. })));
    }
}

#[test]
fn a_file_that_is_no_database_is_called_damaged() {
    let harbour = Harbour::new();
    std::fs::write(harbour.database(), [7; 8192]).expect("it is written");
    assert!(matches!(harbour.open_with(&schema()), Err(StoreError::Damaged { .. })));
}

on_both_engines! {
    async fn a_reader_sees_what_was_committed_before_it_began(harbour) {
        let mut store = harbour.open();
        let readers = store.readers.clone();
        commit(&mut store, |tx| (0..100).for_each(|number| tx.put(boat(number, "A1"))));
        let found = readers.read(|snapshot| {
            snapshot.rows::<Boat>(
                "WHERE number >= $1 ORDER BY number LIMIT $2",
                &[Cell::Integer(90), Cell::Integer(3)],
            )
        });
        let numbers: Vec<_> = found.await.expect("it reads").into_iter().map(|boat| boat.number).collect();
        assert_eq!(numbers, [90, 91, 92]);
    }
}

on_both_engines! {
    async fn a_read_that_panics_costs_itself_alone(harbour) {
        let store = harbour.open();
        let failed = store.readers.read(|_| -> Result<(), StoreError> { panic!("a bug in a query") }).await;
        assert!(matches!(failed, Err(StoreError::Stopped)));
        for _ in 0..10 {
            store.readers.read(|snapshot| snapshot.get::<Boat>(&1)).await.expect("others still read");
        }
    }
}

on_both_engines! {
    fn ids_and_times_keep_their_order_as_keys(harbour) {
        store::table! {
            struct Stay in "stays", Operational {
                key { id: Id<Boat> }
                until: clock::Timestamp,
            }
        }
        let sql = "CREATE TABLE stays (id BYTEA PRIMARY KEY, until BIGINT NOT NULL);";
        let schema = schema().migration("harbour/0002_stays", sql).table::<Stay>();
        let mut store = harbour.open_with(&schema).expect("it opens");
        let stays: Vec<_> = (1..50u8)
            .map(|n| Stay { id: Id::new(n.into(), [200 - n; 10]), until: clock::Timestamp::EPOCH })
            .collect();
        commit(&mut store, |tx| stays.iter().rev().cloned().for_each(|stay| tx.put(stay)));
        let found = store.writer.read(|snapshot| snapshot.rows::<Stay>("ORDER BY id", &[])).expect("it reads");
        assert_eq!(found, stays);
    }
}

on_both_engines! {
    fn a_row_that_was_loaded_and_then_replaced_is_written(harbour) {
        let mut store = harbour.open();
        commit(&mut store, |tx| tx.put(boat(7, "A1")));
        let mut batch = store.writer.begin().expect("it begins");
        assert_eq!(batch.tx().get::<Boat>(7u32).expect("it reads"), Some(boat(7, "A1")));
        batch.replace(boat(7, "B1"));
        batch.flush().expect("it is sent");
        batch.commit().expect("it commits");
        drop(batch);
        assert_eq!(read_boat(&store, 7), Some(boat(7, "B1")));
    }
}

on_both_engines! {
    fn a_batch_whose_beginning_fails_does_not_keep_the_next_from_beginning(harbour) {
        let mut store = harbour.open();
        let mut batch = store.writer.begin().expect("it begins");
        assert!(batch.execute("UPDATE no_such_table SET a = 1", &[]).is_err());
        drop(batch);
        commit(&mut store, |tx| tx.put(boat(7, "A1")));
        assert_eq!(read_boat(&store, 7), Some(boat(7, "A1")));
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the server needs a moment to close the connection")]
fn a_batch_whose_connection_is_cut_leaves_nothing_behind() {
    let harbour = Harbour::on_postgres();
    let mut store = harbour.open();
    let mut batch = store.writer.begin().expect("it begins");
    batch.tx().put(boat(7, "A1"));
    batch.keep();
    assert_eq!(batch.execute("UPDATE boats SET berth = NULL", &[]).expect("it runs"), 0);
    // By itself, as an operator would cut it; the answer to that is lost, too.
    let cut = "SELECT pg_terminate_backend(pg_backend_pid())";
    assert!(batch.read(|snapshot| snapshot.query(cut, &[], |_| Ok(()))).is_err());
    std::thread::sleep(std::time::Duration::from_millis(200));
    batch.tx().put(boat(8, "B1"));
    batch.keep();
    batch.flush().expect("nothing is sent yet");
    assert!(batch.commit().is_err());
    drop(batch);
    assert_eq!((read_boat(&store, 7), read_boat(&store, 8)), (None, None));
    commit(&mut store, |tx| tx.put(boat(9, "C1")));
    assert_eq!(read_boat(&store, 9), Some(boat(9, "C1")));
}
