//! More comes for a pool than it can do.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use rig::{Answer, Client, Gateway};
use serde_json::{Value, json};

use super::{
    settings, until,
    upstream::{Upstream, answer},
};

/// Nobody passes until it is opened.
#[derive(Default)]
struct Lock(Mutex<bool>, Condvar);

impl Lock {
    fn pass(&self) {
        let shut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_while(shut, |open| !*open).unwrap_or_else(PoisonError::into_inner));
    }

    fn open(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }
}

/// It takes a moment until it is noticed that a flood is over.
async fn after_the_flood(client: &Client, path: &str) -> Answer {
    for _ in 0..600 {
        let answer = client.get(path).await.expect("an answer");
        if answer.status == 200 || answer.problem() != "edge/overloaded" {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the flood has ended, and nobody gets in");
}

#[tokio::test]
async fn a_pool_is_asked_for_no_more_than_it_can_do_and_those_who_matter_come_first() {
    let lock = Arc::new(Lock::default());
    let held = lock.clone();
    let server = Upstream::start(move |asked, stream| {
        if asked.path().starts_with("/slow") {
            held.pass();
        }
        answer(
            stream,
            "",
            asked.head.lines().find(|line| line.starts_with("request-timeout-ms")).unwrap_or("-"),
        )
    });
    let text = format!(
        "[edge.overload]\nconcurrency = {{ initial = 2, floor = 2, ceiling = 2 }}\n\
         queue = {{ waiting-max = 3, interval-ms = 60000 }}\n{}overload = true\n\
         [[routes]]\nname = \"open\"\npath = \"/open\"\npools = {{ main = 1 }}\n",
        settings(&[&server], "")
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let client = gateway.client();
    let all: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&format!("/slow/{number}")).await.expect("an answer") })
        })
        .collect();
    // Two are at work and three wait: all others are told at once.
    let mut refused = 0;
    for _ in 0..1200 {
        refused = all.iter().filter(|one| one.is_finished()).count();
        if refused == 15 && server.asked() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!((refused, server.asked()), (15, 2));
    assert_eq!(client.get("/open").await.expect("an answer").status, 200, "another route is not concerned");
    let state = gateway.operator().get("/overload").await.expect("an answer").json();
    assert_eq!(
        (&state["routes"][0]["route"], &state["routes"][0]["limit"]),
        (&json!("all"), &json!(2)),
        "{state}"
    );
    lock.open();
    let mut statuses = Vec::new();
    for one in all {
        let answer = one.await.expect("nobody panics");
        if answer.status == 503 {
            assert_eq!(answer.problem(), "edge/overloaded");
            assert!(answer.headers.contains_key("retry-after"));
        }
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 5], vec![503; 15]].concat());
    // Whoever has no time left is not passed on, and others are with what is left of it.
    let late = after_the_flood(&client.clone().with_field("request-timeout-ms", "0"), "/late").await;
    assert_eq!(late.problem(), "edge/deadline-passed");
    let in_time = after_the_flood(&client.with_field("request-timeout-ms", "60000"), "/in-time").await;
    let passed = String::from_utf8_lossy(&in_time.bytes).into_owned();
    let left = passed.strip_prefix("request-timeout-ms: ").and_then(|left| left.parse::<u32>().ok());
    assert!(left.is_some_and(|left| left > 0 && left < 60_000), "{passed}");
}

#[tokio::test]
async fn what_is_kept_is_given_however_much_comes_and_who_waits_for_it_takes_no_place() {
    let lock = Arc::new(Lock::default());
    let held = lock.clone();
    let server = Upstream::start(move |asked, stream| {
        if asked.path().starts_with("/slow") {
            held.pass();
        }
        answer(stream, "cache-control: max-age=600\r\n", "for all")
    });
    let text = format!(
        "[edge.overload]\nconcurrency = {{ initial = 2, floor = 2, ceiling = 2 }}\n\
         queue = {{ waiting-max = 3, interval-ms = 60000 }}\n{}cache = true\noverload = true\n",
        settings(&[&server], "")
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let client = gateway.client();
    assert_eq!(client.get("/kept").await.expect("an answer").status, 200);
    let call = |path: String| {
        let client = client.clone();
        tokio::spawn(async move { client.get(&path).await.expect("an answer") })
    };
    let crowd: Vec<_> = (0..10).map(|_| call("/slow".to_owned())).collect();
    let all_wait = |state: &Value| state["cache"]["joined"].as_u64() >= Some(9) && server.asked() == 2;
    until(&gateway, "a crowd that waits for one answer", all_wait).await;
    let other = client.get("/other").await.expect("an answer");
    assert_eq!(other.status, 200, "one has a place, and the crowd has none");
    // One place is left, and three may wait.
    let flood: Vec<_> = (0..20).map(|number| call(format!("/slow/{number}"))).collect();
    let mut refused = 0;
    for _ in 0..1200 {
        refused = flood.iter().filter(|one| one.is_finished()).count();
        if refused == 16 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(refused, 16);
    for _ in 0..20 {
        let kept = client.get("/kept").await.expect("an answer");
        assert_eq!(
            (kept.status, &kept.headers["cache-status"]),
            (200, &"holdfast; hit".parse().expect("it"))
        );
    }
    lock.open();
    for one in crowd {
        assert_eq!(one.await.expect("nobody panics").status, 200);
    }
}

#[tokio::test]
async fn whoever_loses_their_place_while_they_send_is_told_when_to_come_again() {
    let lock = Arc::new(Lock::default());
    let held = lock.clone();
    let server = Upstream::start(move |asked, stream| {
        if asked.path().starts_with("/slow") {
            held.pass();
        }
        answer(stream, "", "done")
    });
    let text = format!(
        "[edge.overload]\nconcurrency = {{ initial = 1, floor = 1, ceiling = 1 }}\n\
         queue = {{ waiting-max = 3, interval-ms = 60000 }}\n{}overload = true\n",
        settings(&[&server], "")
    );
    let gateway = Gateway::start(&text).expect("it starts");
    let client = gateway.client();
    let mut sender = TcpStream::connect(gateway.public).expect("it listens");
    sender.write_all(b"POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345").expect("it listens");
    until(&gateway, "half of a body", |state| state["pools"][0]["upstreams"][0]["inFlight"] == 1).await;
    let flood: Vec<_> = (0..20)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&format!("/slow/{number}")).await.expect("an answer") })
        })
        .collect();
    for _ in 0..1200 {
        if flood.iter().filter(|one| one.is_finished()).count() == 16 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    sender.write_all(b"67890").expect("it listens");
    let mut told = String::new();
    sender.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
    while !told.contains("edge/overloaded") {
        let mut piece = [0; 4096];
        let bytes = sender.read(&mut piece).expect("it is told soon");
        assert!(bytes > 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&piece[..bytes]));
    }
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("\r\nretry-after: "), "{told}");
    lock.open();
    let served = flood.into_iter().map(async |one| one.await.expect("nobody panics").status == 200);
    assert_eq!(futures_util::future::join_all(served).await.iter().filter(|served| **served).count(), 4);
    assert_eq!(server.asked(), 4, "half of a request is none");
}
