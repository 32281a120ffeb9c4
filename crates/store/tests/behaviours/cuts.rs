//! What a store must do when its connections to a server are cut at any moment: what one batch reads belongs
//! together, and what it writes rests on what it has read.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use problem::Problem;
use store::{DatabaseConfig, Databases, Store, StoreError};

use crate::{Night, night, schema};

const WRITERS: usize = 3;
const CUTS: u32 = 300;

/// Adds one to two rows that are always alike, each read in an exchange of its own.
fn count_both(store: &mut Store) -> Result<(), StoreError> {
    let mut batch = store.writer.begin()?;
    batch.keys().want::<Night>(("Kiel".to_owned(), 1));
    batch.load()?;
    let first = batch.tx().get::<Night>(("Kiel".to_owned(), 1))?.map_or(0, |night| night.boat);
    let second = batch.tx().get::<Night>(("Kiel".to_owned(), 2))?.map_or(0, |night| night.boat);
    assert_eq!(first, second, "what one batch reads belongs together");
    batch.tx().put(night(1, first + 1));
    batch.tx().put(night(2, first + 1));
    batch.keep();
    batch.flush()?;
    batch.commit()
}

#[tokio::test]
async fn what_the_server_ends_because_it_takes_too_long_may_be_tried_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    let url = peers::fresh_database().expect("there is a server");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    config.postgres.statement_ms_max = std::num::NonZeroU32::new(200).expect("it is positive");
    let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
    let store = databases.open("harbour", &schema()).expect("it opens");
    let slow = store.readers.read(|snapshot| snapshot.query("SELECT pg_sleep(5)::text", &[], |_| Ok(())));
    let problem = Problem::from(slow.await.expect_err("it takes too long"));
    assert_eq!((problem.status(), problem.code()), (503, "store/unavailable"));
    assert!(problem.retry_after().is_some());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is about who stands still")]
fn who_stood_still_within_a_batch_is_told_to_try_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    let url = peers::fresh_database().expect("there is a server");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    config.postgres.idle_in_transaction_ms_max = std::num::NonZeroU32::new(50).expect("it is positive");
    let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
    let mut store = databases.open("harbour", &schema()).expect("it opens");
    let mut batch = store.writer.begin().expect("it begins");
    batch.keys().want::<Night>(("Kiel".to_owned(), 1));
    batch.load().expect("it loads");
    // As a process that was stopped for a while: the server has given up on it.
    thread::sleep(Duration::from_secs(1));
    batch.tx().put(night(1, 1));
    batch.keep();
    let ended = batch.flush().and_then(|_| batch.commit()).expect_err("nobody waits for it");
    let problem = Problem::from(ended);
    assert_eq!((problem.status(), problem.code()), (503, "store/unavailable"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "writers need a moment to get on between two cuts")]
fn what_a_batch_reads_belongs_together_though_connections_are_cut() {
    let server = peers::Postgres::start().expect("it starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    let url = server.create_database("harbour").expect("it can be made");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    // Cuts are what this is about, and not that they are many.
    config.postgres.breaker.reset_ms = std::num::NonZeroU32::MIN;
    let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
    let open = || databases.open("harbour", &schema()).expect("it opens");
    let stores: Vec<_> = (0..WRITERS).map(|_| open()).collect();
    let done = AtomicBool::new(false);
    let committed: usize = thread::scope(|scope| {
        let done = &done;
        let count = |mut store: Store| {
            let mut committed = 0;
            while !done.load(Ordering::SeqCst) {
                committed += usize::from(count_both(&mut store).is_ok());
            }
            committed
        };
        let writers: Vec<_> = stores.into_iter().map(|store| scope.spawn(move || count(store))).collect();
        for _ in 0..CUTS {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE application_name LIKE 'holdfast/%'";
            server.query("postgres", cut).expect("they are cut");
            thread::sleep(Duration::from_millis(5));
        }
        done.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().expect("it ends")).sum()
    });
    let nights =
        open().writer.read(|snapshot| snapshot.rows::<Night>("ORDER BY day", &[])).expect("it reads");
    let counted: Vec<_> = nights.into_iter().map(|night| night.boat as usize).collect();
    assert!(committed > 0, "writers get on between two cuts");
    assert_eq!(counted.first(), counted.last());
    // A commit whose answer was lost may have happened.
    assert!(counted[0] >= committed, "{committed} commits were answered, {} happened", counted[0]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a breaker that is open needs a moment to be found well")]
fn a_server_that_comes_back_is_found_long_before_the_breakers_own_time() {
    let mut server = peers::Postgres::start().expect("it starts");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = DatabaseConfig::default();
    let url = server.create_database("harbour").expect("it can be made");
    config.postgres.url = Some(url.parse().expect("it is a URL"));
    // A day: longer than any test waits.
    config.postgres.breaker.reset_ms = std::num::NonZeroU32::new(86_400_000).expect("it is positive");
    config.postgres.look_ms = std::num::NonZeroU32::new(200).expect("it is positive");
    let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
    let mut store = databases.open("harbour", &schema()).expect("it opens");
    count_both(&mut store).expect("it is well");
    server.kill();
    // It is not there, and whoever looks for it does not find it.
    let mut until = |wanted: &dyn Fn(&Result<(), StoreError>) -> bool| {
        for _ in 0..1200 {
            let counted = count_both(&mut store);
            if wanted(&counted) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("it never came to that: {:?}", count_both(&mut store));
    };
    until(&|counted| matches!(counted, Err(StoreError::Resting { .. })));
    server.restart().expect("it starts again");
    until(&|counted| counted.is_ok());
}
