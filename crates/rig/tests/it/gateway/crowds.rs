//! Crowds before the cache: whatever their requests say beside what they want, the upstream is asked by few, and nobody is
//! given what was made for somebody else.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

use clock::Clock;
use rig::{Answer, Client, Gateway};
use serde_json::json;

use super::{
    caching::cached,
    upstream::{Asked, Upstream, answer, status},
};

/// What everybody wants.
const TEXT: &str = "kelp holds fast in winter storms";

/// Answers with a page that may be kept, and takes its time; a part of it to whoever wants that.
fn page(asked: &Asked, stream: &mut TcpStream, whole_bytes: usize) -> bool {
    if asked.path() == "/health" {
        return answer(stream, "", "well");
    }
    let (_never, told) = mpsc::channel::<()>();
    let _late = told.recv_timeout(Duration::from_millis(200));
    if asked.head.contains("range: bytes=0-3\r\n") {
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\ncontent-range: bytes 0-3/{whole_bytes}\r\n\
             cache-control: max-age=600\r\n\r\n{}",
            &TEXT[..4]
        );
        return stream.write_all(head.as_bytes()).is_ok();
    }
    if asked.head.contains("if-match:") {
        return status(stream, "412 Precondition Failed");
    }
    if asked.head.contains("accept: image/odd") {
        return status(stream, "406 Not Acceptable");
    }
    answer(stream, "cache-control: max-age=600\r\n", TEXT)
}

/// What each of so many callers is answered who ask at once.
async fn at_once(caller: impl Fn(usize) -> Client, callers: usize) -> Vec<Answer> {
    let asked: Vec<_> = (0..callers)
        .map(|number| {
            let client = caller(number);
            tokio::spawn(async move { client.get("/").await.expect("an answer") })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in asked {
        answers.push(caller.await.expect("it is answered"));
    }
    answers
}

#[tokio::test]
async fn of_a_crowd_that_reloads_the_upstream_hears_once_a_second() {
    let server = Upstream::start(|asked, stream| page(asked, stream, TEXT.len()));
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, TEXT);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let began = Clock::System.stopwatch();
    for _ in 0..2 {
        let control = |number| if number % 2 == 0 { "no-cache" } else { "max-age=0" };
        let crowd = at_once(|number| gateway.client().with_field("cache-control", control(number)), 30).await;
        assert!(crowd.iter().all(|answer| answer.bytes == TEXT));
    }
    let heard = u64::try_from(server.asked()).expect("a few");
    assert!((2..=2 + began.elapsed().as_secs()).contains(&heard), "{heard}");
}

#[tokio::test]
async fn a_crowd_that_wants_parts_of_a_page_is_one_request_for_all_of_it() {
    let server = Upstream::start(|asked, stream| page(asked, stream, TEXT.len()));
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let crowd = at_once(|_| gateway.client().with_field("range", "bytes=0-3"), 30).await;
    for answer in crowd {
        assert_eq!((answer.status, &answer.bytes), (206, &TEXT[..4].into()));
        assert_eq!(answer.headers["content-range"], format!("bytes 0-3/{}", TEXT.len()));
    }
    assert_eq!(server.asked(), 2, "one for the part that was wanted first, and one for all");
    let behind = gateway.client().with_field("range", "bytes=1000-").get("/").await.expect("an answer");
    assert_eq!((behind.status, behind.bytes.len()), (416, 0));
    assert_eq!(gateway.client().get("/").await.expect("an answer").bytes, TEXT);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn nobody_is_sent_a_film_because_somebody_wants_a_minute_of_it() {
    let server = Upstream::start(|asked, stream| page(asked, stream, 4 << 30));
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let crowd = at_once(|_| gateway.client().with_field("range", "bytes=0-3"), 10).await;
    assert!(crowd.iter().all(|answer| answer.status == 206));
    assert_eq!(server.asked(), 10, "each for their part");
}

#[tokio::test]
async fn what_is_too_large_to_be_kept_is_not_read_for_who_has_it_already() {
    let (told, hears) = mpsc::channel();
    let server = Upstream::start(move |asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let head = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncache-control: max-age=600\r\n\r\n";
        let endless = std::iter::once(head.as_bytes().to_vec()).chain(std::iter::repeat(vec![b'k'; 1 << 16]));
        // Until nobody reads any more.
        let _never = endless.map(|piece| stream.write_all(&piece)).find(Result::is_err);
        told.send(()).is_ok()
    });
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    let known = gateway.client().with_field("if-none-match", "\"e\"").get("/").await.expect("an answer");
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    hears.recv_timeout(Duration::from_secs(20)).expect("it is read no further");
}

#[tokio::test]
async fn an_odd_request_does_not_make_a_page_dear_for_all() {
    let server = Upstream::start(|asked, stream| page(asked, stream, TEXT.len()));
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    for (name, value, answered) in [
        ("authorization", "Bearer x", 200),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", "Sun, 01 Mar 2026 09:30:00 GMT", 200),
        ("accept", "image/odd", 406),
        ("cache-control", "no-store", 200),
    ] {
        let purge = gateway.operator().post("/gateway/cache/purge", &json!({"all": true})).await;
        assert_eq!(purge.expect("an answer").status, 204);
        let before = server.asked();
        let odd = gateway.client().with_field(name, value).get("/").await.expect("an answer");
        assert_eq!(odd.status, answered, "{name}");
        let crowd = at_once(|_| gateway.client(), 5).await;
        assert!(crowd.iter().all(|answer| answer.bytes == TEXT));
        assert_eq!(server.asked() - before, 2, "one for {name}, and one for all");
    }
}

#[tokio::test]
async fn what_is_made_for_one_scheme_or_host_is_given_at_no_other() {
    let server = Upstream::start(|asked, stream| {
        let lines = || {
            asked
                .head
                .lines()
                .filter(|line| line.starts_with("x-forwarded-"))
                .filter(|line| !line.contains("-for:"))
        };
        if asked.head.contains("x-forwarded-proto: http\r\n") && asked.path() == "/secure" {
            let moved = "HTTP/1.1 301 Moved\r\nlocation: https://shop.example/secure\r\ncontent-length: 0\r\n\
                         cache-control: max-age=600\r\n\r\n";
            return stream.write_all(moved.as_bytes()).is_ok();
        }
        answer(stream, "cache-control: max-age=600\r\n", &lines().collect::<Vec<_>>().join(", "))
    });
    let gateway =
        Gateway::start(&format!("trusts-forwarded = true\n{}", cached(&server))).expect("it starts");
    let by = |name: &'static str, value: &str| {
        gateway.client().with_field("host", "shop.example").with_field(name, value)
    };
    let plain = by("x-forwarded-proto", "http").get("/secure").await.expect("an answer");
    let encrypted = by("x-forwarded-proto", "https").get("/secure").await.expect("an answer");
    assert_eq!((plain.status, encrypted.status), (301, 200), "nobody is sent round in a circle");
    for (name, value) in [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-port", "8443"),
        ("x-forwarded-prefix", "/evil"),
        ("accept", "*/*"),
    ] {
        let page = by(name, value).get("/").await.expect("an answer");
        let page = String::from_utf8_lossy(&page.bytes).into_owned();
        assert_eq!(page.contains(value), name != "accept", "{name}: {value} in {page}");
        assert!(!page.contains("evil") || value.contains("evil"), "{name}: {value} in {page}");
    }
}

#[tokio::test]
async fn an_address_without_a_path_has_a_slash_behind_the_gateway() {
    let server =
        Upstream::start(|asked, stream| answer(stream, "cache-control: max-age=600\r\n", asked.path()));
    let gateway = Gateway::start(&cached(&server)).expect("it starts");
    for target in ["http://shop.example?x", "/?x"] {
        let mut stream = TcpStream::connect(gateway.public).expect("it listens");
        write!(stream, "GET {target} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n")
            .expect("it listens");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("it answers");
        assert!(said.ends_with("\r\n\r\n/?x"), "{target}: {said}");
    }
    assert_eq!(server.asked(), 1, "they are one address");
}
