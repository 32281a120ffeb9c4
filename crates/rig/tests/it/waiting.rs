//! People who wait before the real server: on two nodes, over a restart, without scripts, and with a program.

use std::time::Duration;

use rig::{Answer, Client, Server, ServerOptions};
use serde_json::{Value, json};

use crate::{Folder, PASSWORD, until_metric};

fn settings(room: &str, more: &str) -> String {
    format!(
        "[limits]\nrules = []\n{more}\n[[waiting-rooms.rooms]]\nname = \"sale\"\ntitle = \"the sale\"\n\
         routes = [\"/openapi.json\"]\nlet-in-max = 1000\nplaces-per-minute-max = 1000000\n{room}\n"
    )
}

fn start(folder: &Folder, settings: String) -> Server {
    Server::start_with(&folder.data(), &ServerOptions { settings, ..ServerOptions::default() })
        .expect("it starts")
}

async fn ask(client: &Client) -> Answer {
    client.get("/openapi.json").await.expect("an answer")
}

fn program(server: &Server) -> Client {
    server.client().with_field("user-agent", "program")
}

/// The same caller, with what they were given to come back with.
fn back(client: &Client, answer: &Answer) -> Client {
    let token = answer.headers.get("queue-token").expect("something to come back with");
    client.clone().with_field("queue-token", token.to_str().expect("letters"))
}

fn place(answer: &Answer) -> u64 {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "edge/waiting"), "{}", answer.json());
    assert!(answer.headers.contains_key("retry-after"));
    answer.json()["place"].as_u64().expect("a place")
}

async fn room(server: &Server) -> Value {
    server.operator().get("/waiting-rooms").await.expect("an answer").json()[0].clone()
}

/// Waits until the room is as it should be.
async fn until(server: &Server, done: impl Fn(&Value) -> bool) {
    for _ in 0..2400 {
        if done(&room(server).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came: {}", room(server).await);
}

async fn open_door(server: &Server) {
    until(server, |room| room["serving"].as_u64() > Some(0)).await;
}

#[tokio::test]
async fn a_program_waits_with_its_token_and_is_let_in_when_there_is_room() {
    let folder = Folder::new();
    let server = start(&folder, settings("capacity = 1\nidle-ms-max = 1500", ""));
    open_door(&server).await;
    let client = program(&server);
    let inside = ask(&client).await;
    assert_eq!(inside.status, 200);
    let (first, second) = (ask(&client).await, ask(&client).await);
    assert_eq!((place(&first), place(&second)), (1, 2));
    assert_eq!(ask(&back(&client, &inside)).await.status, 200);
    assert_eq!(client.get("/health").await.expect("an answer").status, 200, "other routes are open");
    let waits = back(&client, &first);
    for _ in 0..2400 {
        if ask(&waits).await.status == 200 {
            return until_metric(&server, "waiting_room_let_in_total{room=\"sale\"} 2").await;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody was let in: {}", room(&server).await);
}

#[tokio::test]
async fn a_browser_without_scripts_reads_the_page_and_comes_back_by_itself() {
    let folder = Folder::new();
    let server = start(&folder, settings("capacity = 1", ""));
    open_door(&server).await;
    let browser = server.client().with_field("user-agent", "browser").with_field("accept", "text/html");
    assert_eq!(ask(&browser).await.status, 200);
    let page = ask(&browser).await;
    assert_eq!(page.status, 503);
    let text = String::from_utf8(page.bytes.to_vec()).expect("text");
    assert!(text.contains("<noscript><meta http-equiv=\"refresh\" content=\""), "{text}");
    assert!(text.contains("Your place in line") && text.contains(">1</p>"), "{text}");
    let cookie = page.headers["set-cookie"].to_str().expect("letters");
    let kept = cookie.split(';').next().expect("a name and a value");
    let again = ask(&browser.clone().with_field("cookie", kept)).await;
    assert_eq!(again.headers["set-cookie"], cookie, "the place is kept");
}

#[tokio::test]
async fn settings_that_are_read_again_and_a_new_process_lose_no_place() {
    let folder = Folder::new();
    let mut server = start(&folder, settings("capacity = 1", ""));
    open_door(&server).await;
    let client = program(&server);
    let inside = back(&client, &ask(&client).await);
    let places = [ask(&client).await, ask(&client).await, ask(&client).await];
    let third = back(&client, &places[2]);
    server.write_settings(&settings("capacity = 1\nidle-ms-max = 400000", "")).expect("written");
    let done = server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!(done.status, 200);
    assert_eq!(place(&ask(&third).await), 3);
    server.write_settings(&settings("capacity = 1\nask-ms-min = 1", "")).expect("written");
    let refused = server.operator().post("/reload", &json!({})).await.expect("an answer");
    assert_eq!(refused.problem(), "server/bad-settings");
    server.write_settings(&settings("capacity = 1", "")).expect("written");
    server.hand_over().await.expect("another goes on");
    assert_eq!(ask(&inside).await.status, 200, "the pass is still one");
    assert_eq!(place(&ask(&third).await), 3);
}

#[tokio::test]
async fn operators_close_a_room_open_it_again_and_change_its_rate() {
    let folder = Folder::new();
    let server = start(&folder, settings("capacity = 1", ""));
    open_door(&server).await;
    let (client, operator) = (program(&server), server.operator());
    let inside = back(&client, &ask(&client).await);
    let waits = back(&client, &ask(&client).await);
    let closed = operator.post("/waiting-rooms/sale/close", &json!({ "reason": "sold-out" })).await;
    assert_eq!(closed.expect("an answer").json()["closed"], "sold-out");
    for client in [&client, &waits] {
        let told = ask(client).await;
        assert_eq!((told.status, told.problem().as_str()), (503, "edge/waiting-room-closed"));
        assert_eq!(told.json()["reason"], "sold-out");
    }
    assert_eq!(ask(&inside).await.status, 200, "whoever is inside stays");
    operator.post("/waiting-rooms/sale/open", &json!({})).await.expect("an answer");
    assert_eq!(place(&ask(&waits).await), 1);
    let rated =
        operator.put("/waiting-rooms/sale/rate", &json!({ "perSecond": 0.5 })).await.expect("an answer");
    assert_eq!(rated.json()["rate"], 0.5);
    let bad = operator.put("/waiting-rooms/sale/rate", &json!({ "perSecond": -1 })).await.expect("an answer");
    assert_eq!(bad.problem(), "server/rate-out-of-range");
    let none = operator.post("/waiting-rooms/other/open", &json!({})).await.expect("an answer");
    assert_eq!((none.status, none.problem().as_str()), (404, "server/no-such-waiting-room"));
}

#[tokio::test]
async fn a_person_has_one_place_however_often_they_come() {
    let folder = Folder::new();
    let server = start(&folder, settings("capacity = 1", ""));
    open_door(&server).await;
    server.client().register("ada", PASSWORD).await.expect("registered");
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("signed in");
    assert_eq!(ask(&program(&server)).await.status, 200);
    let mut places = Vec::new();
    for agent in ["one", "two", "three"] {
        places.push(place(&ask(&ada.clone().with_field("user-agent", agent)).await));
    }
    assert_eq!(places, [1, 1, 1]);
}

#[tokio::test]
async fn two_nodes_keep_one_queue_and_go_on_alone_without_redis() {
    let mut redis = peers::Redis::start().expect("Redis starts");
    let (keys, folders) = (Folder::new(), [Folder::new(), Folder::new()]);
    let more = format!("[redis]\nurls = [\"{}\"]\ntimeout-ms = 10000\n", redis.url());
    let options = ServerOptions {
        settings: settings("capacity = 5", &more),
        keys: Some(keys.data()),
        ..ServerOptions::default()
    };
    let start = |folder: &Folder| Server::start_with(&folder.data(), &options).expect("it starts");
    let [one, other] = [start(&folders[0]), start(&folders[1])];
    for server in [&one, &other] {
        open_door(server).await;
    }
    let (here, there) = (program(&one), program(&other));
    let mut answers = Vec::new();
    for number in 0..20 {
        let client = if number % 2 == 0 { &here } else { &there };
        answers.push(ask(client).await);
        // Blocks last 50 ms: whoever comes after that comes after.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let inside = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(inside, 5, "{} {}", room(&one).await, room(&other).await);
    let mut places = Vec::new();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let (a, b) = (place(&ask(&back(&here, answer)).await), place(&ask(&back(&there, answer)).await));
        assert_eq!(a, b, "a place is the same on both nodes");
        places.push(a);
    }
    assert!(places.is_sorted_by(|one, other| one < other), "{places:?}");
    let pass = answers.iter().find(|answer| answer.status == 200).expect("somebody is inside");
    assert_eq!(ask(&back(&here, pass)).await.status, 200);
    assert_eq!(ask(&back(&there, pass)).await.status, 200);
    let body = json!({ "reason": "ended" });
    one.operator().post("/waiting-rooms/sale/close", &body).await.expect("an answer");
    until(&other, |room| room["closed"] == "ended").await;
    other.operator().post("/waiting-rooms/sale/open", &json!({})).await.expect("an answer");
    until(&one, |room| room["closed"].is_null()).await;
    redis.kill();
    until(&one, |room| room["alone"] == true).await;
    until_metric(&one, "waiting_room_alone{room=\"sale\"} 1").await;
    let waits = answers.last().expect("twenty");
    assert!(place(&ask(&back(&here, waits)).await) > 0, "places hold");
    assert!(place(&ask(&here).await) > 0, "and more are given out");
    assert_eq!(ask(&back(&there, pass)).await.status, 200);
}
