//! The table changes while requests pass, and nobody notices but those who should.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rig::Gateway;
use serde_json::{Value, json};

use super::{
    bodies, settings, until,
    upstream::{Upstream, answer, status},
};

#[tokio::test]
async fn a_change_under_load_costs_nobody_an_answer() {
    let (blue, green) = (Upstream::named("blue"), Upstream::named("green"));
    let (to_blue, to_green) = (settings(&[&blue], ""), settings(&[&green], ""));
    let gateway = Gateway::start(&to_blue).expect("it starts");
    let ended = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (client, ended) = (gateway.client(), ended.clone());
            tokio::spawn(async move {
                let mut counts = [0_usize; 2];
                while !ended.load(Ordering::SeqCst) {
                    let answer = client.get("/").await.expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.json());
                    counts[usize::from(answer.bytes == "green")] += 1;
                }
                counts
            })
        })
        .collect();
    for number in 0..20 {
        let (text, upstream) = if number % 2 == 0 { (&to_green, &green) } else { (&to_blue, &blue) };
        gateway.reload(text).expect("it is told");
        let address = upstream.address.to_string();
        until(&gateway, "the new table", |state| state["pools"][0]["upstreams"][0]["address"] == *address)
            .await;
        let before = upstream.asked();
        for _ in 0..400 {
            if upstream.asked() > before + 20 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    ended.store(true, Ordering::SeqCst);
    let mut all = [0, 0];
    for caller in callers {
        let counts = caller.await.expect("every request was answered with 200");
        all = [all[0] + counts[0], all[1] + counts[1]];
    }
    assert!(all.iter().all(|count| *count > 100), "{all:?}");
}

#[tokio::test]
async fn bad_settings_are_refused_and_the_old_ones_stay() {
    let server = Upstream::named("here");
    let text = settings(&[&server], "");
    let gateway = Gateway::start(&text).expect("it starts");
    for bad in ["not toml", "[pools.a]\nupstreams = []\n", &text.replace("main = 1", "gone = 1")] {
        gateway.reload(bad).expect("it is told");
        let refused = gateway.operator().post("/gateway/reload", &json!({})).await.expect("an answer");
        assert_eq!(refused.problem(), "gateway/bad-settings", "{bad}");
        assert_eq!(bodies(&gateway.client(), 3).await["here"], 3);
    }
    let operator = gateway.operator();
    let refused =
        operator.put("/gateway/table", &json!({"pools": {}, "routes": [{"name": "a", "pools": {}}]})).await;
    assert_eq!(refused.expect("an answer").problem(), "gateway/bad-table");
    let led = operator.clone().with_field("host", "page.example");
    let changed = led.post("/gateway/reload", &json!({})).await.expect("an answer");
    assert_eq!(changed.problem(), "server/unknown-name", "a page's own name may have been led here");
    for incomplete in [json!({"servers": []}), json!({}), json!({"pools": {}}), json!({"routes": []})] {
        let refused = operator.put("/gateway/table", &incomplete).await.expect("an answer");
        assert_eq!(refused.problem(), "edge/wrong-shape", "{incomplete}");
    }
    assert_eq!(bodies(&gateway.client(), 3).await["here"], 3);
}

#[tokio::test]
async fn who_was_not_well_is_asked_again_when_health_checks_are_turned_off() {
    let server = Upstream::start(|asked, stream| match asked.path() {
        "/health" => status(stream, "500 Broken"),
        _ => answer(stream, "", "here"),
    });
    let text = settings(&[&server], "");
    let gateway = Gateway::start(&text).expect("it starts");
    let well = |well: bool| move |state: &Value| state["pools"][0]["upstreams"][0]["well"] == well;
    until(&gateway, "that it is not well", well(false)).await;
    assert_eq!(gateway.client().get("/").await.expect("an answer").problem(), "gateway/nobody-well");
    gateway.reload(&text.replace("health = { ", "health = { active = false, ")).expect("it is told");
    until(&gateway, "that it is taken to be well", well(true)).await;
    assert_eq!(bodies(&gateway.client(), 3).await["here"], 3);
}

#[tokio::test]
async fn an_operator_changes_the_table_and_moves_a_split() {
    let (blue, green) = (Upstream::named("blue"), Upstream::named("green"));
    let gateway = Gateway::start(&settings(&[&blue], "")).expect("it starts");
    let operator = gateway.operator();
    let mut table = operator.get("/gateway/table").await.expect("an answer").json();
    table["pools"]["green"] = json!({"upstreams": [{"address": green.address.to_string()}]});
    assert_eq!(operator.put("/gateway/table", &table).await.expect("an answer").status, 204);
    assert_eq!(bodies(&gateway.client(), 20).await["blue"], 20);
    let weights = json!({"weights": {"main": 1, "green": 1}});
    assert_eq!(operator.put("/gateway/routes/all/weights", &weights).await.expect("an answer").status, 204);
    assert_eq!(bodies(&gateway.client(), 200).await.len(), 2);
    let weights = json!({"weights": {"green": 1}, "overMs": 100});
    assert_eq!(operator.put("/gateway/routes/all/weights", &weights).await.expect("an answer").status, 204);
    until(&gateway, "all on green", |state| {
        state["routes"][0]["weights"] == json!({"green": 1_000_000, "main": 0})
    })
    .await;
    assert_eq!(bodies(&gateway.client(), 20).await["green"], 20);
    let refused = operator.put("/gateway/routes/all/weights", &json!({"weights": {"red": 1}})).await;
    assert_eq!(refused.expect("an answer").problem(), "gateway/bad-weights");
    let refused = operator.put("/gateway/routes/none/weights", &weights).await.expect("an answer");
    assert_eq!(refused.problem(), "gateway/no-such-route");
}

#[tokio::test]
async fn a_table_that_does_not_say_who_is_believed_changes_nothing_of_it() {
    let server = Upstream::named("here");
    let text = format!("region = \"north\"\ntrusts-forwarded = true\n{}", settings(&[&server], ""));
    let gateway = Gateway::start(&text).expect("it starts");
    let operator = gateway.operator();
    let mut table = operator.get("/gateway/table").await.expect("an answer").json();
    let said = |table: &Value| (table["region"].clone(), table["trusts-forwarded"].clone());
    let members = table.as_object_mut().expect("it has members");
    members.remove("region").and(members.remove("trusts-forwarded")).expect("both are shown");
    assert_eq!(operator.put("/gateway/table", &table).await.expect("an answer").status, 204);
    let stays = operator.get("/gateway/table").await.expect("an answer").json();
    assert_eq!(said(&stays), (json!("north"), json!(true)));
    table["trusts-forwarded"] = json!(false);
    table["region"] = json!("");
    assert_eq!(operator.put("/gateway/table", &table).await.expect("an answer").status, 204);
    let changed = operator.get("/gateway/table").await.expect("an answer").json();
    assert_eq!(said(&changed), (json!(""), json!(false)));
}

#[tokio::test]
async fn a_split_that_was_moved_stays_so_over_a_reload_and_a_new_process() {
    let (blue, green) = (Upstream::named("blue"), Upstream::named("green"));
    let more = format!("[pools.green]\nupstreams = [{{ address = \"{}\" }}]\n", green.address);
    let text = format!("{}{more}", settings(&[&blue], ""));
    let mut gateway = Gateway::start(&text).expect("it starts");
    let moved =
        gateway.operator().put("/gateway/routes/all/weights", &json!({"weights": {"green": 1}})).await;
    assert_eq!(moved.expect("an answer").status, 204);
    assert_eq!(bodies(&gateway.client(), 20).await["green"], 20);
    gateway.hand_over().await.expect("another goes on");
    assert_eq!(bodies(&gateway.client(), 20).await["green"], 20);
    gateway.reload(&text.replace("name = \"all\"", "name = \"all\"\ncompress = true")).expect("it is told");
    until(&gateway, "the new table", |state| state["routes"][0]["weights"]["green"] == 1_000_000).await;
    assert_eq!(bodies(&gateway.client(), 20).await["green"], 20);
}

#[tokio::test]
async fn a_canary_that_is_not_there_costs_nobody_an_answer_and_is_given_up() {
    let old = Upstream::named("old");
    let new = Upstream::named("new");
    let text = format!(
        "{}canary = {{ pool = \"new\", percent = 50 }}\n[pools.new]\nupstreams = [{{ address = \"{}\" }}]\n",
        settings(&[&old], ""),
        new.address
    );
    let gateway = Gateway::start(&text).expect("it starts");
    drop(new);
    until(&gateway, "that it is not well", |state| state["pools"][1]["upstreams"][0]["well"] == false).await;
    assert_eq!(bodies(&gateway.client(), 100).await["old"], 100);
    until(&gateway, "that it is given up", |state| state["routes"][0]["canary"]["fallen"] == true).await;
}

#[tokio::test]
async fn what_is_given_from_the_cache_says_nothing_of_a_canary() {
    let (old, new) = (Upstream::start(|_, stream| kept(stream)), Upstream::named("new"));
    let text = format!(
        "{}cache = true\ncanary = {{ pool = \"new\", percent = 100 }}\n\
         [pools.new]\nupstreams = [{{ address = \"{}\" }}]\nhealth = {{ interval-ms = 50 }}\n",
        settings(&[&old], ""),
        new.address
    );
    drop(new);
    let gateway = Gateway::start(&text).expect("it starts");
    until(&gateway, "that the canary is not well", |state| {
        state["pools"][1]["upstreams"][0]["well"] == false
    })
    .await;
    for _ in 0..100 {
        assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, "old");
    }
    assert_eq!(old.asked(), 1);
    // Longer than it takes until it is looked at.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let state = gateway.operator().get("/gateway").await.expect("an answer").json();
    assert_eq!(state["routes"][0]["canary"]["fallen"], false, "it missed one request");
    bodies(&gateway.client(), 30).await;
    until(&gateway, "that it has fallen", |state| state["routes"][0]["canary"]["fallen"] == true).await;
}

/// An answer that is kept.
fn kept(stream: &mut TcpStream) -> bool {
    answer(stream, "cache-control: max-age=600\r\n", "old")
}

#[tokio::test]
async fn a_canary_that_fails_falls_back_by_itself() {
    let old = Upstream::named("old");
    let new = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ => status(stream, "500 Broken"),
    });
    let text = format!(
        "{}canary = {{ pool = \"new\", percent = 50 }}\n[pools.new]\nupstreams = [{{ address = \"{}\" }}]\n\
         ejection = {{ pool-percent-max = 0 }}\n",
        settings(&[&old], ""),
        new.address
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let client = gateway.client();
    let mut fell = false;
    for _ in 0..4000 {
        client.get("/").await.expect("an answer");
        let state = gateway.operator().get("/gateway").await.expect("an answer").json();
        fell = state["routes"][0]["canary"]["fallen"] == true;
        if fell {
            break;
        }
    }
    assert!(fell, "it goes on failing");
    let before = new.asked();
    assert_eq!(bodies(&client, 50).await["old"], 50);
    assert_eq!(new.asked(), before);
}

/// Reads until what came ends with `end`.
fn hear(stream: &mut TcpStream, end: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has time-outs");
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(end.as_bytes()) {
        stream.read_exact(&mut byte).expect("more comes");
        heard.push(byte[0]);
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// A server that speaks something else with whoever asks for it: it says back what it hears.
fn echo() -> Upstream {
    Upstream::start(|asked, stream| {
        if !asked.head.contains("upgrade: websocket\r\n") {
            return answer(stream, "", "well");
        }
        let accepted = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: yes\r\n\r\nwelcome\n";
        if stream.write_all(accepted.as_bytes()).is_err() {
            return false;
        }
        // An echo, until the caller has said all.
        let mut from = stream.try_clone().expect("a socket can be shared");
        std::io::copy(&mut from, stream).is_err()
    })
}

/// A connection to an echo, through the gateway.
fn leave_http(gateway: &Gateway) -> TcpStream {
    let mut caller = TcpStream::connect(gateway.public).expect("it listens");
    let ask = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
               sec-websocket-key: k\r\n\r\nearly\n";
    caller.write_all(ask.as_bytes()).expect("it listens");
    let head = hear(&mut caller, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains("upgrade: websocket\r\n") && head.contains("sec-websocket-accept: yes\r\n"),
        "{head}"
    );
    hear(&mut caller, "welcome\nearly\n");
    caller
}

#[tokio::test]
async fn a_connection_that_left_http_lives_through_changes() {
    let (server, other, last) = (echo(), Upstream::named("other"), Upstream::named("last"));
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let mut caller = leave_http(&gateway);
    for text in [settings(&[&other], ""), settings(&[&server], ""), settings(&[&last], "")] {
        gateway.reload(&text).expect("it is told");
        caller.write_all(b"still here\n").expect("it is open");
        hear(&mut caller, "still here\n");
    }
    until(&gateway, "the last table", |state| {
        state["pools"][0]["upstreams"][0]["address"] == *last.address.to_string()
    })
    .await;
    assert_eq!(bodies(&gateway.client(), 5).await["last"], 5);
    let message = "x".repeat(300_000) + "\n";
    let mut speaker = caller.try_clone().expect("a socket can be shared");
    let sent = message.clone();
    let speaking = std::thread::spawn(move || speaker.write_all(sent.as_bytes()).expect("it is open"));
    assert_eq!(hear(&mut caller, "\n"), message);
    speaking.join().expect("all was said");
    caller.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut rest = Vec::new();
    caller.read_to_end(&mut rest).expect("it ends");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn a_new_process_goes_on_and_what_left_http_stays_with_the_old_one() {
    let server = echo();
    let mut gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let mut caller = leave_http(&gateway);
    let over = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (address, over) = (gateway.public, over.clone());
            std::thread::spawn(move || crate::hand_overs::ask_on_and_on(address, &over))
        })
        .collect();
    gateway.hand_over().await.expect("another goes on");
    caller.write_all(b"still here\n").expect("it is open");
    hear(&mut caller, "still here\n");
    assert_eq!(gateway.client().get("/health").await.expect("an answer").status, 200);
    over.store(true, Ordering::SeqCst);
    for asking in asking {
        assert!(asking.join().expect("nobody panicked").expect("no request failed") > 0);
    }
    drop(caller);
    gateway.predecessor_ends().await.expect("nothing is left for it to do");
    gateway.stop().expect("the new process stops in order");
}

#[tokio::test]
async fn a_change_of_protocol_that_is_refused_is_an_ordinary_answer() {
    let server = Upstream::start(|_, stream| status(stream, "403 No"));
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let client = gateway.client().with_field("connection", "upgrade").with_field("upgrade", "websocket");
    assert_eq!(client.get("/").await.expect("an answer").status, 403);
}
