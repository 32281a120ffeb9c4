//! Servers that die, fail, dawdle and lie.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use rig::Gateway;

use super::{
    bodies, settings, until,
    upstream::{Upstream, answer, status},
};

#[tokio::test]
async fn a_dead_server_costs_nobody_an_answer_and_is_taken_back_when_it_lives() {
    let (first, second) = (Upstream::named("first"), Upstream::named("second"));
    let address = first.address;
    let text = settings(&[&first, &second], "balance = \"round-robin\"");
    let gateway = Gateway::start(&text).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 10).await.len(), 2);
    drop(first);
    let alone = bodies(&gateway.client(), 50).await;
    assert_eq!(alone["second"], 50, "{alone:?}");
    until(&gateway, "that it is not well, and why", |state| {
        let upstream = &state["pools"][0]["upstreams"][0];
        upstream["well"] == false && upstream["whyNot"] == "it cannot be connected to"
    })
    .await;
    let _first = Upstream::start_at(address, |_, stream| answer(stream, "", "first"));
    until(&gateway, "that it is well again", |state| {
        let upstream = &state["pools"][0]["upstreams"][0];
        upstream["well"] == true && upstream["ejectedForMs"].is_null() && upstream["whyNot"].is_null()
    })
    .await;
    let both = bodies(&gateway.client(), 50).await;
    assert_eq!((both["first"], both["second"]), (25, 25));
}

#[tokio::test]
async fn a_pool_that_rests_is_back_as_soon_as_its_only_server_passes_a_check() {
    let server = Upstream::named("here");
    let address = server.address;
    let pool = "breaker = { calls-min = 3, reset-ms = 600000 }";
    let text = settings(&[&server], pool).replace("health = { ", "health = { host = \"town.internal\", ");
    let gateway = Gateway::start(&text).expect("it starts");
    let client = gateway.client();
    drop(server);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(client.get("/").await.expect("an answer").status);
    }
    assert_eq!(
        statuses,
        [502, 502, 502, 503, 503],
        "each request is one failure, for there is nobody else to ask"
    );
    // It is asked by the name that the pool says.
    let _server = Upstream::start_at(address, |asked, stream| match asked.path() {
        "/health" if !asked.head.contains("\r\nhost: town.internal\r\n") => {
            status(stream, "421 Misdirected Request")
        }
        _ => answer(stream, "", "here"),
    });
    until(&gateway, "that the pool may be tried", |state| {
        state["pools"][0]["upstreams"][0]["well"] == true && state["pools"][0]["openForMs"].is_null()
    })
    .await;
    assert_eq!(bodies(&client, 3).await["here"], 3);
}

#[tokio::test]
async fn a_server_that_only_announces_answers_is_given_up() {
    let server = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        "/some" => {
            stream.write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(10)).is_ok()
                && answer(stream, "", "here")
        }
        _ => {
            while stream.write_all(&b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000)).is_ok() {}
            false
        }
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    assert_eq!(gateway.client().get("/some").await.expect("an answer").bytes, "here");
    let given_up = gateway.client().get("/all").await.expect("an answer");
    assert_eq!((given_up.status, given_up.problem().as_str()), (502, "gateway/bad-answer"));
}

#[tokio::test]
async fn a_server_that_fails_in_a_row_is_left_alone() {
    let bad = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ => status(stream, "500 Broken"),
    });
    let good = Upstream::named("good");
    let pool = "balance = \"round-robin\"\nejection = { base-ms = 600000, ejected-ms-max = 600000 }";
    let gateway = Gateway::start(&settings(&[&bad, &good], pool)).expect("it starts");
    let client = gateway.client();
    let mut broken = 0;
    for _ in 0..100 {
        broken += usize::from(client.get("/").await.expect("an answer").status == 500);
    }
    assert_eq!((broken, bad.asked()), (5, 5), "five in a row eject it, and its own 500s are passed on");
    until(&gateway, "an ejection", |state| state["pools"][0]["upstreams"][0]["ejections"] == 1).await;
    let metrics = gateway.operator().get("/metrics").await.expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(metrics.contains("gateway_upstream_ejected{pool=\"main\""), "{metrics}");
}

#[tokio::test]
async fn only_what_may_happen_twice_is_sent_again() {
    // It hears every request, and ends the connection instead of answering.
    let mute = Upstream::start(|asked, stream| asked.path() == "/health" && answer(stream, "", "well"));
    let good = Upstream::named("good");
    let pool =
        "balance = \"round-robin\"\nejection = { pool-percent-max = 0 }\nbreaker = { calls-min = 1000000 }";
    let gateway = Gateway::start(&settings(&[&mute, &good], pool)).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 20).await["good"], 20);
    assert!(mute.asked() >= 10, "many of them went there first");
    let (mut lost, before) = (0, mute.asked());
    for _ in 0..20 {
        let answer = gateway.client().send(Method::POST, "/", "text/plain", b"once".to_vec()).await;
        let answer = answer.expect("an answer");
        if answer.status != 200 {
            assert_eq!((answer.status, answer.problem().as_str()), (502, "gateway/no-answer"));
            lost += 1;
        }
    }
    assert_eq!((lost, mute.asked() - before), (10, 10), "each was sent once");
}

#[tokio::test]
async fn retries_do_not_become_a_flood() {
    let away = || {
        Upstream::start(|asked, stream| match asked.path() {
            "/health" => answer(stream, "", "well"),
            _ => status(stream, "503 Away"),
        })
    };
    let (one, other) = (away(), away());
    let pool =
        "retries = { budget-percent = 10, budget-per-second-min = 1 }\nejection = { pool-percent-max = 0 }";
    let gateway = Gateway::start(&settings(&[&one, &other], pool)).expect("it starts");
    let client = gateway.client();
    for _ in 0..300 {
        assert_eq!(client.get("/").await.expect("an answer").status, 503);
    }
    let sent_again = one.asked() + other.asked() - 300;
    // A tenth of them and ten in any ten seconds, however long a busy machine takes.
    assert!((10..150).contains(&sent_again), "{sent_again} of 300");
}

#[tokio::test]
async fn the_breaker_rests_a_pool_that_is_away_and_one_request_finds_out() {
    let is_well = Arc::new(AtomicBool::new(false));
    let told = is_well.clone();
    let server = Upstream::start(move |asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ if told.load(Ordering::SeqCst) => answer(stream, "", "good"),
        // It ends the connection.
        _ => false,
    });
    let pool = "breaker = { reset-ms = 300 }\nretries = { attempts-max = 1 }";
    let gateway = Gateway::start(&settings(&[&server], pool)).expect("it starts");
    let client = gateway.client();
    let mut refused = None;
    for _ in 0..200 {
        let answer = client.get("/").await.expect("an answer");
        if answer.problem() == "gateway/nobody-well" {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("the breaker opens");
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    is_well.store(true, Ordering::SeqCst);
    until(&gateway, "an open breaker's end", |state| state["pools"][0]["openForMs"].is_null()).await;
    for _ in 0..400 {
        if client.get("/").await.expect("an answer").status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never closes");
}

#[tokio::test]
async fn what_a_server_says_itself_is_passed_on_and_rests_nobody() {
    let server = || {
        Upstream::start(|asked, stream| match asked.path() {
            "/health" | "/good" => answer(stream, "", "good"),
            "/room" => status(stream, "503 Wait\r\nretry-after: 5"),
            "/late" => status(stream, "504 Late"),
            "/bad" => status(stream, "500 Bad"),
            // No answer that can be passed on.
            _ => status(stream, "999 Odd"),
        })
    };
    let servers = [server(), server()];
    let gateway = Gateway::start(&settings(&[&servers[0]], "")).expect("it starts");
    let client = gateway.client();
    let asked = || servers.iter().map(Upstream::asked).sum::<usize>();
    for (path, expected) in [("/room", 503), ("/late", 504), ("/bad", 500)] {
        for _ in 0..30 {
            assert_eq!(client.get(path).await.expect("an answer").status, expected, "{path}");
        }
    }
    assert_eq!(asked(), 90, "there is nobody else to ask");
    for _ in 0..30 {
        assert_eq!(client.get("/odd").await.expect("an answer").problem(), "gateway/bad-answer");
    }
    assert_eq!(client.get("/good").await.expect("an answer").status, 200);
    // Of two that are there, whoever holds callers back is not gone past.
    let gateway = Gateway::start(&settings(&[&servers[0], &servers[1]], "")).expect("it starts");
    let before = asked();
    for _ in 0..30 {
        assert_eq!(gateway.client().get("/room").await.expect("an answer").status, 503);
    }
    assert_eq!(asked() - before, 30, "each waits in one queue");
    let state = gateway.operator().get("/gateway").await.expect("an answer").json();
    let ejections = |upstream: &serde_json::Value| upstream["ejections"].as_u64();
    let upstreams = state["pools"][0]["upstreams"].as_array().expect("upstreams");
    assert!(upstreams.iter().all(|upstream| ejections(upstream) == Some(0)), "{state}");
}

#[tokio::test]
async fn when_nobody_is_well_callers_are_told_when_to_come_again() {
    let gone = Upstream::named("gone");
    let text = settings(&[&gone], "");
    let gateway = Gateway::start(&text).expect("it starts");
    drop(gone);
    until(&gateway, "that it is not well", |state| state["pools"][0]["upstreams"][0]["well"] == false).await;
    let refused = gateway.client().get("/").await.expect("an answer");
    assert_eq!((refused.status, refused.problem().as_str()), (503, "gateway/nobody-well"));
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_server_that_dawdles_is_not_waited_for() {
    let slow = Upstream::start(|asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        // It keeps the connection and says nothing.
        std::thread::park();
        false
    });
    let pool = "times = { first-byte-ms-max = 200 }";
    let gateway = Gateway::start(&settings(&[&slow], pool)).expect("it starts");
    let refused = gateway.client().get("/").await.expect("an answer");
    assert_eq!((refused.status, refused.problem().as_str()), (504, "gateway/too-slow"));
    assert_eq!(slow.asked(), 1, "what takes so long is not asked for twice");
}

#[tokio::test]
async fn a_slow_server_is_raced_where_that_is_asked_for() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let slow = Upstream::start(move |asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::park();
        false
    });
    let fast = Upstream::named("fast");
    let pool = "balance = \"round-robin\"\nretries = { hedge-after-ms = 50 }";
    let gateway = Gateway::start(&settings(&[&slow, &fast], pool)).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 10).await["fast"], 10);
    assert!(count.load(Ordering::SeqCst) >= 1, "the slow one was asked too");
    until(&gateway, "a hedge", |state| state["pools"][0]["hedges"].as_u64() >= Some(1)).await;
}

#[tokio::test]
async fn who_loses_every_race_is_left_alone_and_nobody_races_alone() {
    let hangs = || {
        Upstream::start(|asked, stream| {
            if asked.path() == "/health" {
                return answer(stream, "", "well");
            }
            std::thread::park();
            false
        })
    };
    let (slow, fast) = (hangs(), Upstream::named("fast"));
    let pool = "balance = \"round-robin\"\nretries = { hedge-after-ms = 50 }\nejection = { base-ms = 600000, ejected-ms-max = 600000 }";
    let gateway = Gateway::start(&settings(&[&slow, &fast], pool)).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 40).await["fast"], 40);
    assert_eq!(slow.asked(), 5, "five lost races in a row are five failures");
    until(&gateway, "an ejection", |state| state["pools"][0]["upstreams"][0]["ejections"] == 1).await;
    let alone = hangs();
    let pool = "times = { first-byte-ms-max = 500 }\nretries = { hedge-after-ms = 50 }";
    let gateway = Gateway::start(&settings(&[&alone], pool)).expect("it starts");
    assert_eq!(gateway.client().get("/").await.expect("an answer").problem(), "gateway/too-slow");
    assert_eq!(alone.asked(), 1, "there is nobody else to ask");
}

#[tokio::test]
async fn a_slow_answer_is_better_than_a_quick_refusal_of_the_other() {
    let slow = Upstream::start(|asked, stream| {
        if asked.path() != "/health" {
            std::thread::park_timeout(Duration::from_millis(400));
        }
        answer(stream, "", "slow")
    });
    let away = Upstream::start(|asked, stream| match asked.path() {
        "/health" => answer(stream, "", "well"),
        _ => status(stream, "503 Away"),
    });
    let pool =
        "balance = \"round-robin\"\nretries = { hedge-after-ms = 50 }\nejection = { failures-max = 1000 }";
    let gateway = Gateway::start(&settings(&[&slow, &away], pool)).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 6).await["slow"], 6);
    assert!(away.asked() >= 1, "it was raced");
}

#[tokio::test]
async fn answers_that_two_readers_could_cut_differently_are_refused() {
    const SHAPES: [&str; 7] = [
        "content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "content-length: +5\r\n\r\nhello",
        "x-a: b\ncontent-length: 5\r\n\r\nhello",
        "content-length : 5\r\n\r\nhello",
        "x-a: b\r\n folded\r\ncontent-length: 5\r\n\r\nhello",
    ];
    let server = Upstream::start(|asked, stream| {
        let shape = asked.path().trim_start_matches('/').parse::<usize>();
        let Ok(shape) = shape else { return answer(stream, "", "well") };
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{}", SHAPES[shape]).as_bytes()).is_ok()
    });
    let pool = "ejection = { pool-percent-max = 0 }\nbreaker = { calls-min = 1000000 }";
    let gateway = Gateway::start(&settings(&[&server], pool)).expect("it starts");
    let client = gateway.client();
    for (number, shape) in SHAPES.iter().enumerate() {
        let refused = client.get(&format!("/{number}")).await.expect("an answer");
        assert_eq!((refused.status, refused.problem().as_str()), (502, "gateway/bad-answer"), "{shape:?}");
        assert_eq!(client.get("/after").await.expect("an answer").bytes, "well", "{shape:?}");
    }
}

#[tokio::test]
async fn what_comes_behind_an_answer_is_nobodys_answer() {
    let server = Upstream::start(|_, stream| {
        let two = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
        stream.write_all(two.as_bytes()).is_ok()
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    assert_eq!(bodies(&gateway.client(), 50).await["mine"], 50);
}

#[tokio::test]
async fn nobody_leaves_http_for_anything_but_websocket() {
    let server = Upstream::start(|asked, stream| {
        if asked.path() == "/health" || !asked.head.contains("upgrade: ") {
            return answer(stream, "", &asked.head);
        }
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
            .is_ok()
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let asks = |protocols: &str| {
        let client = gateway.client().with_field("connection", "upgrade, http2-settings");
        client.with_field("http2-settings", "AAMAAABkAAQAAP__").with_field("upgrade", protocols)
    };
    for protocols in ["h2c", "websocket, h2c", ",h2c", "\"h2c\"", "TLS/1.0"] {
        let answered = asks(protocols).get("/").await.expect("an answer");
        let head = String::from_utf8_lossy(&answered.bytes).into_owned();
        assert_eq!(answered.status, 200, "{protocols}");
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{protocols} in {head}");
    }
    let refused = asks("websocket").get("/").await.expect("an answer");
    assert_eq!((refused.status, refused.problem().as_str()), (502, "gateway/bad-answer"));
}
