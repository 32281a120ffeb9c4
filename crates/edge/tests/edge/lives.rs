//! A panic costs one request; a stop costs none.

use std::{
    io::{Read, Write},
    time::Duration,
};

use clock::Clock;

use crate::rig::{hear_one, listen, nonzero, replies, start, start_on, start_with};

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
fn a_successor_goes_on_with_the_same_sockets_and_nobody_notices() {
    let rig = start();
    let address = rig.address();
    let hello = b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n";
    let mut idle = rig.connect();
    idle.write_all(hello).expect("it listens");
    assert_eq!(hear_one(&mut idle).body, "hello");
    let mut silent = rig.connect();
    silent.write_all(hello).expect("it listens");
    assert_eq!(hear_one(&mut silent).body, "hello");
    let sockets = rig.handle.sockets().expect("there are descriptors");
    rig.handle.succeeded();
    idle.write_all(hello).expect("it is still open");
    let last = replies(&listen(&mut idle)).pop().expect("it is answered");
    assert_eq!((last.body.as_str(), last.field("connection")), ("hello", Some("close")));
    assert!(listen(&mut silent).is_empty(), "who asks nothing more is not waited for");
    rig.handle.stop();
    // Nobody accepts, and nobody is refused.
    let mut early = std::net::TcpStream::connect(address).expect("the sockets listen");
    early.write_all(hello).expect("it is connected");
    let next = start_on(sockets);
    assert_eq!(next.address(), address);
    assert_eq!(hear_one(&mut early).body, "hello");
    assert_eq!(next.get("/hello").body, "hello");
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

#[test]
fn an_answer_does_not_wait_for_the_next_request_to_be_whole() {
    let rig = start();
    for path in ["/hello", "/session"] {
        let mut stream = rig.connect();
        let fields = "host: edge\r\nauthorization: Bearer good\r\n\r\n";
        write!(stream, "GET {path} HTTP/1.1\r\n{fields}GET /visits/1 HT").expect("it listens");
        assert_eq!(hear_one(&mut stream).status, 200);
        write!(stream, "TP/1.1\r\n{fields}").expect("it listens");
        assert_eq!(hear_one(&mut stream).body, "1");
    }
}

#[test]
fn answers_before_a_malformed_request_are_still_given() {
    let good = "GET /session HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer good\r\n\r\n";
    let replies = start().say(format!("{good}{good}nonsense\r\n\r\n").as_bytes());
    let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 400]);
}

#[test]
fn a_long_pipeline_is_answered_whole() {
    let rig = start();
    let good = "GET /session HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer good\r\n\r\n".repeat(5000);
    let last = "GET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
    let mut stream = rig.connect();
    let mut writer = stream.try_clone().expect("a socket has two ends");
    let writing = std::thread::spawn(move || writer.write_all(format!("{good}{last}").as_bytes()));
    let replies = replies(&listen(&mut stream));
    writing.join().expect("it does not panic").expect("it is all read");
    assert_eq!((replies.len(), replies[5000].body.as_str()), (5001, "hello"));
}

/// What a caller may have said beside what is being answered.
const AHEAD: [&[u8]; 3] = [b"", b"G", b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\nGET /"];

#[test]
fn a_handler_whose_caller_has_gone_is_given_up_whatever_they_said_ahead() {
    let rig = start();
    let waits = |count| rig.metrics.encode().contains(&format!("http_requests_in_flight {count}"));
    for ahead in AHEAD {
        for at_once in [true, false] {
            let head = b"GET /wait?ms=60000 HTTP/1.1\r\nhost: edge\r\n\r\n";
            let mut busy = rig.connect_and_say(&if at_once { [head, ahead].concat() } else { head.to_vec() });
            while !waits(1) {
                std::thread::yield_now();
            }
            busy.write_all(if at_once { b"" } else { ahead }).expect("it listens");
            drop(busy);
            let gone = Clock::System.stopwatch();
            while !waits(0) {
                assert!(gone.elapsed() < Duration::from_secs(10), "{ahead:?} {at_once}");
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn what_is_said_ahead_while_an_answer_is_made_is_answered_in_its_turn() {
    let rig = start();
    let mut stream = rig.connect_and_say(b"GET /wait?ms=300 HTTP/1.1\r\nhost: edge\r\n\r\nG");
    // More than is kept, byte by byte at first.
    let ahead = "GET /visits/7 HTTP/1.1\r\nhost: edge\r\n\r\n".repeat(2000);
    stream.set_nodelay(true).expect("a socket has options");
    for byte in &ahead.as_bytes()[1..200] {
        stream.write_all(&[*byte]).expect("it listens");
    }
    let mut writer = stream.try_clone().expect("a socket has two ends");
    let writing = std::thread::spawn(move || {
        let last = "GET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
        writer.write_all(format!("{}{last}", &ahead[200..]).as_bytes())
    });
    let replies = replies(&listen(&mut stream));
    writing.join().expect("it does not panic").expect("it is all read");
    assert_eq!((replies[0].body.as_str(), replies[2001].body.as_str()), ("waited", "hello"));
    assert!(replies[1..2001].iter().all(|reply| reply.body == "7"));
}

#[test]
fn a_stream_that_is_silent_ends_when_its_caller_goes() {
    let rig = start();
    for ahead in AHEAD {
        let mut stream = rig.connect_and_say(b"GET /silent HTTP/1.1\r\nhost: edge\r\n\r\n");
        stream.read_exact(&mut [0; 15]).expect("its head comes");
        let open = |count| rig.metrics.encode().contains(&format!("http_connections_open {count}"));
        assert!(open(1));
        stream.write_all(ahead).expect("it listens");
        // So that it comes behind what was said, and no reset overtakes it.
        stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let gone = Clock::System.stopwatch();
        while !open(0) {
            assert!(gone.elapsed() < Duration::from_secs(10), "{ahead:?}");
            std::thread::yield_now();
        }
    }
}
