//! Redis as fleets run it: behind TLS and a password, watched by sentinels, as a cluster.

use std::{fs, sync::Arc};

use cache::RedisConfig;
use peers::{Redis, RedisCluster, RedisSentinel, Secrets};
use rcgen::{CertificateParams, KeyPair};

use crate::{
    library::{Library, Shelves, tag},
    redis::{at, share, until},
};

async fn nodes(config: &RedisConfig) -> (Library, Library) {
    let shelves = Arc::new(Shelves::default());
    shelves.put("emma", 1);
    (Library::node(config, &shelves).await, Library::node(config, &shelves).await)
}

/// Both nodes write and read, and see what the other wrote.
async fn work_together(one: &Library, other: &Library, editions: std::ops::Range<u64>) {
    for edition in editions {
        let (writes, reads) = if edition % 2 == 0 { (one, other) } else { (other, one) };
        reads.edition("emma").await;
        writes.put("emma", edition);
        assert_eq!(writes.edition("emma").await, Some(edition));
        until(|| reads.room.peek("emma").is_none_or(|found| found.value.as_deref() == Some(&edition))).await;
        assert_eq!(reads.edition("emma").await, Some(edition));
    }
}

/// Does something new that one reads reach the other through Redis?
async fn until_shared(one: &Library, other: &Library, name: &str) {
    for number in 0..200 {
        let book = format!("{name}-{number}");
        one.edition(&book).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let reads = one.shelves.reads();
        other.edition(&book).await;
        if one.shelves.reads() == reads {
            return;
        }
    }
    panic!("nothing is shared any more");
}

/// A certificate for 127.0.0.1 that vouches for itself, its key, and a password.
fn secrets() -> Secrets {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    Secrets { certificate, key: key.serialize_pem(), password: "kelp".to_owned() }
}

/// The same settings with what vouches for these servers.
fn vouched(secrets: &Secrets, config: RedisConfig) -> (tempfile::TempDir, RedisConfig) {
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, &secrets.certificate).expect("it is written");
    (folder, RedisConfig { ca_file: Some(ca_file), ..config })
}

/// Nobody joins with these settings.
async fn check_refused(config: &RedisConfig) {
    let metrics = telemetry::Metrics::new();
    let cache = cache::Cache::open(clock::Clock::System, &metrics, config).expect("threads start");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(cache.goes_alone(), "{config:?}");
}

#[tokio::test]
async fn a_server_behind_tls_and_a_password_is_joined() {
    let secrets = secrets();
    let redis = Redis::start_behind(Some(&secrets), &[]).expect("Redis starts");
    let (_folder, config) = vouched(&secrets, at([redis.url()]));
    let (one, other) = nodes(&config).await;
    share(&redis, &one, "emma").await;
    work_together(&one, &other, 2..6).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_or_whose_password_is_another_is_not_joined() {
    let secrets = secrets();
    let redis = Redis::start_behind(Some(&secrets), &[]).expect("Redis starts");
    check_refused(&at([redis.url()])).await;
    let (_folder, config) = vouched(&self::secrets(), at([redis.url()]));
    check_refused(&config).await;
    let (_folder, config) = vouched(&secrets, at([redis.url().replace("kelp", "wrack")]));
    check_refused(&config).await;
    let (_folder, config) = vouched(&secrets, at([redis.url().replace("rediss", "redis")]));
    check_refused(&config).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_failover_by_sentinels_behind_tls_and_passwords_is_followed() {
    let secrets = secrets();
    let mut redis = RedisSentinel::start_behind(Some(&secrets)).expect("Redis starts");
    let named = RedisConfig { master: Some(RedisSentinel::NAME.to_owned()), ..at(redis.urls()) };
    let (_folder, config) = vouched(&secrets, named.clone());
    let (one, other) = nodes(&config).await;
    share(&redis.servers[0], &one, "emma").await;
    work_together(&one, &other, 2..6).await;
    redis.fail_over().expect("the replica takes over");
    one.put("emma", 7);
    assert_eq!(one.edition("emma").await, Some(7));
    one.until_joined().await;
    other.until_joined().await;
    until_shared(&one, &other, "after").await;
    check_refused(&named).await;
}

#[tokio::test]
async fn a_cluster_behind_tls_and_passwords_is_joined_and_its_masters_followed() {
    let secrets = secrets();
    let mut redis = RedisCluster::start_behind(Some(&secrets)).expect("the cluster starts");
    let clustered = RedisConfig { cluster: true, ..at(redis.urls()) };
    let (_folder, config) = vouched(&secrets, clustered.clone());
    let (one, other) = nodes(&config).await;
    until_shared(&one, &other, "before").await;
    work_together(&one, &other, 2..6).await;
    redis.nodes[2].kill();
    one.put("emma", 7);
    assert_eq!(one.edition("emma").await, Some(7));
    until_shared(&one, &other, "after").await;
    check_refused(&clustered).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_failover_by_sentinels_is_followed() {
    let mut redis = RedisSentinel::start().expect("Redis starts");
    let config = RedisConfig { master: Some(RedisSentinel::NAME.to_owned()), ..at(redis.urls()) };
    let (one, other) = nodes(&config).await;
    share(&redis.servers[0], &one, "emma").await;
    work_together(&one, &other, 2..6).await;
    redis.fail_over().expect("the replica takes over");
    // Whether or not it is back by then, everybody reads what they wrote.
    one.put("emma", 7);
    assert_eq!(one.edition("emma").await, Some(7));
    one.until_joined().await;
    other.until_joined().await;
    until_shared(&one, &other, "after").await;
    other.cache.drop_tags(&[tag("emma")]);
    work_together(&one, &other, 8..12).await;
}

#[tokio::test]
async fn slots_that_move_and_masters_that_die_are_followed() {
    let mut redis = RedisCluster::start().expect("the cluster starts");
    let config = RedisConfig { cluster: true, ..at(redis.urls()) };
    let (one, other) = nodes(&config).await;
    until_shared(&one, &other, "before").await;
    work_together(&one, &other, 2..6).await;
    redis.move_slots(0, 1).expect("the slots are moved");
    work_together(&one, &other, 6..10).await;
    until_shared(&one, &other, "moved").await;
    redis.nodes[2].kill();
    one.put("emma", 11);
    assert_eq!(one.edition("emma").await, Some(11));
    other.cache.drop_tags(&[tag("emma")]);
    // Who is not there when something is told hears nothing of it.
    one.until_joined().await;
    other.until_joined().await;
    until_shared(&one, &other, "killed").await;
    work_together(&one, &other, 12..16).await;
}
