//! What reads must find when servers that follow the primary take them off it.

use std::num::NonZeroU32;

use peers::Postgres;
use store::{DatabaseConfig, Databases, Schema, Store};
use telemetry::Metrics;

store::table! {
    /// What was caught on a day, in the order it was weighed.
    struct Catch in "catches", Replayed {
        key { number: u64 }
        salt: Vec<u8>,
    }
}

const CATCHES: &str = "CREATE TABLE catches (number BIGINT PRIMARY KEY, salt BYTEA NOT NULL);";

struct Fleet {
    primary: Postgres,
    replica: Postgres,
    metrics: Metrics,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Fleet {
    fn start() -> Self {
        let primary = Postgres::start().expect("it starts");
        let url = primary.create_database("harbour").expect("it can be made");
        let replica = primary.standby("replica").expect("it starts");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = DatabaseConfig::default();
        config.postgres.url = Some(url.parse().expect("it is a URL"));
        config.postgres.replicas = vec![replica.url("harbour").parse().expect("it is a URL")];
        // One that is well has caught up by then, also on a machine that has other things to do.
        config.postgres.replica_wait_ms_max = NonZeroU32::new(500).expect("it is positive");
        let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
        let schema = Schema::new().migration("harbour/0001_catches", CATCHES).log::<Catch>("salt");
        let store = databases.open("harbour", &schema).expect("it opens");
        let metrics = Metrics::new();
        databases.register(&metrics);
        Self { primary, replica, metrics, store, _folder: folder }
    }

    /// Writes one more row and reads it, as whoever wrote it would.
    async fn write_and_read(&mut self, number: u64) {
        let salt = number.to_be_bytes().to_vec();
        let mut batch = self.store.writer.begin().expect("it begins");
        batch.append(Catch { number, salt: salt.clone() });
        batch.flush().expect("it is sent");
        batch.commit().expect("it commits");
        drop(batch);
        let found = self.store.readers.read(move |snapshot| snapshot.get::<Catch>(&number)).await;
        assert_eq!(found.expect("it reads").map(|catch| catch.salt), Some(salt), "row {number}");
    }

    /// How many reads were put to replicas, and how many to the primary.
    fn reads(&self) -> (u64, u64) {
        let count = |role: &str| self.count(&format!("store_reads_total{{role=\"{role}\"}} "));
        (count("replica"), count("reader"))
    }

    /// How many reads the replica could not take.
    fn passed_over(&self) -> u64 {
        self.count("store_reads_passed_over_total ")
    }

    fn count(&self, series: &str) -> u64 {
        let text = self.metrics.encode();
        text.lines()
            .find_map(|line| line.strip_prefix(series))
            .map_or(0, |count| count.parse().expect("a number"))
    }

    fn ask_replica(&self, sql: &str) -> String {
        self.replica.query("harbour", sql).expect("it answers")
    }
}

#[tokio::test]
async fn a_replica_takes_reads_and_nobody_misses_what_they_just_wrote() {
    let mut fleet = Fleet::start();
    for number in 0..50 {
        fleet.write_and_read(number).await;
    }
    let (replica, primary) = fleet.reads();
    assert!(replica >= 45, "{replica} reads were put to the replica, {primary} to the primary");
    assert!(
        fleet.passed_over() <= primary,
        "{} were passed over, {primary} put to the primary",
        fleet.passed_over()
    );
}

#[tokio::test]
async fn a_replica_that_lags_is_not_read_until_it_has_caught_up() {
    let mut fleet = Fleet::start();
    fleet.write_and_read(0).await;
    fleet.ask_replica("SELECT pg_wal_replay_pause()");
    for number in 1..10 {
        fleet.write_and_read(number).await;
    }
    let (before, _) = fleet.reads();
    assert!(before <= 1, "it had not even the first row after the pause");
    // Those too for which it was not asked any more.
    assert!(fleet.passed_over() >= 9, "{} reads were passed over", fleet.passed_over());
    assert!(fleet.metrics.encode().contains("store_replicas_behind_total"));
    fleet.ask_replica("SELECT pg_wal_replay_resume()");
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        for number in 10.. {
            fleet.write_and_read(number).await;
            if fleet.reads().0 > before {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("it is read again");
}

#[tokio::test]
async fn a_replica_that_went_its_own_way_is_not_read() {
    let mut fleet = Fleet::start();
    fleet.write_and_read(0).await;
    fleet.replica.promote().expect("it is promoted");
    let (before, _) = fleet.reads();
    fleet.ask_replica("INSERT INTO harbour.catches VALUES (1, 'another'), (2, 'history')");
    fleet.write_and_read(1).await;
    fleet.write_and_read(2).await;
    assert_eq!(fleet.reads().0, before);
}

#[tokio::test]
async fn a_replica_that_is_gone_costs_nobody_an_answer() {
    let mut fleet = Fleet::start();
    fleet.write_and_read(0).await;
    fleet.replica.kill();
    for number in 1..10 {
        fleet.write_and_read(number).await;
    }
    assert!(fleet.passed_over() >= 9, "{} reads were passed over", fleet.passed_over());
    assert!(
        fleet.primary.query("harbour", "SELECT count(*) FROM harbour.catches").expect("it answers") == "10"
    );
}

#[tokio::test]
async fn a_read_waits_for_a_primary_that_is_frozen_once() {
    let mut fleet = Fleet::start();
    fleet.write_and_read(0).await;
    fleet.primary.freeze();
    let waited = clock::Clock::System.stopwatch();
    let failed = fleet.store.readers.read(|snapshot| snapshot.get::<Catch>(&0)).await;
    assert!(matches!(failed, Err(store::StoreError::TooSlow)), "{failed:?}");
    // Of a statement's three seconds, with half a second for the network.
    assert!(waited.elapsed() < std::time::Duration::from_secs(6), "{:?}", waited.elapsed());
    fleet.primary.thaw();
}
