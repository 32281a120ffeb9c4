//! What nodes share through Redis, and what becomes of them without it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cache::{How, RedisConfig, RedisUrl};
use clock::Clock;
use peers::Redis;

use crate::{
    library::{Library, Shelves},
    writes::hammer,
};

/// Nobody may be held up longer than this.
const PATIENCE: Duration = Duration::from_millis(50);

pub(crate) fn at(urls: impl IntoIterator<Item = String>) -> RedisConfig {
    let urls = urls.into_iter().map(|url| RedisUrl::try_from(url).expect("a URL")).collect();
    RedisConfig { urls, ..RedisConfig::default() }
}

fn server() -> (Redis, RedisConfig) {
    let redis = Redis::start().expect("Redis starts");
    let config = at([redis.url()]);
    (redis, config)
}

/// Two nodes that read the same shelves.
async fn two(config: &RedisConfig) -> (Library, Library) {
    let shelves = Arc::new(Shelves::default());
    shelves.put("emma", 1);
    (Library::node(config, &shelves).await, Library::node(config, &shelves).await)
}

/// Reads a book on one node, and waits until the other would find it in Redis.
pub(crate) async fn share(redis: &Redis, library: &Library, book: &str) {
    library.edition(book).await;
    until(|| {
        redis.command(&["EXISTS", &format!("holdfast:entry:books:{book}")]).is_ok_and(|there| there == "1")
    })
    .await;
}

pub(crate) async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it happens");
}

#[tokio::test]
async fn what_one_node_read_another_takes_from_redis() {
    let (redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "emma").await;
    assert_eq!(other.edition("emma").await, Some(1));
    assert_eq!(one.shelves.reads(), 1);
}

#[tokio::test]
async fn that_something_is_not_there_is_shared_too() {
    let (redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "persuasion").await;
    assert_eq!(other.edition("persuasion").await, None);
    assert_eq!(one.shelves.reads(), 1);
}

#[tokio::test]
async fn what_was_dropped_is_not_taken_from_redis() {
    let (redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "emma").await;
    other.put("emma", 2);
    assert_eq!(other.edition("emma").await, Some(2));
    until(|| one.room.peek("emma").is_none()).await;
    assert_eq!(one.edition("emma").await, Some(2));
}

#[tokio::test]
async fn another_node_drops_a_tag_within_fifty_milliseconds() {
    let (_redis, config) = server();
    let (one, other) = two(&config).await;
    let mut slow = 0;
    for edition in 2..52 {
        one.edition("emma").await;
        other.put("emma", edition);
        let stopwatch = Clock::System.stopwatch();
        until(|| one.room.peek("emma").is_none()).await;
        slow += u32::from(stopwatch.elapsed() > PATIENCE);
        assert_eq!(one.edition("emma").await, Some(edition));
    }
    // The machine that tests run on may pause.
    assert!(slow <= 2, "{slow} of 50 took longer");
}

#[tokio::test]
async fn with_redis_too_nobody_sees_what_is_older_than_their_own_write() {
    let (_redis, config) = server();
    let (one, other) = two(&config).await;
    let nodes = [(one, "novel"), (other, "essay")].map(|(node, books)| {
        std::thread::spawn(move || hammer(&Arc::new(node), books, 8, Duration::from_secs(2)))
    });
    for node in nodes {
        assert!(node.join().expect("nothing older was seen") > 200);
    }
}

#[tokio::test]
async fn a_frozen_redis_costs_nobody_more_than_fifty_milliseconds() {
    let (redis, config) = server();
    let (one, _other) = two(&config).await;
    redis.freeze().expect("it runs");
    let mut slow = Vec::new();
    for book in 0..200 {
        let stopwatch = Clock::System.stopwatch();
        assert_eq!(one.how(&format!("book-{book}")).await, Some(How::Fresh));
        slow.push(stopwatch.elapsed());
    }
    slow.sort_unstable();
    assert!(slow[199] < PATIENCE, "{slow:?}");
    // Once it is known, nobody waits at all.
    assert!(slow[180] < Duration::from_millis(5), "{slow:?}");
    assert!(one.cache.goes_alone());
    redis.thaw().expect("it runs");
    one.until_joined().await;
}

#[tokio::test]
async fn drops_while_redis_is_frozen_hold_when_it_is_back() {
    let (redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "emma").await;
    redis.freeze().expect("it runs");
    other.put("emma", 2);
    assert_eq!(other.edition("emma").await, Some(2));
    redis.thaw().expect("it runs");
    other.until_joined().await;
    other.cache.drop_tags(&[crate::library::tag("another")]);
    until(|| one.room.peek("emma").is_none()).await;
    assert_eq!(other.edition("emma").await, Some(2));
    assert_eq!(one.edition("emma").await, Some(2));
}

#[tokio::test]
async fn a_killed_redis_is_gone_without_and_rejoined() {
    let (mut redis, config) = server();
    let (one, other) = two(&config).await;
    redis.kill();
    for edition in 2..100 {
        let stopwatch = Clock::System.stopwatch();
        one.put("emma", edition);
        assert_eq!(one.edition("emma").await, Some(edition));
        assert!(stopwatch.elapsed() < PATIENCE);
    }
    until(|| one.cache.goes_alone() && other.cache.goes_alone()).await;
    redis.restart().expect("it starts");
    one.until_joined().await;
    other.until_joined().await;
    let reads = one.shelves.reads();
    share(&redis, &one, "sanditon").await;
    assert_eq!(other.edition("sanditon").await, None);
    assert_eq!(one.shelves.reads(), reads + 1);
}

#[tokio::test]
async fn a_redis_that_comes_back_with_what_it_had_long_ago_is_not_believed() {
    let (mut redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "emma").await;
    redis.command(&["SAVE"]).expect("it saves");
    other.put("emma", 2);
    until(|| one.room.peek("emma").is_none()).await;
    redis.restart().expect("it starts");
    one.until_joined().await;
    other.until_joined().await;
    assert_eq!(redis.command(&["EXISTS", "holdfast:entry:books:emma"]).ok().as_deref(), Some("1"));
    assert_eq!((one.edition("emma").await, other.edition("emma").await), (Some(2), Some(2)));
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again() {
    let (redis, config) = server();
    let (one, other) = two(&config).await;
    share(&redis, &one, "emma").await;
    redis.command(&["FLUSHALL"]).expect("it is emptied");
    assert_eq!(other.edition("emma").await, Some(1));
    one.cache.drop_tags(&[crate::library::tag("emma")]);
    until(|| {
        let there = redis.command(&["EXISTS", "holdfast:era:now"]);
        there.is_ok_and(|there| there == "1")
    })
    .await;
}

#[tokio::test]
async fn a_full_redis_that_evicts_is_no_worse_than_none() {
    let redis = Redis::start_with(&[("maxmemory", "2mb"), ("maxmemory-policy", "allkeys-random")]);
    let redis = redis.expect("Redis starts");
    let (one, other) = two(&at([redis.url()])).await;
    for edition in 1..2000 {
        let book = format!("book-{}", edition % 100);
        one.put(&book, edition);
        assert_eq!(one.edition(&book).await, Some(edition));
    }
    drop(other);
}

#[tokio::test]
async fn without_a_redis_from_the_start_a_node_goes_alone() {
    let config = at(["redis://127.0.0.1:1".to_owned()]);
    let cache =
        cache::Cache::open(Clock::System, &telemetry::Metrics::new(), &config).expect("threads start");
    let library = Library::with(cache, Clock::System, cache::RoomConfig::default(), Arc::default());
    library.shelves.put("emma", 1);
    assert_eq!(library.edition("emma").await, Some(1));
    assert!(library.cache.goes_alone());
    assert_eq!(library.shelves.reads.load(Ordering::SeqCst), 1);
}
