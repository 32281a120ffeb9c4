//! More sign-ins come than can be hashed: who is served all the same, and what the others are told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rig::{Answer, Client, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD};

const SIGN_IN: &str = "/api/v1/authenticate";

/// Two hash at once and a few wait, for as long as a slow machine may take. A hash costs little, so that the test does not
/// take as long as the flood it makes.
const FEW_PLACES: &str = "[identity]\npasswords = { memory-kib = 4096, passes = 1 }\n[edge.overload]\nconcurrency = { initial = 2, floor = 2, ceiling = 2 }\n\
                          queue = { waiting-max = 4, interval-ms = 10000 }\n";

fn start(folder: &Folder, settings: &str) -> Server {
    let options = ServerOptions { settings: settings.to_owned(), ..ServerOptions::default() };
    Server::start_with(&folder.data(), &options).expect("it starts")
}

/// A sign-in that is like no other: the same one would be answered from memory.
async fn sign_in(client: &Client, name: &str, audience: String) -> Answer {
    let body = json!({"userId": name, "credentials": PASSWORD, "audience": audience});
    client.post(SIGN_IN, &body).await.expect("an answer")
}

/// One who signs in again and again until told to stop, and counts how often that was refused.
async fn flood(client: Client, caller: usize, stop: Arc<AtomicBool>) -> u32 {
    let mut refused = 0;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let answer = sign_in(&client, "crowd", format!("flood-{caller}-{number}")).await;
        if answer.status == 503 {
            assert_eq!(answer.problem(), "edge/overloaded");
            let wait = answer.headers["retry-after"].to_str().ok().and_then(|wait| wait.parse::<u32>().ok());
            assert!(wait.is_some_and(|wait| (1..=4).contains(&wait)), "{wait:?}");
            refused += 1;
            // Those who try again at once would only take the processor from the server under test.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    refused
}

fn route<'s>(state: &'s Value, route: &str) -> &'s Value {
    let routes = state["routes"].as_array().expect("there are routes");
    routes.iter().find(|known| known["route"] == route).expect("it was asked")
}

#[tokio::test]
async fn who_is_signed_in_is_served_beside_a_flood_of_those_who_are_not() {
    let folder = Folder::new();
    let server = start(&folder, FEW_PLACES);
    let client = server.client();
    for name in ["crowd", "ada"] {
        client.register(name, PASSWORD).await.expect("they are registered");
    }
    let ada = client.sign_in("ada", PASSWORD).await.expect("she signs in");
    let administrator = server.administrator().await.expect("they sign in");
    let stop = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> =
        (0..24).map(|caller| tokio::spawn(flood(client.clone(), caller, Arc::clone(&stop)))).collect();
    for number in 0..20 {
        let answer = sign_in(&ada, "ada", format!("ada-{number}")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    let seen = administrator.get("/api/v1/overload").await.expect("an answer");
    assert_eq!(seen.status, 200, "an operator is locked out: {}", seen.json());
    assert_eq!(route(&seen.json(), SIGN_IN)["limit"], 2);
    stop.store(true, Ordering::Relaxed);
    let mut refused = 0;
    for flood in floods {
        refused += flood.await.expect("each refusal was a proper one");
    }
    assert!(refused > 0, "nobody was refused");
    let inside = server.operator().get("/overload").await.expect("an answer").json();
    let classes = &route(&inside, SIGN_IN)["classes"];
    assert_eq!((&classes[3]["class"], &classes[3]["refused"]), (&json!("anonymous"), &json!(refused)));
    assert_eq!((&classes[2]["class"], &classes[2]["refused"]), (&json!("signed-in"), &json!(0)));
    assert!(is_served_again(&client).await, "the flood has ended, and nobody gets in");
}

/// It takes a moment until the threshold has noticed that a flood is over.
async fn is_served_again(client: &Client) -> bool {
    for number in 0..600 {
        if sign_in(client, "crowd", format!("after-{number}")).await.status == 200 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_not_worked_on() {
    let folder = Folder::new();
    let server = start(&folder, "");
    let client = server.client();
    client.register("ada", PASSWORD).await.expect("she is registered");
    let ada = client.sign_in("ada", PASSWORD).await.expect("she signs in");
    let late = client.clone().with_field("request-timeout-ms", "0");
    let refused = sign_in(&late, "ada", "late".to_owned()).await;
    assert_eq!((refused.status, refused.problem()), (503, "edge/deadline-passed".to_owned()));
    let sessions = ada.get("/api/v1/sessions").await.expect("an answer").json();
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "{sessions}");
    let in_time = client.with_field("request-timeout-ms", "20000");
    assert_eq!(sign_in(&in_time, "ada", "in-time".to_owned()).await.status, 200);
}

#[tokio::test]
async fn routes_get_another_class_without_a_restart() {
    let folder = Folder::new();
    let server = start(&folder, "");
    server
        .write_settings("[edge.overload.routes]\n\"/api/v1/challenges\" = \"emergency\"\n")
        .expect("written");
    let done = server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!((done.status, &done.json()["nextStart"]), (200, &json!([])));
    assert_eq!(
        server.client().post("/api/v1/challenges", &Value::Null).await.expect("an answer").status,
        201
    );
    let state = server.operator().get("/overload").await.expect("an answer").json();
    let emergency = &route(&state, "/api/v1/challenges")["classes"][1];
    assert_eq!((&emergency["class"], &emergency["admitted"]), (&json!("emergency"), &json!(1)));
}
