//! A port that passes requests on, and connections that leave HTTP behind.

use std::{
    io::{Read, Write},
    net::Shutdown,
    time::Duration,
};

use edge::{Content, Forward, FromUpstream, Lines, Passed, Passing, Tunnel};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    rig::{Rig, hear_one, listen, start_forwarding, start_forwarding_behind},
    versions::{get, plain_http2},
};

/// What is said to a caller who says nothing: more than lies on the way to one who does not read.
const SPOKEN_BYTES: usize = 16 << 20;

/// Answers with what it was asked, or opens a tunnel to an echo that greets first.
async fn pass_on(request: Request<Content>, passing: Passing) -> Passed {
    assert_ne!(request.uri().path(), "/panic", "hunter2");
    let idle_max = if request.uri().path() == "/silent" { 50 } else { 60_000 };
    if request.headers().contains_key("upgrade") {
        let (near, far) = tokio::io::duplex(1000);
        let speaks = request.uri().path() == "/speaker";
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(far);
            if speaks {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let _spoken = write.write_all(&vec![b'x'; SPOKEN_BYTES]).await;
                let _ended = write.shutdown().await;
            }
            let _greeted = write.write_all(b"welcome\n").await;
            let mut piece = [0; 700];
            while let Ok(count @ 1..) = read.read(&mut piece).await {
                let _echoed = write.write_all(&piece[..count]).await;
            }
            let _ended = write.shutdown().await;
        });
        let mut response = Response::new(Content::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("x-kept", HeaderValue::from_static("1"));
        let protocol = HeaderValue::from_static("echo");
        Tunnel::new(near, protocol, Duration::from_millis(idle_max)).open_with(&mut response);
        return Passed::ours(response);
    }
    let text = format!("{} {}", request.uri(), passing.id.as_str());
    Passed { counted_as: Some("passed".into()), ..Passed::ours(Response::new(Content::from(text))) }
}

fn start() -> Rig {
    start_forwarding(&Forward::by(pass_on))
}

const UPGRADE: &str = "GET /tunnel HTTP/1.1\r\nhost: edge\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[test]
fn what_is_passed_on_is_named_counted_and_survived() {
    let rig = start();
    let reply = rig.ask("GET", "/a?b", "x-request-id: mine\r\n", "");
    assert_eq!((reply.body.as_str(), reply.field("x-request-id")), ("/a?b mine", Some("mine")));
    rig.get("/panic").refuses(500, "internal");
    let metrics = rig.metrics.encode();
    assert!(
        metrics.contains("http_requests_total{method=\"GET\",route=\"passed\",status=\"200\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("route=\"unmatched\",status=\"500\"} 1"), "{metrics}");
}

/// What a browser sends where a person looks at what comes.
const PERSON: &str = "accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

#[tokio::test]
async fn a_person_gets_a_refusal_as_a_page_and_a_program_as_a_document() {
    let rig = start();
    rig.ask("GET", "/panic", "accept: */*\r\n", "").refuses(500, "internal");
    let page = rig.ask("GET", "/panic", PERSON, "");
    assert_eq!(
        (page.status, page.field("content-type")),
        (500, Some("text/html; charset=utf-8")),
        "{page:?}"
    );
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert!(
        page.field("content-security-policy").is_some_and(|policy| policy.contains("style-src 'sha256-"))
    );
    assert!(page.body.contains("<h1>Something went wrong on our side</h1>"), "{}", page.body);
    // What is passed on stays what it is.
    assert!(rig.ask("GET", "/a", PERSON, "").body.starts_with("/a "));
    let request = Request::get("http://edge/panic").header("accept", "text/html");
    let request = request.body(http_body_util::Empty::new()).expect("a request");
    let response = plain_http2(&rig).await.send_request(request).await.expect("it answers");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
}

#[test]
fn a_body_that_is_refused_is_counted_under_the_route_it_was_for() {
    let config = toml::from_str("[inspection]\nmode = \"block\"\n[limits]\nrules = []\n").expect("settings");
    let forward = Forward::named(pass_on, |uri, fields| {
        let known = uri.path() == "/notes" && fields.contains_key("host");
        known.then(|| "notes".into())
    });
    let rig = start_forwarding_behind(&forward, &config);
    let kind = "content-type: application/x-www-form-urlencoded\r\n";
    for path in ["/notes", "/other"] {
        rig.ask("POST", path, kind, "text=1%27%20or%201=1--").refuses(403, "edge/inspected");
    }
    let metrics = rig.metrics.encode();
    for route in ["notes", "unmatched"] {
        let counted = format!("http_requests_total{{method=\"POST\",route=\"{route}\",status=\"403\"}} 1");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}

#[test]
fn a_body_with_more_than_is_looked_at_is_refused_where_attacks_are() {
    let rig = |settings: &str| {
        let config = format!("[limits]\nrules = []\n[inspection]\n{settings}");
        let config = toml::from_str(&config).expect("settings");
        start_forwarding_behind(&Forward::named(pass_on, |_, _| None), &config)
    };
    let kind = "content-type: application/json\r\n";
    let (many, long) = (format!("[{}1]", "\"a b\",".repeat(600)), format!("[{}1]", " ".repeat(70_000)));
    let empty = format!("[{}\"1 or 1=1\"]", "\"\",".repeat(600));
    let block = rig("mode = \"block\"");
    for (body, bound, max) in [(&many, "values-max", 512), (&long, "bytes-max", 65_536)] {
        let problem = block.ask("POST", "/a", kind, body).refuses(413, "edge/not-inspected");
        assert_eq!((&problem["bound"], &problem["max"]), (&bound.into(), &max.into()));
    }
    block.ask("POST", "/a", kind, &empty).refuses(403, "edge/inspected");
    let passes = rig("mode = \"block\"\nbeyond = \"pass\"");
    assert_eq!(passes.ask("POST", "/a", kind, &many).status, 200);
    let counted = "front_bodies_beyond_total{bound=\"values-max\",refused=\"false\"} 1";
    let metrics = passes.metrics.encode();
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_connection_that_left_http_carries_bytes_both_ways_until_both_have_ended() {
    let rig = start();
    // What comes right behind the request belongs to the other protocol already.
    let mut stream = rig.connect_and_say(format!("{UPGRADE}early\n").as_bytes());
    let message = "x".repeat(500_000);
    let mut speaker = stream.try_clone().expect("a socket can be shared");
    let sent = message.clone();
    let speaking = std::thread::spawn(move || {
        speaker.write_all(sent.as_bytes()).expect("it is heard");
        speaker.shutdown(Shutdown::Write).expect("it is open");
    });
    let heard = String::from_utf8(listen(&mut stream)).expect("text");
    speaking.join().expect("all was said");
    let (head, rest) = heard.split_once("\r\n\r\n").expect("a head");
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n"),
        "{head}"
    );
    assert!(head.contains("x-kept: 1"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert!(rest == format!("welcome\nearly\n{message}"), "{} bytes came", rest.len());
}

#[test]
fn whoever_says_nothing_in_a_tunnel_and_reads_late_hears_all_and_its_end() {
    let rig = start();
    let mut stream = rig.connect_and_say(UPGRADE.replace("/tunnel", "/speaker").as_bytes());
    // So long that the way to them is full.
    let (_silent, nothing) = std::sync::mpsc::channel::<()>();
    nothing.recv_timeout(Duration::from_millis(300)).ok();
    let heard = listen(&mut stream);
    assert!(heard.len() > SPOKEN_BYTES, "{} bytes came and no more", heard.len());
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    let rig = start();
    let mut stream = rig.connect_and_say(UPGRADE.replace("/tunnel", "/silent").as_bytes());
    assert!(listen(&mut stream).ends_with(b"welcome\n"));
}

#[test]
fn an_answer_before_a_tunnel_is_whole() {
    let rig = start();
    let mut stream =
        rig.connect_and_say(format!("GET /first HTTP/1.1\r\nhost: edge\r\n\r\n{UPGRADE}").as_bytes());
    assert!(hear_one(&mut stream).body.starts_with("/first "));
    let mut rest = [0; 12];
    stream.read_exact(&mut rest).expect("the next answer");
    assert_eq!(&rest, b"HTTP/1.1 101");
}

/// Answers as an upstream did, with fields that nobody looked at.
async fn pass_lines(request: Request<Content>, _: Passing) -> Passed {
    let mut lines = Lines::default();
    for (name, value) in [
        ("X-Kept", "As It Came"),
        ("Date", "Tue, 03 Mar 2026 10:00:00 GMT"),
        ("Content-Length", "6"),
        ("X-Request-Id", "theirs"),
        ("X-Kept", "twice"),
    ] {
        lines.push(name, value.as_bytes());
    }
    let completed = request.uri().path() == "/completed";
    let whose = Some(FromUpstream { completed, strict_cookies: false });
    Passed { lines, whose, ..Passed::ours(Response::new(Content::from("theirs"))) }
}

#[test]
fn fields_that_nobody_looks_at_go_on_as_they_came() {
    let rig = start_forwarding(&Forward::by(pass_lines));
    let count = |head: &str, name: &str| head.to_ascii_lowercase().matches(&format!("\r\n{name}: ")).count();
    for path in ["/", "/completed"] {
        let reply = rig.ask("GET", path, "x-request-id: mine\r\n", "");
        assert_eq!(reply.body, "theirs");
        assert_eq!(count(&reply.head, "x-kept"), 2, "{}", reply.head);
        for (name, value) in [
            ("date", "Tue, 03 Mar 2026 10:00:00 GMT"),
            ("content-length", "6"),
            ("x-request-id", "mine"),
            ("x-kept", "As It Came"),
        ] {
            assert_eq!(reply.field(name), Some(value), "{path}");
        }
        for name in ["date", "content-length", "x-request-id"] {
            assert_eq!(count(&reply.head, name), 1, "{name} of {path}: {}", reply.head);
        }
        assert_eq!(count(&reply.head, "x-content-type-options"), usize::from(path == "/completed"));
    }
    // The length is that of the body that there would be.
    let mut stream = rig.connect_and_say(b"HEAD / HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
    let head = String::from_utf8(listen(&mut stream)).expect("text");
    assert!(head.contains("\r\nContent-Length: 6\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(count(&head, "content-length"), 1, "{head}");
}

#[tokio::test]
async fn fields_that_nobody_looks_at_are_said_in_http_2_too() {
    let rig = start_forwarding(&Forward::by(pass_lines));
    let response = get(&mut plain_http2(&rig).await, "/", 0).await;
    let kept: Vec<_> = response.headers().get_all("x-kept").iter().collect();
    assert_eq!(kept, ["As It Came", "twice"]);
    assert_eq!(response.headers()["content-length"], "6");
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 1);
    assert_ne!(response.headers()["x-request-id"], "theirs");
}
