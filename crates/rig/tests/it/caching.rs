//! What caches in between may keep, and a server whose Redis comes and goes.

use http::header::{CACHE_CONTROL, ETAG};
use peers::Redis;
use rig::{Client, Server, ServerOptions};

use crate::{Folder, PASSWORD};

/// Asks twice, the second time with what the first answer was tagged with.
async fn check_kept(client: &Client, path: &str, keep: &str) {
    let first = client.get(path).await.expect("an answer");
    assert_eq!((first.status, first.headers[CACHE_CONTROL].as_bytes()), (200, keep.as_bytes()), "{path}");
    assert!(first.headers.contains_key("surrogate-key"), "{path}");
    let tag = first.headers[ETAG].to_str().expect("text");
    let knows = client.clone().with_field("if-none-match", &format!("\"other\", {tag}"));
    let second = knows.get(path).await.expect("an answer");
    assert_eq!(
        (second.status, second.bytes.len(), &second.headers[ETAG]),
        (304, 0, &first.headers[ETAG]),
        "{path}"
    );
    let other = client.clone().with_field("if-none-match", "\"other\"");
    assert_eq!(other.get(path).await.expect("an answer").bytes, first.bytes, "{path}");
}

#[tokio::test]
async fn public_answers_may_be_kept_and_are_not_sent_twice() {
    const KEEP: &str = "public, max-age=60, s-maxage=300, stale-while-revalidate=3600";
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let client = server.client();
    check_kept(&client, "/openapi.json", KEEP).await;
    check_kept(&client, "/problems/identity/sign-in-refused", KEEP).await;
    check_kept(&client, "/problems/internal", KEEP).await;
    // It is published within half a second of the first entry.
    for _ in 0..200 {
        if client.get("/ledger/identity/checkpoint").await.expect("an answer").status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    check_kept(&client, "/ledger/identity/checkpoint", "no-cache").await;
}

/// Waits until `/ready` says this of Redis; it is 200 all the while.
async fn until_redis_is(client: &Client, expected: &str) {
    for _ in 0..400 {
        let ready = client.get("/ready").await.expect("an answer");
        assert_eq!((ready.status, ready.text("status")), (200, "ready".to_owned()));
        if ready.text("redis") == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("Redis is never `{expected}`");
}

#[tokio::test]
async fn a_server_without_its_redis_says_so_and_serves() {
    let mut redis = Redis::start().expect("Redis starts");
    let options = ServerOptions {
        settings: format!("[redis]\nurls = [\"{}\"]", redis.url()),
        ..ServerOptions::default()
    };
    let folder = Folder::new();
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let client = server.client();
    until_redis_is(&client, "").await;
    redis.freeze().expect("it runs");
    until_redis_is(&client, "away").await;
    client.register("ada", PASSWORD).await.expect("ada is new");
    redis.thaw().expect("it runs");
    until_redis_is(&client, "").await;
    redis.kill();
    until_redis_is(&client, "away").await;
    client.sign_in("ada", PASSWORD).await.expect("ada signs in");
    redis.restart().expect("it starts");
    until_redis_is(&client, "").await;
}
