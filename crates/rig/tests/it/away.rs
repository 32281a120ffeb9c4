//! The database is away: what is still answered, what is refused at once, and what nobody is told.

use std::time::Duration;

use clock::Clock;
use http::header::{AGE, RETRY_AFTER, WARNING};
use peers::Postgres;
use rig::{Answer, Client, Server};
use serde_json::json;

use crate::{PASSWORD, fleet::Fleet};

/// Two nodes on a server of their own. A breaker that opened stays open for ten seconds: long enough for what a
/// test asks meanwhile.
fn fleet() -> (Postgres, Fleet) {
    let server = Postgres::start().expect("it starts");
    let url = server.create_database("holdfast").expect("it can be made");
    (server, Fleet::start_with_breaker(&url, 2, "calls-min = 3\nreset-ms = 10000"))
}

async fn get(client: &Client, path: &str) -> Answer {
    client.get(path).await.expect("an answer")
}

/// Asks for what can only be read until the node leaves its database alone.
async fn until_left_alone(client: &Client) {
    for _ in 0..60 {
        let stopwatch = Clock::System.stopwatch();
        let answer = get(client, "/api/v1/persons?limit=1").await;
        if answer.status == 503 && stopwatch.elapsed() < Duration::from_millis(100) {
            return;
        }
    }
    panic!("the breaker does not open");
}

async fn until_answered(client: &Client, path: &str) {
    for _ in 0..300 {
        let answer = get(client, path).await;
        if answer.status == 200 && !answer.headers.contains_key(WARNING) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} is not answered any more");
}

async fn counted(server: &Server, metric: &str) -> bool {
    let metrics = get(&server.operator(), "/metrics").await;
    let text = String::from_utf8_lossy(&metrics.bytes).into_owned();
    text.lines().any(|line| line.starts_with(metric) && !line.ends_with(" 0"))
}

#[tokio::test]
async fn what_was_read_before_is_answered_and_said_to_be_old_and_changes_are_refused_at_once() {
    let (database, fleet) = fleet();
    let (_, node) = &fleet.nodes[0];
    let administrator = node.administrator().await.expect("they sign in");
    let registered = node.client().register("ada", PASSWORD).await.expect("ada is new").json();
    let (id, index) = (registered["personId"].as_str().expect("text"), &registered["receipt"]["index"]);
    let ada = node.client().sign_in("ada", PASSWORD).await.expect("ada signs in");
    let (person, receipt) = (format!("/api/v1/persons/{id}"), format!("/ledger/identity/receipts/{index}"));
    until_answered(&ada, &receipt).await;
    let consistency = "/ledger/identity/consistency?from=1&to=2";
    let paths = [person.as_str(), receipt.as_str(), consistency];
    let mut before = Vec::new();
    for path in paths {
        let answer = get(&ada, path).await;
        assert!(answer.status == 200 && !answer.headers.contains_key(AGE), "{path}: {}", answer.json());
        before.push(answer.bytes);
    }
    // What is told of entries comes within moments, and takes back what was read before it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    get(&ada, &person).await;

    database.freeze();
    until_left_alone(&administrator).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_left_alone(&administrator).await;
    for (path, before) in paths.iter().zip(&before) {
        let stopwatch = Clock::System.stopwatch();
        let answer = get(&ada, path).await;
        assert_eq!((answer.status, &answer.bytes), (200, before), "{path}");
        assert_eq!(answer.headers[WARNING], "111 - \"Revalidation Failed\"", "{path}");
        let age: u64 = answer.headers[AGE].to_str().expect("text").parse().expect("seconds");
        assert!((1..120).contains(&age), "{path}: {age}");
        assert!(stopwatch.elapsed() < Duration::from_millis(500), "{path}: {:?}", stopwatch.elapsed());
    }
    assert!(counted(node, "cache_stale_on_error_total{room=\"persons\"}").await);
    // Who may not see it does not see it now either, and what was never read is not made up.
    assert_eq!(get(&node.client(), &person).await.status, 401);
    let other = "/api/v1/persons/01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(get(&administrator, other).await.problem(), "store/unavailable");
    // Whoever knows of something newer than this node does is not told what may be older.
    for unread in ["-1", "newest", "9223372036854775808", ""] {
        let answer = get(&ada.clone().with_field("ledger-seen", unread), &person).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "identity/ledger-seen-unfit".to_owned()),
            "{unread}"
        );
    }
    let knows = ada.clone().with_field("ledger-seen", "1000000");
    assert_eq!(get(&knows, &person).await.status, 503);
    let knows = ada.clone().with_field("ledger-seen", &index.to_string());
    assert_eq!(get(&knows, &person).await.status, 200);

    let stopwatch = Clock::System.stopwatch();
    let standing = json!({"kind": "citizen", "roles": [], "disabled": false});
    let refused = administrator.put(&format!("{person}/standing"), &standing).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.json());
    assert!(refused.headers.contains_key(RETRY_AFTER));
    assert!(stopwatch.elapsed() < Duration::from_millis(500), "{:?}", stopwatch.elapsed());

    database.thaw();
    until_answered(&ada, &person).await;
    let changed = async {
        loop {
            let answer =
                administrator.put(&format!("{person}/standing"), &standing).await.expect("an answer");
            if answer.status == 204 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let changed = tokio::time::timeout(Duration::from_secs(30), changed).await.expect("it is back");
    let seen: u64 = changed.headers["ledger-seen"].to_str().expect("text").parse().expect("an index");
    assert!(Some(seen) > index.as_u64());
}

#[tokio::test]
async fn nobody_is_told_less_than_what_they_wrote_themselves_at_this_node_or_another() {
    let (database, fleet) = fleet();
    let administrators = [fleet.nodes[0].1.administrator().await.expect("they sign in")];
    let registered = fleet.client(0).register("ada", PASSWORD).await.expect("ada is new").json();
    let person = format!("/api/v1/persons/{}", registered["personId"].as_str().expect("text"));
    let token = administrators[0].token.clone().expect("they signed in");
    let elsewhere = fleet.client(1).with_token(&token);
    for client in [&administrators[0], &elsewhere] {
        assert_eq!(get(client, &person).await.json()["kind"], "citizen");
    }
    let standing = json!({"kind": "staff", "roles": [], "disabled": false});
    let changed = administrators[0].put(&format!("{person}/standing"), &standing).await.expect("an answer");
    assert_eq!(changed.status, 204);
    database.freeze();
    let seen = changed.headers["ledger-seen"].to_str().expect("text");
    until_left_alone(&administrators[0]).await;
    until_left_alone(&elsewhere).await;
    // The node that wrote it took back what it had read before, and has nothing newer.
    assert_eq!(get(&administrators[0], &person).await.status, 503);
    // The other one may have heard of it or not; a caller who says what they have seen is safe in both cases.
    let answer = get(&elsewhere.clone().with_field("ledger-seen", seen), &person).await;
    assert_eq!(answer.status, 503, "{}", answer.json());
    database.thaw();
    until_answered(&elsewhere, &person).await;
    assert_eq!(get(&elsewhere, &person).await.json()["kind"], "staff");
}

#[tokio::test]
async fn what_another_node_changed_is_taken_back_as_soon_as_it_is_heard_of() {
    let (database, fleet) = fleet();
    let administrator = fleet.nodes[0].1.administrator().await.expect("they sign in");
    let registered = fleet.client(0).register("ada", PASSWORD).await.expect("ada is new").json();
    let person = format!("/api/v1/persons/{}", registered["personId"].as_str().expect("text"));
    let elsewhere = fleet.client(1).with_token(administrator.token.as_deref().expect("they signed in"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(get(&elsewhere, &person).await.json()["kind"], "citizen");
    let standing = json!({"kind": "staff", "roles": [], "disabled": false});
    let changed = administrator.put(&format!("{person}/standing"), &standing).await.expect("an answer");
    assert_eq!(changed.status, 204);
    tokio::time::sleep(Duration::from_millis(500)).await;
    database.freeze();
    until_left_alone(&elsewhere).await;
    assert_eq!(get(&elsewhere, &person).await.status, 503);
    database.thaw();
    until_answered(&elsewhere, &person).await;
}
