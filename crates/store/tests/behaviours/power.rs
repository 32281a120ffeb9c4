//! What a store must still have after a power cut: everything that it said was committed.
//!
//! The power is cut from a child process, this same program asked for one of the ignored tests below: it is
//! killed in the middle of its work, on a disk that forgets what was not synced.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use store::{Commits, Disk, SqliteConfig};

use crate::{Boat, Harbour, boat, in_files, schema, try_commit};

const ROWS: u32 = 20;

/// Commits batches until it is killed, and says of each that it was committed.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn work_until_killed(commits: Commits) {
    // Someone who runs all ignored tests is not the parent, and would wait for ever.
    if !std::env::args().any(|argument| argument == "--exact") {
        return;
    }
    let log_pages_max = std::num::NonZeroU32::new(50).expect("fifty is positive");
    let sqlite =
        SqliteConfig { commits, disk: Disk::ForgetsUnsynced, log_pages_max, ..SqliteConfig::default() };
    // The parent started us in the harbour's folder.
    let mut store = in_files(Path::new(""), &sqlite).open("harbour", &schema()).expect("it opens");
    for batch in 0.. {
        let numbers = batch * ROWS..(batch + 1) * ROWS;
        try_commit(&mut store, |tx| numbers.for_each(|number| tx.put(boat(number, "A1"))))
            .expect("it commits");
        println!("\ncommitted {batch}");
        std::io::stdout().flush().expect("the parent reads");
    }
}

#[test]
#[ignore = "the child process of the tests below"]
fn work_with_syncs() {
    work_until_killed(Commits::Synced);
}

#[test]
#[ignore = "the child process of the tests below"]
fn work_without_syncs() {
    work_until_killed(Commits::Unsynced);
}

/// Lets a child commit some batches, cuts its power, and answers how many rows it said were committed.
fn acknowledged_before_the_cut(harbour: &Harbour, work: &str, batches: usize) -> u32 {
    let program = std::env::current_exe().expect("this program");
    let mut child = Command::new(program)
        .args(["--ignored", "--exact", &format!("power::{work}"), "--nocapture", "--test-threads=1"])
        .current_dir(harbour.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let heard = told.by_ref().filter(|line| line.starts_with("committed ")).take(batches).count();
    child.kill().expect("it was alive");
    child.wait().expect("it ends");
    // What it had still said when the power went counts as well.
    let rest = told.filter(|line| line.starts_with("committed ")).count();
    u32::try_from(heard + rest).expect("few") * ROWS
}

fn boats_on_disk(harbour: &Harbour) -> Vec<u32> {
    let store = harbour.open();
    store.writer.check_integrity().expect("it is intact");
    let boats = store.writer.read(|snapshot| snapshot.rows::<Boat>("ORDER BY number", &[]));
    boats.expect("it reads").into_iter().map(|boat| boat.number).collect()
}

#[test]
fn every_acknowledged_commit_outlives_a_power_cut() {
    // Before, during and after checkpoints.
    for batches in [1, 7, 40, 111] {
        let harbour = Harbour::new();
        let acknowledged = acknowledged_before_the_cut(&harbour, "work_with_syncs", batches);
        assert!(acknowledged >= u32::try_from(batches).expect("few") * ROWS, "it worked");
        let found = boats_on_disk(&harbour);
        let count = u32::try_from(found.len()).expect("few");
        assert!(found.iter().copied().eq(0..count), "a hole, after {acknowledged} acknowledged");
        // One batch may have been synced and not yet told.
        assert!(count == acknowledged || count == acknowledged + ROWS, "{count} of {acknowledged}");
    }
}

#[test]
fn without_syncs_acknowledged_commits_are_lost_and_this_notices() {
    let harbour = Harbour::new();
    drop(harbour.open());
    let acknowledged = acknowledged_before_the_cut(&harbour, "work_without_syncs", 40);
    assert!(acknowledged >= 40 * ROWS, "it worked");
    let found = u32::try_from(boats_on_disk(&harbour).len()).expect("few");
    assert!(found < acknowledged, "{found} of {acknowledged}: nothing was lost");
}
