//! Answers that are given again, and made smaller.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use http::{Method, Request};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rig::Gateway;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    settings, until,
    upstream::{Upstream, answer, status},
};

/// How long it takes until the upstream hears of another reload.
const A_WHILE: Duration = Duration::from_millis(1100);

pub(super) fn cached(upstream: &Upstream) -> String {
    format!("{}cache = true\ncompress = true\n", settings(&[upstream], ""))
}

#[tokio::test]
async fn an_answer_is_given_again_until_its_tag_is_dropped() {
    let versions = Arc::new(AtomicUsize::new(0));
    let counted = versions.clone();
    let server = Upstream::start(move |asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let version = counted.fetch_add(1, Ordering::SeqCst);
        let fields = "cache-control: max-age=600\r\nsurrogate-key: page/1 site\r\netag: \"e\"\r\n";
        answer(stream, fields, &format!("version {version} of {}", asked.path()))
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let (client, operator) = (gateway.client(), gateway.operator());
    let first = client.get("/a").await.expect("an answer");
    let again = client.get("/a").await.expect("an answer");
    assert_eq!((&first.bytes, &again.bytes), (&"version 0 of /a".into(), &"version 0 of /a".into()));
    assert_eq!(again.headers["cache-status"], "holdfast; hit");
    assert!(again.headers.contains_key("age"));
    let known = client.clone().with_field("if-none-match", "\"e\"").get("/a").await.expect("an answer");
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    let head = client.send(Method::HEAD, "/a", "", Vec::new()).await.expect("an answer");
    assert_eq!((head.status, head.headers["content-length"].to_str().expect("text")), (200, "15"));
    tokio::time::sleep(A_WHILE).await;
    let fresh = client.clone().with_field("cache-control", "no-cache").get("/a").await.expect("an answer");
    assert_eq!(fresh.bytes, "version 1 of /a", "who asks for a new one gets it");
    let changed = client.post("/a", &json!({})).await.expect("an answer");
    assert_eq!(changed.bytes, "version 2 of /a");
    assert_eq!(client.get("/a").await.expect("an answer").bytes, "version 3 of /a", "a change makes it old");
    for (purge, expected) in [
        (json!({"tags": ["other"]}), "version 3 of /a"),
        (json!({"tags": ["page/1"]}), "version 4 of /a"),
        (json!({"all": true}), "version 5 of /a"),
    ] {
        assert_eq!(operator.post("/gateway/cache/purge", &purge).await.expect("an answer").status, 204);
        assert_eq!(client.get("/a").await.expect("an answer").bytes, expected, "{purge}");
    }
}

#[tokio::test]
async fn what_one_caller_reloads_is_new_for_all() {
    let versions = Arc::new(AtomicUsize::new(0));
    let counted = versions.clone();
    let server = Upstream::start(move |asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ if asked.head.contains("x-fail") => status(stream, "503 Away"),
        _ => {
            let version = counted.fetch_add(1, Ordering::SeqCst);
            let personal = if asked.head.contains("x-personal") { "set-cookie: a=b\r\n" } else { "" };
            let fields = format!("cache-control: max-age=600\r\netag: \"same\"\r\n{personal}");
            answer(stream, &fields, &version.to_string())
        }
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let client = gateway.client();
    // What is asked with, what comes of it, and what everybody is given afterwards.
    for (fields, expected, afterwards) in [
        (&[][..], "0", "0"),
        (&[("cache-control", "no-cache")], "1", "1"),
        (&[("cache-control", "max-age=0")], "2", "2"),
        (&[("cache-control", "max-age=0"), ("if-none-match", "\"same\"")], "", "3"),
        (&[("cache-control", "max-age=0"), ("if-none-match", "\"other\"")], "4", "4"),
        (&[("cache-control", "no-cache, no-store")], "5", "4"),
        (&[("cache-control", "no-cache"), ("x-personal", "1")], "6", "4"),
        (&[("cache-control", "no-cache"), ("x-fail", "1")], "", "4"),
    ] {
        let caller =
            fields.iter().fold(client.clone(), |caller, (name, value)| caller.with_field(name, value));
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(caller.get("/").await.expect("an answer").bytes, expected, "{fields:?}");
        assert_eq!(client.get("/").await.expect("an answer").bytes, afterwards, "after {fields:?}");
    }
}

#[tokio::test]
async fn what_is_for_one_caller_is_given_to_no_other() {
    let server = Upstream::start(|asked, stream| {
        let who = asked.head.lines().find_map(|line| line.strip_prefix("x-who: ")).unwrap_or("nobody");
        let fields = match asked.path() {
            "/private" => "cache-control: private, max-age=60\r\n",
            "/cookie" => "cache-control: max-age=60\r\nset-cookie: a=b\r\n",
            "/vary" => "cache-control: max-age=60\r\nvary: x-who\r\n",
            "/signed-in" => "cache-control: max-age=60\r\n",
            _ => "",
        };
        answer(stream, fields, who)
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    for path in ["/private", "/cookie", "/vary", "/signed-in", "/silent"] {
        for who in ["ada", "bob", "ada"] {
            let caller = gateway.client().with_field("x-who", who).with_field("authorization", "Bearer x");
            assert_eq!(caller.get(path).await.expect("an answer").bytes, who, "{path}");
        }
    }
}

#[tokio::test]
async fn nobody_has_an_answer_kept_for_a_field_that_the_server_behind_was_not_told() {
    let server = Upstream::start(|asked, stream| {
        let language = asked.head.lines().find_map(|line| line.strip_prefix("x-language: "));
        answer(stream, "cache-control: max-age=60\r\nvary: x-language\r\n", language.unwrap_or("none"))
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let german = gateway.client().with_field("x-language", "de");
    let hidden = german.clone().with_field("connection", "x-language");
    assert_eq!(hidden.get("/").await.expect("an answer").bytes, "none");
    assert_eq!(german.get("/").await.expect("an answer").bytes, "de");
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, "none");
    assert_eq!(server.asked(), 2, "who hides it is who does not say it");
}

#[tokio::test]
async fn what_depends_on_what_we_say_ourselves_of_each_request_is_kept_for_nobody() {
    let server = Upstream::start(|asked, stream| {
        let vary = asked.path().trim_start_matches('/');
        answer(stream, &format!("cache-control: max-age=60\r\nvary: accept, {vary}\r\n"), "for one")
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    // By what it varies on, and how often it is asked for when two ask.
    for (vary, times) in [
        ("X-Forwarded-For", 2),
        ("Forwarded", 2),
        ("via", 2),
        ("x-request-id", 2),
        ("traceparent", 2),
        ("request-timeout-ms", 2),
        ("x-real-ip", 2),
        ("x-forwarded-proto", 1),
        ("host", 1),
        ("x-other", 1),
    ] {
        let before = server.asked();
        for claimed in ["http", "https"] {
            let caller = gateway.client().with_field("x-forwarded-proto", claimed);
            assert_eq!(caller.get(&format!("/{vary}")).await.expect("an answer").bytes, "for one");
        }
        assert_eq!(server.asked() - before, times, "{vary}");
    }
}

#[tokio::test]
async fn a_crowd_that_wants_the_same_is_one_request() {
    let (go, waits) = mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let server = Upstream::start(move |asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let _told = waits.lock().expect("nobody panics").recv();
        answer(stream, "cache-control: max-age=600\r\n", "for all")
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let client = gateway.client();
            tokio::spawn(async move { client.get("/").await.expect("an answer") })
        })
        .collect();
    let all_wait = |state: &Value| state["cache"]["joined"].as_u64() >= Some(49) && server.asked() > 0;
    until(&gateway, "a crowd that waits", all_wait).await;
    assert_eq!(server.asked(), 1);
    go.send(()).expect("the server waits");
    for caller in crowd {
        assert_eq!(caller.await.expect("it is answered").bytes, "for all");
    }
    assert_eq!(server.asked(), 1, "one asked for all");
}

#[tokio::test]
async fn whoever_asks_first_and_does_not_read_keeps_it_from_nobody() {
    let text = "kelp ".repeat(160_000);
    let sent = text.clone();
    let server = Upstream::start(move |asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ => answer(stream, "cache-control: max-age=600\r\n", &sent),
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let stream = TcpStream::connect(gateway.public).await.expect("it listens");
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1)
        .handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", gateway.public)).body(String::new()).expect("a request");
    let unread = sender.send_request(request).await.expect("an answer");
    for _ in 0..2 {
        let client = gateway.client();
        let answer = tokio::time::timeout(Duration::from_secs(20), client.get("/")).await;
        assert_eq!(answer.expect("it comes soon").expect("an answer").bytes, text);
    }
    assert_eq!(server.asked(), 1, "one asked for all");
    drop(unread);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_read_no_further() {
    let server = Upstream::start(|asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 900000\r\ncache-control: max-age=600\r\n\r\n";
        let mut pieces = std::iter::once(head.as_bytes().to_vec()).chain((0..900).map(|_| vec![b'k'; 1000]));
        let (_never, told) = mpsc::channel::<()>();
        // It takes longer than anybody waits here.
        pieces.all(|piece| {
            let _late = told.recv_timeout(Duration::from_millis(100));
            stream.write_all(&piece).is_ok()
        })
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    for number in 0..5 {
        let mut stream = std::net::TcpStream::connect(gateway.public).expect("it listens");
        write!(stream, "GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n").expect("it listens");
        stream.read_exact(&mut [0; 1000]).expect("it begins");
    }
    until(&gateway, "an upstream that nobody asks", |state| {
        state["pools"][0]["upstreams"][0]["inFlight"].as_u64() == Some(0)
    })
    .await;
}

#[tokio::test]
async fn an_old_answer_is_better_than_none() {
    let server = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ if asked.head.contains("x-fail") => status(stream, "503 Away"),
        _ => answer(stream, "cache-control: max-age=1, stale-if-error=600\r\n", "kept"),
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, "kept");
    let failing = gateway.client().with_field("x-fail", "1");
    for _ in 0..400 {
        let answer = failing.get("/").await.expect("an answer");
        assert_eq!((answer.status, &answer.bytes), (200, &"kept".into()));
        let state = gateway.operator().get("/gateway").await.expect("an answer").json();
        if state["cache"]["stale"].as_u64() >= Some(1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never grows old");
}

#[tokio::test]
async fn of_a_server_that_hangs_everybody_gets_the_old_answer_at_once_when_one_has_waited() {
    let server = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ if asked.head.contains("x-hang") => {
            std::thread::park();
            false
        }
        _ => answer(stream, "cache-control: max-age=1, stale-if-error=600\r\n", "kept"),
    });
    let text = format!("{}cache = true\n", settings(&[&server], "times = { first-byte-ms-max = 1500 }"));
    let gateway = Gateway::start(&text).expect("it starts");
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, "kept");
    tokio::time::sleep(A_WHILE).await;
    let crowd: Vec<_> = (0..10)
        .map(|_| {
            let client = gateway.client().with_field("x-hang", "1");
            tokio::spawn(async move { client.get("/").await.expect("an answer") })
        })
        .collect();
    for caller in crowd {
        assert_eq!(caller.await.expect("it is answered").bytes, "kept");
    }
    assert_eq!(server.asked(), 2, "one waited for it in the place of all");
}

#[tokio::test]
async fn text_is_made_smaller_once_for_those_who_take_it() {
    let text = "kelp holds fast in winter storms\n".repeat(200);
    let sent = text.clone();
    let server = Upstream::start(move |asked, stream| match asked.path() {
        "/coded" => answer(stream, "content-type: text/plain\r\ncontent-encoding: gzip\r\n", &sent),
        "/picture" => answer(stream, "content-type: image/png\r\n", &sent),
        "/small" => answer(stream, "content-type: text/plain\r\n", "small"),
        "/kept" => answer(stream, "content-type: text/plain\r\ncache-control: max-age=600\r\n", &sent),
        _ => answer(stream, "content-type: text/plain\r\n", &sent),
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let with = |coding: &str| gateway.client().with_field("accept-encoding", coding);
    let zstd = with("zstd").get("/").await.expect("an answer");
    assert_eq!(
        (zstd.headers["content-encoding"].as_ref(), zstd.headers["vary"].as_ref()),
        (&b"zstd"[..], &b"accept-encoding"[..])
    );
    assert!(zstd.bytes.len() * 4 < text.len());
    assert_eq!(zstd::decode_all(&*zstd.bytes).expect("it is whole"), text.as_bytes());
    for (coding, name) in [("gzip, deflate, br", "br"), ("gzip", "gzip")] {
        assert_eq!(with(coding).get("/").await.expect("an answer").headers["content-encoding"], name);
    }
    for path in ["/picture", "/small", "/coded"] {
        let answer = with("br").get(path).await.expect("an answer");
        assert_ne!(
            answer.headers.get("content-encoding").map(|coding| coding.as_bytes()),
            Some(&b"br"[..]),
            "{path}"
        );
    }
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, text);
    // Kept apart for each.
    for (coding, smaller) in [("zstd", true), ("identity", false), ("zstd", true), ("identity", false)] {
        let answer = with(coding).get("/kept").await.expect("an answer");
        assert_eq!(answer.bytes.len() < text.len(), smaller, "{coding}");
    }
    let state = gateway.operator().get("/gateway").await.expect("an answer").json();
    assert_eq!(state["cache"]["hits"], 2, "{state}");
}
