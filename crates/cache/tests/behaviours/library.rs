//! A database of books that counts its readers, and the room in front of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache::{Cache, Found, How, RedisConfig, Room, RoomConfig, Tag, Unloaded};
use clock::{Clock, Timestamp};
use telemetry::Metrics;

/// Why a book could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

#[derive(Debug, Default)]
pub(crate) struct Shelves {
    books: Mutex<HashMap<String, u64>>,
    pub(crate) reads: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) panics: AtomicBool,
    pub(crate) slow_ms: AtomicU64,
}

pub(crate) struct Library {
    pub(crate) shelves: Arc<Shelves>,
    pub(crate) cache: Cache,
    pub(crate) room: Room<u64, Closed>,
    pub(crate) clock: Clock,
}

pub(crate) fn tag(book: &str) -> Tag {
    Tag::of(&format!("book:{book}"))
}

impl Shelves {
    async fn read(&self, book: &str) -> Result<Option<u64>, Closed> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let read = self.books.lock().expect("no reader panics with it").get(book).copied();
        let slow = self.slow_ms.load(Ordering::SeqCst);
        if slow > 0 {
            tokio::time::sleep(Duration::from_millis(slow)).await;
        }
        assert!(!self.panics.load(Ordering::SeqCst), "the shelf fell over");
        if self.closed.load(Ordering::SeqCst) { Err(Closed) } else { Ok(read) }
    }

    pub(crate) fn put(&self, book: &str, edition: u64) {
        self.books.lock().expect("no reader panics with it").insert(book.to_owned(), edition);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Library {
    /// Its clock stands still until it is turned.
    pub(crate) fn new(config: RoomConfig) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 7);
        let cache =
            Cache::open(clock.clone(), &Metrics::new(), &RedisConfig::default()).expect("threads start");
        Self::with(cache, clock, config, Arc::default())
    }

    pub(crate) fn with(cache: Cache, clock: Clock, config: RoomConfig, shelves: Arc<Shelves>) -> Self {
        let reads_from = Arc::clone(&shelves);
        let room = Room::new(
            &cache,
            "books",
            config,
            |book| vec![tag(book)],
            move |book| {
                let shelves = Arc::clone(&reads_from);
                async move { shelves.read(&book).await }
            },
        );
        Self { shelves, cache, room, clock }
    }

    /// A node of a fleet, which reads the same shelves as others and has Redis beside it.
    pub(crate) async fn node(redis: &RedisConfig, shelves: &Arc<Shelves>) -> Self {
        let cache = Cache::open(Clock::System, &Metrics::new(), redis).expect("threads start");
        let library = Self::with(cache, Clock::System, RoomConfig::default(), Arc::clone(shelves));
        library.until_joined().await;
        library
    }

    pub(crate) async fn until_joined(&self) {
        let joined = async {
            while self.cache.goes_alone() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), joined).await.expect("Redis is joined");
    }

    /// As a commit does: the row first, then its tags.
    pub(crate) fn put(&self, book: &str, edition: u64) {
        self.shelves.put(book, edition);
        self.cache.drop_tags(&[tag(book)]);
    }

    pub(crate) async fn edition(&self, book: &str) -> Option<u64> {
        let found = self.room.get(book).await.expect("the library is open");
        found.value.as_deref().copied()
    }

    pub(crate) async fn get(&self, book: &str) -> Result<Found<u64>, Unloaded<Closed>> {
        self.room.get(book).await
    }

    pub(crate) async fn how(&self, book: &str) -> Option<How> {
        self.get(book).await.ok().map(|found| found.how)
    }

    pub(crate) fn seconds_pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Waits until so many readings have been begun.
    pub(crate) async fn until_reads(&self, reads: u64) {
        let all = async {
            while self.shelves.reads() < reads {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), all).await.expect("somebody reads");
    }
}
