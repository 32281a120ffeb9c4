//! Bodies that are long, or come by and by.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

use rig::Gateway;

use super::{
    settings,
    upstream::{Upstream, answer},
};

const MEBIBYTE: usize = 1 << 20;
const LONG_MEBIBYTES: usize = 100;
/// What a process may grow by while a hundred MiB stream through it.
const GROWTH_BYTES_MAX: f64 = 24.0 * MEBIBYTE as f64;

/// Asks, and reads the head of the answer.
fn ask(gateway: &Gateway, request: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(gateway.public).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has time-outs");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut reader = BufReader::new(stream);
    let head = head(&mut reader);
    (reader, head)
}

fn head(reader: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("an answer comes") > 0, "{head}");
    }
    head
}

fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("more comes");
    line.trim_end().to_owned()
}

#[tokio::test]
async fn events_pass_as_soon_as_they_happen() {
    let (happens, events) = mpsc::channel::<&'static str>();
    let events = std::sync::Mutex::new(events);
    let server = Upstream::start(move |asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut put = |text: &str| stream.write_all(text.as_bytes()).is_ok();
        let mut open = put(head);
        let events = events.lock().expect("nobody panics");
        while let Ok(event) = events.recv() {
            open &= put(&format!("{:x}\r\n{event}\r\n", event.len()));
        }
        open && put("0\r\n\r\n")
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    // The head comes before any event.
    let (mut reader, head) = ask(&gateway, "GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(head.contains("text/event-stream"), "{head}");
    for event in ["data: one\n\n", "data: two\n\n"] {
        // The second happens only after the first was heard.
        happens.send(event).expect("the server waits");
        assert_eq!(line(&mut reader), format!("{:x}", event.len()));
        assert_eq!(line(&mut reader), event.trim_end());
        assert_eq!((line(&mut reader), line(&mut reader)), (String::new(), String::new()));
    }
    drop(happens);
    assert_eq!(line(&mut reader), "0");
}

#[tokio::test]
async fn a_hundred_mebibytes_stream_down_without_being_kept() {
    let server = Upstream::start(|asked, stream| {
        if asked.path() == "/health" {
            return answer(stream, "", "well");
        }
        let length = LONG_MEBIBYTES * MEBIBYTE;
        let mut put = |bytes: &[u8]| stream.write_all(bytes).is_ok();
        let piece = vec![7; MEBIBYTE];
        put(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())
            && (0..LONG_MEBIBYTES).all(|_| put(&piece))
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let (mut reader, head) = ask(&gateway, "GET /long HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(head.contains(&format!("content-length: {}", LONG_MEBIBYTES * MEBIBYTE)), "{head}");
    let before = gateway.resident_bytes().expect("it runs");
    let mut piece = vec![0; MEBIBYTE];
    for _ in 0..LONG_MEBIBYTES {
        reader.read_exact(&mut piece).expect("all of it comes");
        assert!(piece.iter().all(|byte| *byte == 7));
        let grown = gateway.resident_bytes().expect("it runs") - before;
        assert!(grown < GROWTH_BYTES_MAX, "it grew by {grown} bytes");
    }
}

#[tokio::test]
async fn a_hundred_mebibytes_stream_up_without_being_kept() {
    let server = Upstream::start(|asked, stream| answer(stream, "", &asked.body_bytes.to_string()));
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let mut stream = TcpStream::connect(gateway.public).expect("it listens");
    let before = gateway.resident_bytes().expect("it runs");
    stream
        .write_all(b"POST /long HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .expect("it listens");
    let piece = [format!("{MEBIBYTE:x}\r\n").as_bytes(), &vec![7; MEBIBYTE], b"\r\n"].concat();
    for _ in 0..LONG_MEBIBYTES {
        stream.write_all(&piece).expect("it is taken");
        let grown = gateway.resident_bytes().expect("it runs") - before;
        assert!(grown < GROWTH_BYTES_MAX, "it grew by {grown} bytes");
    }
    stream.write_all(b"0\r\n\r\n").expect("it is taken");
    let mut reader = BufReader::new(stream);
    assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
    assert_eq!(line_of(&mut reader, 9), (LONG_MEBIBYTES * MEBIBYTE).to_string());
}

fn line_of(reader: &mut BufReader<TcpStream>, bytes: usize) -> String {
    let mut text = vec![0; bytes];
    reader.read_exact(&mut text).expect("all of it comes");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Upstream::named("here");
    let text = format!("body-bytes-max = 1000\n{}", settings(&[&server], ""));
    let gateway = Gateway::start(&text).expect("it starts");
    let (_, head) = ask(&gateway, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
    let request = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let (_, head) = ask(&gateway, &request);
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_caller_too() {
    let server = Upstream::start(|asked, stream| {
        let path = asked.path().to_owned();
        if path == "/health" {
            return answer(stream, "", "well");
        }
        let sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
        assert!(sent.is_ok() && asked.body_bytes == 0 && asked.is("GET"));
        false
    });
    let gateway = Gateway::start(&settings(&[&server], "")).expect("it starts");
    let (mut reader, head) = ask(&gateway, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(head.contains("content-length: 100"), "{head}");
    let mut body = Vec::new();
    // Cut off, however that is told: never a whole answer.
    let _end = reader.read_to_end(&mut body);
    assert_eq!(body, b"half");
}
