//! What a store must do while others use the same files: take none of their work for damage.

use std::{
    num::NonZeroU32,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use store::{Commits, SqliteConfig};

use crate::{Harbour, boat, commit, in_files, schema};

const BOATS: u32 = 2000;

/// Folds the log often, with little memory, so that every page travels all the time.
fn busy() -> SqliteConfig {
    let few = NonZeroU32::new(40).expect("forty is positive");
    let least = NonZeroU32::MIN;
    SqliteConfig {
        log_pages_max: few,
        page_cache_mib: least,
        write_cache_mib: least,
        commits: Commits::Unsynced,
        ..SqliteConfig::default()
    }
}

/// Opens the database again and again and looks at all of it, until the writer has left word that it is done.
fn read_over_and_over(folder: &Path) {
    while !folder.join("done").exists() {
        let reader = in_files(folder, &busy()).open_to_read("harbour", &schema()).expect("it opens");
        for _ in 0..3 {
            reader.check_integrity().expect("it is intact");
        }
    }
}

#[test]
#[ignore = "the child process of the test below"]
fn work_from_another_process() {
    // Someone who runs all ignored tests is not the parent.
    if !std::env::args().any(|argument| argument == "--exact") {
        return;
    }
    // It writes as well, where the parent remembers frames of its own.
    let mut store = in_files(Path::new(""), &busy()).open("harbour", &schema()).expect("it opens");
    while !Path::new("done").exists() {
        store.writer.check_integrity().expect("it is intact");
        commit(&mut store, |tx| (0..BOATS).step_by(31).for_each(|number| tx.put(boat(number, "C3"))));
    }
}

fn another_process(harbour: &Harbour) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--ignored", "--exact", "together::work_from_another_process"])
        .current_dir(harbour.folder.path())
        // Its failures are told on the other stream.
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn two_processes_that_write_fold_and_read_find_no_damage() {
    let harbour = Harbour::new();
    let mut store = harbour.open_as(&schema(), &busy()).expect("it opens");
    commit(&mut store, |tx| (0..BOATS).for_each(|number| tx.put(boat(number, "A1"))));
    let mut child = another_process(&harbour);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_over_and_over(harbour.folder.path()));
        for turn in 0..400 {
            let berth = "B".repeat(turn % 50);
            commit(&mut store, |tx| {
                (0..BOATS).skip(turn % 7).step_by(23).for_each(|number| tx.put(boat(number, &berth)));
            });
        }
        std::fs::write(harbour.folder.path().join("done"), []).expect("it is written");
        reader.join().expect("it found no damage");
    });
    assert!(child.wait().expect("it ends").success(), "the other process found no damage");
    store.writer.fold_log().expect("it folds");
    store.writer.check_integrity().expect("it is intact");
}
