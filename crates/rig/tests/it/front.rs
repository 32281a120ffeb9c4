//! Whom a server lets in, and how operators see and change that while it serves.

use rig::{Client, Server, ServerOptions};
use serde_json::json;

use crate::{BEHIND, Folder, PASSWORD};

fn start(folder: &Folder, settings: &str) -> Server {
    let options = ServerOptions { settings: settings.to_owned(), ..ServerOptions::default() };
    Server::start_with(&folder.data(), &options).expect("it starts")
}

fn from(server: &Server, address: &str) -> Client {
    server.client().with_field("x-forwarded-for", address)
}

async fn status(client: &Client, path: &str) -> u16 {
    client.get(path).await.expect("an answer").status
}

fn limit_of(limit: u32) -> String {
    format!(
        "{BEHIND}[[limits.rules]]\nname = \"all\"\nadapts = false\nby = [\"address\"]\n\
         quota = {{ algorithm = \"fixed-window\", limit = {limit}, window-ms = 36000000 }}\n"
    )
}

#[tokio::test]
async fn an_address_that_floods_is_blocked_and_others_are_not() {
    let folder = Folder::new();
    let settings = limit_of(100).replace("window-ms", "block-ms = 60000, window-ms");
    let server = start(&folder, &settings);
    let (flood, other) = (from(&server, "192.0.2.1"), from(&server, "192.0.2.2"));
    for _ in 0..100 {
        assert_eq!(status(&flood, "/health").await, 200);
    }
    let refused = flood.get("/health").await.expect("an answer");
    assert_eq!(refused.problem(), "edge/too-many-requests");
    assert_eq!(refused.headers["retry-after"], "60");
    assert_eq!(status(&other, "/health").await, 200);
    let front = server.operator().get("/front").await.expect("an answer").json();
    assert_eq!(front["rules"][0]["refused"], 1, "{front}");
}

#[tokio::test]
async fn settings_are_read_again_at_a_signal_and_when_asked() {
    let folder = Folder::new();
    let server = start(&folder, &limit_of(3));
    let one = from(&server, "192.0.2.1");
    let mut passed = 0;
    while status(&one, "/health").await == 200 {
        passed += 1;
    }
    assert_eq!(passed, 3);
    server.write_settings("[limits]\nrules = 7").expect("written");
    let refused = server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (422, "server/bad-settings".to_owned()));
    assert_eq!(status(&one, "/health").await, 429);
    server.write_settings(&format!("{}[edge]\nidle-ms-max = 70000\n", limit_of(5))).expect("written");
    let done = server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!((done.status, &done.json()["nextStart"]), (200, &json!(["edge"])));
    assert_eq!(status(&one, "/health").await, 200);
    server.write_settings(&limit_of(1000)).expect("written");
    server.hang_up();
    for _ in 0..400 {
        let front = server.operator().get("/front").await.expect("an answer").json();
        if front["rules"][0]["limit"] == 1000 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the signal was not heard");
}

#[tokio::test]
async fn changes_of_settings_drop_no_request() {
    let folder = Folder::new();
    let server = start(&folder, &limit_of(1_000_000));
    let asks: Vec<_> = (0..4)
        .map(|number| {
            let client = from(&server, &format!("192.0.2.{number}"));
            tokio::spawn(async move {
                for _ in 0..500 {
                    assert_eq!(status(&client, "/health").await, 200);
                }
            })
        })
        .collect();
    for change in 0..100 {
        server.write_settings(&limit_of(1_000_000 + change)).expect("written");
        let done = server.operator().post("/reload", &json!({})).await.expect("an answer");
        assert_eq!(done.status, 200);
    }
    for ask in asks {
        ask.await.expect("all were answered");
    }
}

#[tokio::test]
async fn operators_block_a_network_and_take_it_back() {
    let folder = Folder::new();
    let server = start(&folder, &format!("{BEHIND}[networks]\n"));
    let (inside, outside) = (from(&server, "2001:db8::7"), from(&server, "2001:db9::7"));
    let operator = server.operator();
    let body = json!({ "network": "2001:db8::/32", "seconds": 3600, "reason": "scraping" });
    assert_eq!(operator.put("/blocks", &body).await.expect("an answer").status, 204);
    let refused = inside.get("/health").await.expect("an answer");
    assert_eq!((refused.status, refused.problem()), (403, "edge/blocked".to_owned()));
    assert_eq!(status(&outside, "/health").await, 200);
    let front = operator.get("/front").await.expect("an answer").json();
    assert_eq!(front["blocks"][0]["reason"], "scraping");
    let gone = operator.delete("/blocks?network=2001:db8::/32").await.expect("an answer");
    assert_eq!(gone.status, 204);
    assert_eq!(status(&inside, "/health").await, 200);
    let none = operator.delete("/blocks?network=2001:db8::/32").await.expect("an answer");
    assert_eq!((none.status, none.problem()), (404, "server/no-such-block".to_owned()));
    for (network, seconds) in [("2001:db8::/32", 0), ("0.0.0.0/0", 60), ("2000::/3", 60)] {
        let long = json!({ "network": network, "seconds": seconds });
        let refused = operator.put("/blocks", &long).await.expect("an answer");
        assert_eq!(refused.problem(), "server/block-out-of-range", "{network}");
    }
}

/// How many of these pass, one after the other at each server in turn.
async fn passed(servers: &[Server], address: &str, asks: usize) -> usize {
    let mut passed = 0;
    for server in servers.iter().cycle().take(asks) {
        passed += usize::from(status(&from(server, address), "/health").await == 200);
    }
    passed
}

#[tokio::test]
async fn nodes_give_out_together_what_one_could_and_go_on_alone_without_redis() {
    let mut redis = peers::Redis::start().expect("Redis starts");
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let url = redis.url();
    let settings = |share: &str| {
        let limit = limit_of(21).replace("by =", &format!("share = \"{share}\"\nby ="));
        format!("{limit}[limits]\nnodes = 3\n[redis]\nurls = [\"{url}\"]\ntimeout-ms = 10000\n")
    };
    let start_all = |share: &str| -> Vec<Server> {
        folders.iter().map(|folder| start(folder, &settings(share))).collect()
    };
    let servers = start_all("fleet");
    for server in &servers {
        for _ in 0..400 {
            let ready = server.client().get("/ready").await.expect("an answer");
            if ready.status == 200 && ready.json().get("redis").is_none() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }
    assert_eq!(passed(&servers, "192.0.2.1", 60).await, 21);
    redis.kill();
    // What a node finds out is that nobody answers; until then it may refuse what was refused before.
    assert_eq!(passed(&servers, "192.0.2.2", 90).await, 3 * 21, "each gives out all of it");
    drop(servers);
    let servers = start_all("strict");
    assert_eq!(passed(&servers, "192.0.2.3", 60).await, 21, "each gives out its part");
}

#[tokio::test]
async fn a_limit_by_person_follows_them_to_other_addresses() {
    let folder = Folder::new();
    let settings = format!(
        "{BEHIND}[[limits.rules]]\nname = \"sessions\"\nroutes = [\"GET /api/v1/session\"]\nby = [\"person\"]\nadapts = false\n\
         quota = {{ algorithm = \"token-bucket\", limit = 2, window-ms = 36000000 }}\n"
    );
    let server = start(&folder, &settings);
    server.client().register("ada", PASSWORD).await.expect("an answer");
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("signed in");
    let ask = |address: &str| {
        let client = ada.clone().with_field("x-forwarded-for", address);
        async move { client.get("/api/v1/session").await.expect("an answer") }
    };
    let first = ask("192.0.2.1").await;
    assert_eq!(first.status, 200);
    assert!(first.headers["ratelimit"].to_str().is_ok_and(|told| told.starts_with("\"sessions\";r=1;")));
    assert_eq!(ask("192.0.2.2").await.status, 200);
    assert_eq!(ask("192.0.2.3").await.problem(), "edge/too-many-requests");
}
