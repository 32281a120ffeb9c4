//! What a store must do when its files are not what it wrote: say so, and never answer with another row.

use std::{fs, os::unix::fs::FileExt, path::Path};

use store::{Cell, Erasable, StoreError};

use crate::{Boat, Harbour, Night, commit, night, schema};

const PAGE_BYTES: usize = 4096;
const BOATS: u32 = 300;
const NIGHTS: u64 = 900;

/// Content long enough to lie on pages of its own, which SQLite would rather read in part.
fn long_boat(number: u32) -> Boat {
    let content = vec![number.to_le_bytes()[0]; if number.is_multiple_of(10) { 9000 } else { 100 }];
    Boat { number, berth: None, owner: Erasable::new([1; 16], content) }
}

/// A harbour of some hundred pages, with free pages among them, folded into the database file.
fn full_harbour() -> Harbour {
    let harbour = Harbour::new();
    let mut store = harbour.open();
    commit(&mut store, |tx| {
        (0..BOATS + 50).for_each(|number| tx.put(long_boat(number)));
        (0..NIGHTS).for_each(|day| tx.put(night(day, 7)));
    });
    commit(&mut store, |tx| (BOATS..BOATS + 50).for_each(|number| tx.delete(long_boat(number))));
    store.writer.fold_log().expect("it folds");
    drop(store);
    harbour
}

/// Everything the harbour holds, read through the readers' kind of connection and through the writer's.
fn read_all(harbour: &Harbour) -> Result<(Vec<Boat>, Vec<Night>), StoreError> {
    let store = harbour.open_with(&schema())?;
    store.writer.read(|snapshot| {
        // One by one and by scanning: these go to pages in different ways.
        for number in (0..BOATS).step_by(7) {
            let found = snapshot.get::<Boat>(&number)?;
            assert_eq!(found, Some(long_boat(number)), "a wrong row was read");
        }
        let boats = snapshot.rows::<Boat>("ORDER BY number", &[])?;
        let nights = snapshot.rows::<Night>("WHERE day >= $1 ORDER BY day", &[Cell::Integer(0)])?;
        Ok((boats, nights))
    })
}

fn flip(path: &Path, offset: usize, mask: u8) {
    let file = fs::File::options().read(true).write(true).open(path).expect("the file is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset as u64).expect("it reads");
    file.write_all_at(&[byte[0] ^ mask], offset as u64).expect("it writes");
}

/// Places and bits that look random and are the same in every run.
fn places(length: usize, count: u64) -> impl Iterator<Item = (usize, u8)> {
    (0..count).map(move |turn| {
        let mixed = (turn + 1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
            .wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let place = usize::try_from(mixed >> 16).expect("48 bits fit") % length;
        (place, 1 << (mixed & 7))
    })
}

#[test]
fn a_flipped_byte_of_the_database_is_an_error_or_changes_no_answer() {
    let harbour = full_harbour();
    let path = harbour.database();
    let intact = fs::read(&path).expect("it reads");
    let expected = read_all(&harbour).expect("it is intact");
    assert_eq!((expected.0.len() as u64, expected.1.len() as u64), (u64::from(BOATS), NIGHTS));
    let mut noticed = 0;
    // The header byte by byte, then anywhere.
    let header = (0..100).map(|place| (place, 1));
    for (place, mask) in header.chain(places(intact.len(), 300)) {
        fs::write(&path, &intact).expect("it is put back");
        flip(&path, place, mask);
        let page = place / PAGE_BYTES + 1;
        match read_all(&harbour) {
            Ok(found) => assert!(found == expected, "byte {place} made other rows"),
            Err(error @ (StoreError::Damaged { .. } | StoreError::Unchecked { .. })) => {
                let told = error.to_string();
                let named = told.contains(&format!("page {page} ")) || page == 1;
                assert!(named && told.contains("harbour.db"), "byte {place} of page {page}: {told}");
                noticed += 1;
            }
            Err(other) => panic!("byte {place}: {other:?}"),
        }
    }
    assert!(noticed > 300, "most pages are read: {noticed}");
}

#[test]
fn a_check_of_integrity_names_the_page_that_is_damaged() {
    let harbour = full_harbour();
    let path = harbour.database();
    let intact = fs::read(&path).expect("it reads");
    let mut noticed = 0;
    for (place, mask) in places(intact.len(), 100) {
        fs::write(&path, &intact).expect("it is put back");
        flip(&path, place, mask);
        let page = place / PAGE_BYTES + 1;
        let checked = harbour.open_with(&schema()).and_then(|store| store.writer.check_integrity());
        // A page that is free is not looked at.
        if let Err(error) = checked {
            assert!(error.to_string().contains(&format!("page {page} ")), "byte {place}: {error}");
            noticed += 1;
        }
    }
    assert!(noticed > 75, "most pages are in use: {noticed}");
}

#[test]
fn pages_that_have_traded_places_are_noticed() {
    let harbour = full_harbour();
    let path = harbour.database();
    let mut bytes = fs::read(&path).expect("it reads");
    let pages = bytes.len() / PAGE_BYTES;
    let (left, right) = bytes.split_at_mut((pages / 2) * PAGE_BYTES);
    let last = left.len() - PAGE_BYTES;
    left[last..].swap_with_slice(&mut right[..PAGE_BYTES]);
    fs::write(&path, bytes).expect("it writes");
    assert!(matches!(read_all(&harbour), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_database_that_was_cut_short_is_called_damaged() {
    let harbour = full_harbour();
    let path = harbour.database();
    let intact = fs::read(&path).expect("it reads");
    for length in [50, 100, 2000, 4096, 4100, 8192, intact.len() / 2, intact.len() - 4096, intact.len() - 1] {
        fs::write(&path, &intact[..length]).expect("it writes");
        let read = read_all(&harbour).map(|_| ());
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "{length} bytes: {read:?}");
    }
}

#[test]
fn a_database_whose_pages_have_no_checksums_is_refused_with_what_to_do() {
    let harbour = Harbour::new();
    let foreign = rusqlite::Connection::open(harbour.database()).expect("it opens");
    foreign.execute_batch("CREATE TABLE boats (number INTEGER PRIMARY KEY);").expect("it is made");
    drop(foreign);
    let error = harbour.open_with(&schema()).expect_err("it has no checksums");
    assert!(matches!(error, StoreError::Unchecked { .. }), "{error:?}");
    assert!(error.to_string().contains("move it away"), "{error}");
}

/// Where the pages in a write-ahead log lie.
fn frames(log: &[u8]) -> impl Iterator<Item = usize> {
    (32..log.len()).step_by(24 + PAGE_BYTES).map(|frame| frame + 24)
}

#[test]
fn a_flipped_byte_of_the_log_is_an_error_while_the_store_runs_and_never_reaches_the_database() {
    let harbour = Harbour::new();
    let log = harbour.folder.path().join("harbour.db-wal");
    let mut store = harbour.open();
    commit(&mut store, |tx| (0..50).for_each(|number| tx.put(long_boat(number))));
    for page in frames(&fs::read(&log).expect("it reads")) {
        flip(&log, page + 2000, 4);
    }
    // The writer has its pages in memory still: a connection of its own has to go to the log.
    let opened = harbour.databases.open_to_read("harbour", &schema());
    assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
    let folded = store.writer.fold_log();
    assert!(matches!(folded, Err(StoreError::Damaged { .. })), "{folded:?}");
}

#[test]
fn a_log_that_another_process_left_is_read_and_its_damage_noticed() {
    let harbour = Harbour::new();
    let [log, database] = ["harbour.db-wal", "harbour.db"].map(|name| harbour.folder.path().join(name));
    let mut store = harbour.open();
    commit(&mut store, |tx| (0..50).for_each(|number| tx.put(long_boat(number))));
    // As a crash leaves it: copied elsewhere while it is in use, so that nobody here has seen its frames.
    let other = Harbour::new();
    let left_log = other.folder.path().join("harbour.db-wal");
    fs::copy(&database, other.database()).expect("it is copied");
    fs::copy(&log, &left_log).expect("it is copied");
    let recovered = other.open();
    let count = |store: &store::Store| {
        store.writer.read(|snapshot| Ok(snapshot.rows::<Boat>("ORDER BY number", &[])?.len()))
    };
    assert_eq!(count(&recovered).expect("it reads"), 50);
    for page in frames(&fs::read(&left_log).expect("it reads")) {
        flip(&left_log, page + 2000, 4);
    }
    let folded = recovered.writer.fold_log();
    assert!(matches!(folded, Err(StoreError::Damaged { .. })), "{folded:?}");
}
