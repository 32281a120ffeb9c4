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
