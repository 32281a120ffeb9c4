//! What a store must do when there is no room, or no leave, to write.

use std::{fs, num::NonZeroU32, path::Path};

use store::{Databases, Disk, SqliteConfig, StoreError};

use crate::{Harbour, boat, commit, in_files, read_boat, schema, try_commit};

#[test]
fn a_batch_that_finds_the_disk_full_happens_not_at_all_and_the_next_one_does_once_there_is_room() {
    let harbour = Harbour::new();
    let room = harbour.folder.path().join("room");
    let disk = Disk::Scarce(room.clone());
    let sqlite = SqliteConfig { disk, ..SqliteConfig::default() };
    let mut store = harbour.open_as(&schema(), &sqlite).expect("it opens");
    commit(&mut store, |tx| tx.put(boat(1, "A1")));
    // From no room at all to almost enough: the batch fails at its first page, in the middle, at its end.
    for bytes in [0, 5000, 20_000, 60_000] {
        fs::write(&room, bytes.to_string()).expect("it is written");
        let failed = try_commit(&mut store, |tx| (2..2000).for_each(|number| tx.put(boat(number, "B2"))));
        let error = failed.expect_err("there is no room");
        assert!(matches!(error, StoreError::Sqlite(_)) && !error.leaves_doubt(), "{error:?}");
        assert_eq!((read_boat(&store, 1), read_boat(&store, 2)), (Some(boat(1, "A1")), None));
    }
    fs::remove_file(&room).expect("it was there");
    commit(&mut store, |tx| (2..2000).for_each(|number| tx.put(boat(number, "C3"))));
    drop(store);
    let store = harbour.open();
    assert_eq!(read_boat(&store, 1999), Some(boat(1999, "C3")));
    store.writer.check_integrity().expect("it is intact");
}

#[test]
fn a_batch_larger_than_the_memory_for_pages_leaves_nothing_behind_when_the_disk_fills_under_it() {
    let harbour = Harbour::new();
    let room = harbour.folder.path().join("room");
    let sqlite = SqliteConfig { disk: Disk::Scarce(room.clone()), ..little_memory() };
    let mut store = harbour.open_as(&schema(), &sqlite).expect("it opens");
    let many = |berth: &'static str| {
        move |tx: &mut store::Tx<'_>| (0..20_000).for_each(|number| tx.put(boat(number, berth)))
    };
    commit(&mut store, many("A1"));
    fs::write(&room, "1000000").expect("it is written");
    // Pages of the batch go to the log and come back from it before it commits.
    try_commit(&mut store, many("A much longer berth, so that pages split")).expect_err("there is no room");
    assert_eq!(read_boat(&store, 19_999), Some(boat(19_999, "A1")));
    fs::remove_file(&room).expect("it was there");
    commit(&mut store, many("A much longer berth, so that pages split"));
    store.writer.fold_log().expect("it folds");
    store.writer.check_integrity().expect("it is intact");
}

fn little_memory() -> SqliteConfig {
    SqliteConfig {
        page_cache_mib: NonZeroU32::MIN,
        write_cache_mib: NonZeroU32::MIN,
        ..SqliteConfig::default()
    }
}

#[test]
fn a_batch_larger_than_the_memory_for_pages_reads_back_what_it_wrote_over_and_over() {
    let harbour = Harbour::new();
    let mut store = harbour.open_as(&schema(), &little_memory()).expect("it opens");
    let mut batch = store.writer.begin().expect("it begins");
    // What does not fit the memory goes to the log; written over there, it has no right checksum of
    // SQLite's until the batch commits.
    for berth in ["A1", "B2", "C3", "D4"] {
        (0..20_000).for_each(|number| batch.tx().put(boat(number, berth)));
        batch.keep();
        batch.flush().expect("it flushes");
    }
    batch.commit().expect("it commits");
    drop(batch);
    let reader = in_files(harbour.folder.path(), &little_memory()).open_to_read("harbour", &schema());
    reader.expect("it opens").check_integrity().expect("the log is intact");
    store.writer.fold_log().expect("it folds");
    store.writer.check_integrity().expect("the database is intact");
    assert_eq!(read_boat(&store, 19_999), Some(boat(19_999, "D4")));
}

#[test]
fn a_folder_where_nothing_can_be_made_is_an_error_that_names_the_database() {
    // Not even the superuser makes files here, and tests run as anyone.
    let opened = Databases::in_files(Path::new("/proc")).open("harbour", &schema());
    let error = opened.expect_err("nothing can be made there");
    assert!(
        matches!(&error, StoreError::Open { path: named, .. } if named == Path::new("/proc/harbour.db")),
        "{error:?}"
    );
}
