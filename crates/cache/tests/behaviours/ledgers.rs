//! A ledger whose commits drop tags, on the node that commits and on those that follow.

use std::{fs, path::Path, sync::Arc, time::Duration};

use authz::{Actor, By, Guarded};
use cache::{Cache, RedisConfig, Room, RoomConfig, Tag};
use clock::{Clock, Timestamp};
use ledger::{Applied, Command, Ledger, LedgerConfig, Opening};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{DatabaseConfig, Databases, Keys, PostgresConfig, Schema, StoreError, Told, Tx};
use telemetry::Metrics;

store::table! {
    /// What is chalked on a board.
    pub struct Board in "boards", Replayed {
        key { pub(crate) place: u32 }
        pub(crate) edition: u64,
    }
}

const SQL: &str = "CREATE TABLE boards (place BIGINT PRIMARY KEY, edition BIGINT NOT NULL);";

/// Something new is chalked on a board.
#[derive(Debug, Serialize, Deserialize)]
struct Chalk {
    place: u32,
    edition: u64,
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct ChalkError(#[from] StoreError);

impl From<ChalkError> for Problem {
    fn from(error: ChalkError) -> Self {
        Self::conflict("pier/refused", error)
    }
}

impl Guarded for Chalk {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for Chalk {
    const NAME: &'static str = "pier/chalk";
    type Done = ();
    type Refused = ChalkError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Board>(self.place);
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, ChalkError> {
        tx.put(Board { place: self.place, edition: self.edition });
        Ok(Applied::new(()))
    }
}

/// A node with a ledger and a cache in front of it.
struct Pier {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    boards: Room<u64, StoreError>,
}

fn tag(place: &str) -> Tag {
    Tag::of(&format!("board:{place}"))
}

impl Pier {
    fn open(database: Option<&str>, keys: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        if let Some(keys) = keys {
            fs::copy(keys, path("keys.json")).expect("it can be copied");
        }
        let url = database.map(|url| url.parse().expect("it is a URL"));
        let postgres = PostgresConfig { url, ..PostgresConfig::default() };
        let config = DatabaseConfig { postgres, ..DatabaseConfig::default() };
        let databases = Databases::new(folder.path(), &config).expect("its settings can be used");
        let schema = ledger::schema().and(Schema::new().migration("pier/0001", SQL).table::<Board>());
        let cache = Cache::open(Clock::System, &Metrics::new(), &RedisConfig::default()).expect("it opens");
        let watch =
            cache.watch(|changes| changes.of::<Board>().map(|(place, _)| tag(&place.to_string())).collect());
        let ledger = Ledger::open(Opening {
            name: "pier".into(),
            origin: "example.org/pier".to_owned(),
            store: databases.open("pier", &schema).expect("it opens"),
            keys: seal::Keys::open(&path("keys.json"), &Clock::System).expect("the key file opens"),
            clock: Clock::System,
            times: ledger::Times::Exact,
            config: LedgerConfig::default(),
            checkpoint_path: path("pier.checkpoint"),
            watchers: vec![watch],
            told: Told::new().table::<Board>(),
            standing: ledger::Standing::LASTING,
            metrics: Metrics::new(),
        })
        .expect("the ledger opens");
        let readers = ledger.readers().clone();
        let load = move |place: Arc<str>| {
            let readers = readers.clone();
            async move {
                let place: u32 = place.parse().expect("places are numbers");
                let board = readers.read(move |snapshot| snapshot.get::<Board>(&place)).await?;
                Ok(board.map(|board| board.edition))
            }
        };
        let boards = Room::new(&cache, "boards", RoomConfig::default(), |place| vec![tag(place)], load);
        Self { _folder: folder, ledger, boards }
    }

    async fn chalk(&self, place: u32, edition: u64) {
        let command = Actor::service("pier").permit(Chalk { place, edition }).expect("a service may");
        self.ledger.submit(command).await.expect("it is chalked");
    }

    async fn reads(&self, place: u32) -> Option<u64> {
        let found = self.boards.get(&place.to_string()).await.expect("it can be read");
        found.value.as_deref().copied()
    }

    /// Writes and reads its own board, again and again.
    async fn works(&self, place: u32) {
        for edition in 1..100 {
            self.chalk(place, edition).await;
            assert_eq!(self.reads(place).await, Some(edition));
        }
    }
}

#[tokio::test]
async fn once_a_commit_is_answered_its_own_node_serves_nothing_older() {
    let pier = Pier::open(None, None);
    futures_util::future::join_all((0..20).map(|place| pier.works(place))).await;
    pier.ledger.stop();
}

#[tokio::test]
async fn without_redis_other_nodes_hear_of_it_from_the_ledger() {
    let database = peers::fresh_database().expect("there is a server");
    let one = Pier::open(Some(&database), None);
    let other = Pier::open(Some(&database), Some(&one._folder.path().join("keys.json")));
    one.chalk(7, 1).await;
    let mut took = Vec::new();
    for edition in 2..22 {
        other.reads(7).await;
        one.chalk(7, edition).await;
        let stopwatch = Clock::System.stopwatch();
        while other.reads(7).await != Some(edition) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.push(stopwatch.elapsed());
    }
    took.sort_unstable();
    assert!(took[10] < Duration::from_millis(50), "{took:?}");
    one.ledger.stop();
    other.ledger.stop();
}
