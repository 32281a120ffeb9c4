//! A panic costs one request; a stop costs none.

use std::io::{Read, Write};

use crate::rig::{hear_one, listen, nonzero, replies, start, start_with};

#[test]
fn a_panic_costs_one_request() {
    let rig = start();
    let mut stream = rig.connect();
    for path in ["/panic", "/direct-panic"] {
        write!(stream, "GET {path} HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
        let reply = hear_one(&mut stream);
        reply.refuses(500, "internal");
        assert!(!reply.body.contains("hunter2"), "{reply:?}");
        assert!(reply.field("x-request-id").is_some());
    }
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").expect("the connection lives");
    assert_eq!(hear_one(&mut stream).body, "hello");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rig = start();
    let paths = ["/wait?ms=50", "/visits/1", "/session", "/visits/2", "/hello"];
    let requests: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer good\r\n\r\n"))
        .collect();
    let last = "GET /visits/3 HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
    let replies = rig.say(format!("{requests}{last}").as_bytes());
    let bodies: Vec<_> = replies.iter().map(|reply| reply.body.as_str()).collect();
    assert_eq!(bodies, ["waited", "1", "{\"session\":1}", "2", "hello", "3"]);
}

#[test]
fn a_stop_finishes_what_was_asked_and_takes_nothing_new() {
    let rig = start();
    let address = rig.address();
    let mut idle = rig.connect();
    idle.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    assert_eq!(hear_one(&mut idle).body, "hello");
    let mut busy = rig.connect();
    busy.write_all(b"GET /wait?ms=300 HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    // Once it is in flight, the stop must wait for it.
    while !rig.metrics.encode().contains("http_requests_in_flight 1") {
        std::thread::yield_now();
    }
    rig.handle.stop();
    let reply = replies(&listen(&mut busy)).pop().expect("it is answered");
    assert_eq!((reply.body.as_str(), reply.field("connection")), ("waited", Some("close")));
    assert!(listen(&mut idle).is_empty());
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let rig = start_with(|_, listen| listen.drain_ms_max = nonzero(50));
    let mut busy = rig.connect();
    busy.write_all(b"GET /wait?ms=20000 HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    while !rig.metrics.encode().contains("http_requests_in_flight 1") {
        std::thread::yield_now();
    }
    rig.handle.stop();
    let mut nothing = [0];
    assert!(!matches!(busy.read(&mut nothing), Ok(1..)), "the connection was cut");
}
