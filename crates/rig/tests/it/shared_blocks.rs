//! Networks that one node blocks and all nodes keep out.

use std::time::Duration;

use rig::{Client, Server, ServerOptions};
use serde_json::json;

use crate::{Folder, until_metric};

const NETWORK: &str = "192.0.2.0/24";

fn start(folder: &Folder, redis: &peers::Redis) -> Server {
    let settings = format!(
        "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]\n[limits]\nrules = []\n[redis]\nurls = [\"{}\"]\n",
        redis.url()
    );
    let options = ServerOptions { settings, ..ServerOptions::default() };
    Server::start_with(&folder.data(), &options).expect("it starts")
}

fn inside(server: &Server) -> Client {
    server.client().with_field("x-forwarded-for", "192.0.2.7")
}

async fn until_status(client: &Client, status: u16) {
    let mut found = 0;
    for _ in 0..2400 {
        found = client.get("/health").await.expect("an answer").status;
        if found == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{found} and never {status}");
}

async fn block(server: &Server, network: &str) {
    let body = json!({ "network": network, "seconds": 3600, "reason": "scraping" });
    assert_eq!(server.operator().put("/blocks", &body).await.expect("an answer").status, 204);
}

async fn unblock(server: &Server) {
    let path = format!("/blocks?network={NETWORK}");
    assert_eq!(server.operator().delete(&path).await.expect("an answer").status, 204);
}

#[tokio::test]
async fn what_one_node_blocks_all_keep_out_until_any_takes_it_back() {
    let redis = peers::Redis::start().expect("Redis starts");
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let (one, other) = (start(&folders[0], &redis), start(&folders[1], &redis));
    until_metric(&one, "front_blocks_together 1").await;
    block(&one, NETWORK).await;
    assert_eq!(inside(&one).get("/health").await.expect("an answer").status, 403, "here it holds at once");
    until_status(&inside(&other), 403).await;
    let front = other.operator().get("/front").await.expect("an answer").json();
    assert_eq!(
        (&front["blocks"][0]["network"], &front["blocks"][0]["reason"]),
        (&json!(NETWORK), &json!("scraping"))
    );
    let late = start(&folders[2], &redis);
    until_status(&inside(&late), 403).await;
    unblock(&late).await;
    for server in [&one, &other, &late] {
        until_status(&inside(server), 200).await;
    }
}

#[tokio::test]
async fn without_redis_a_node_goes_on_alone_and_tells_the_others_later() {
    let mut redis = peers::Redis::start().expect("Redis starts");
    let folders = [Folder::new(), Folder::new()];
    let (one, other) = (start(&folders[0], &redis), start(&folders[1], &redis));
    for server in [&one, &other] {
        until_metric(server, "front_blocks_together 1").await;
    }
    block(&one, NETWORK).await;
    until_status(&inside(&other), 403).await;
    redis.kill();
    for server in [&one, &other] {
        until_metric(server, "front_blocks_together 0").await;
        assert_eq!(
            inside(server).get("/health").await.expect("an answer").status,
            403,
            "it holds without Redis"
        );
    }
    block(&one, "198.51.100.0/24").await;
    let new = |server: &Server| server.client().with_field("x-forwarded-for", "198.51.100.7");
    assert_eq!(new(&one).get("/health").await.expect("an answer").status, 403);
    assert_eq!(new(&other).get("/health").await.expect("an answer").status, 200, "it has not heard of it");
    until_metric(&one, "front_blocks_unshared 1").await;
    redis.restart().expect("it starts again");
    // It comes back empty: what was there, and what came meanwhile, is written by whoever knows it.
    until_status(&new(&other), 403).await;
    until_metric(&one, "front_blocks_unshared 0").await;
    for server in [&one, &other] {
        until_metric(server, "front_blocks_shared 2").await;
        assert_eq!(inside(server).get("/health").await.expect("an answer").status, 403);
    }
}

#[tokio::test]
async fn a_new_process_holds_to_what_redis_has_not_heard_of_and_tells_the_others() {
    let mut redis = peers::Redis::start().expect("Redis starts");
    let folders = [Folder::new(), Folder::new()];
    let (mut one, other) = (start(&folders[0], &redis), start(&folders[1], &redis));
    block(&one, NETWORK).await;
    until_status(&inside(&other), 403).await;
    redis.kill();
    until_metric(&one, "front_blocks_together 0").await;
    unblock(&one).await;
    block(&one, "198.51.100.0/24").await;
    one.hand_over().await.expect("another goes on");
    let new = |server: &Server| server.client().with_field("x-forwarded-for", "198.51.100.7");
    assert_eq!(new(&one).get("/health").await.expect("an answer").status, 403, "it holds on");
    assert_eq!(inside(&one).get("/health").await.expect("an answer").status, 200, "it was taken back");
    assert_eq!(new(&other).get("/health").await.expect("an answer").status, 200, "it has not heard of it");
    redis.restart().expect("it starts again");
    until_status(&new(&other), 403).await;
}

/// Has so many blocks stand there, as other nodes would have written them.
fn fill(redis: &peers::Redis, from: u32, to: u32) {
    let fill = "for n = ARGV[1], ARGV[2] do \
          local name = '10.' .. math.floor(n / 65536) .. '.' .. math.floor(n / 256) % 256 .. '.' .. n % 256 .. '/32' \
          redis.call('HSET', KEYS[1], name, 'flood') \
          redis.call('ZADD', KEYS[2], 4000000000000, name) \
        end \
        return redis.call('SET', KEYS[3], ARGV[2])";
    let keys = ["lines", "ends", "version"].map(|part| format!("holdfast:board:{{blocks}}:{part}"));
    let (from, to) = (from.to_string(), to.to_string());
    let [lines, ends, version] = &keys;
    redis.command(&["EVAL", fill, "3", lines, ends, version, &from, &to]).expect("it is written");
}

#[tokio::test]
async fn a_block_for_which_nodes_have_no_room_holds_where_it_was_made_and_operators_have_more() {
    let redis = peers::Redis::start().expect("Redis starts");
    let folders = [Folder::new(), Folder::new()];
    let (one, other) = (start(&folders[0], &redis), start(&folders[1], &redis));
    fill(&redis, 1, 20_000);
    for server in [&one, &other] {
        until_metric(server, "front_blocks_shared 20000").await;
    }
    block(&one, NETWORK).await;
    until_status(&inside(&other), 403).await;
    fill(&redis, 20_001, 24_999);
    for server in [&one, &other] {
        until_metric(server, "front_blocks_shared 25000").await;
    }
    block(&one, "198.51.100.0/24").await;
    until_metric(&one, "front_blocks_unshared 0").await;
    // All is read again, more than once.
    for version in 1..3 {
        fill(&redis, version, version);
        tokio::time::sleep(Duration::from_millis(1200)).await;
    }
    let new = |server: &Server| server.client().with_field("x-forwarded-for", "198.51.100.7");
    assert_eq!(new(&one).get("/health").await.expect("an answer").status, 403, "it holds here");
    assert_eq!(new(&other).get("/health").await.expect("an answer").status, 200);
    assert_eq!(inside(&one).get("/health").await.expect("an answer").status, 403);
}
