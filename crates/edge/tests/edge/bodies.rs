//! Bodies of HTTP/1, both ways: how they end, who waits for whom, and what becomes of the connection.

use std::io::{Read, Write};

use crate::rig::{hear_one, listen, nonzero, replies, start, start_with};

/// What a caller of this version hears in full, until the connection is closed.
fn hear(request: &str) -> String {
    let rig = start();
    let mut stream = rig.connect_and_say(request.as_bytes());
    String::from_utf8(listen(&mut stream)).expect("it is text")
}

#[test]
fn an_answer_of_unknown_length_comes_in_chunks() {
    let heard = hear("GET /stream HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n");
    assert!(heard.contains("transfer-encoding: chunked\r\n"), "{heard}");
    assert!(!heard.contains("content-length"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"), "{heard}");
}

#[test]
fn an_answer_of_unknown_length_to_http_1_0_ends_with_the_connection() {
    let heard = hear("GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert!(heard.contains("connection: close\r\n"), "{heard}");
    assert!(!heard.contains("transfer-encoding"), "{heard}");
    assert!(heard.ends_with("\r\n\r\none two"), "{heard}");
}

#[test]
fn a_body_that_breaks_off_is_not_ended() {
    let heard = hear("GET /broken HTTP/1.1\r\nhost: edge\r\n\r\n");
    assert!(heard.contains("\r\n\r\n4\r\nhalf") && !heard.contains("0\r\n\r\n"), "{heard}");
}

#[test]
fn some_answers_have_no_body() {
    let close = "host: edge\r\nconnection: close\r\n\r\n";
    let heard = hear(&format!("HEAD /hello HTTP/1.1\r\n{close}"));
    assert!(heard.contains("content-length: 5\r\n") && heard.ends_with("\r\n\r\n"), "{heard}");
    let heard = hear(&format!("GET /nothing HTTP/1.1\r\n{close}"));
    assert!(heard.starts_with("HTTP/1.1 204 No Content\r\n") && heard.ends_with("\r\n\r\n"), "{heard}");
    assert!(!heard.contains("content-length"), "{heard}");
}

#[test]
fn every_answer_is_dated() {
    for path in ["/hello", "/session", "/nowhere"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: edge\r\nauthorization: x\r\nconnection: close\r\n\r\n");
        let heard = hear(&request);
        assert_eq!(heard.matches("\r\ndate: ").count(), 1, "{heard}");
    }
}

#[test]
fn a_caller_who_waits_to_be_asked_for_the_body_is_asked_when_it_is_wanted() {
    let rig = start();
    let head = |path| {
        format!("POST {path} HTTP/1.1\r\nhost: edge\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    };
    let mut stream = rig.connect_and_say(head("/echo").as_bytes());
    let mut invited = [0; 25];
    stream.read_exact(&mut invited).expect("it asks");
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").expect("it listens");
    assert_eq!(hear_one(&mut stream).body, "hello");
    // Who is not asked may send the body or not: nobody can tell, so nothing may follow it.
    let mut stream = rig.connect_and_say(head("/ignore").as_bytes());
    let reply = hear_one(&mut stream);
    assert_eq!((reply.body.as_str(), reply.field("connection")), ("ignored", Some("close")));
}

#[test]
fn a_body_that_came_whole_and_unread_does_not_end_the_connection() {
    let request = "POST /ignore HTTP/1.1\r\nhost: edge\r\ncontent-length: 2\r\n\r\nhi";
    let last = "GET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n";
    let replies = start().say(format!("{request}{last}").as_bytes());
    assert_eq!(replies.len(), 2, "{replies:?}");
    assert_eq!(replies[1].body, "hello");
}

#[test]
fn a_body_left_unread_on_its_way_ends_the_connection_after_the_answer() {
    let rig = start();
    let mut stream =
        rig.connect_and_say(b"POST /ignore HTTP/1.1\r\nhost: edge\r\ncontent-length: 9\r\n\r\nhi");
    let replies = replies(&listen(&mut stream));
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(replies[0].field("connection"), Some("close"));
}

#[test]
fn a_body_may_go_out_while_it_comes_in() {
    let rig = start();
    let head = b"POST /through HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = rig.connect_and_say(head);
    let mut heard = Vec::new();
    for piece in ["ping", "pong"] {
        write!(stream, "4\r\n{piece}\r\n").expect("it listens");
        let mut byte = [0];
        while !heard.ends_with(piece.as_bytes()) {
            stream.read_exact(&mut byte).expect("it comes back before the next is sent");
            heard.push(byte[0]);
        }
    }
    stream
        .write_all(b"0\r\n\r\nGET /hello HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n")
        .expect("it listens");
    let rest = String::from_utf8(listen(&mut stream)).expect("it is text");
    assert!(rest.starts_with("\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n") && rest.ends_with("hello"), "{rest}");
}

#[test]
fn large_bodies_pass_both_ways() {
    let body: String = (0..150_000_u32).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
    let rig = start();
    assert_eq!(rig.ask("POST", "/echo", "", &body).body, body);
    let chunks: String = body
        .as_bytes()
        .chunks(70_000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let head = "POST /echo HTTP/1.1\r\nhost: edge\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let replies = rig.say(format!("{head}{chunks}0\r\n\r\n").as_bytes());
    assert_eq!(replies[0].body, body);
}

#[test]
fn a_sender_whom_nobody_reads_is_made_to_wait() {
    let rig = start_with(|limits, _| limits.body_bytes_max = nonzero(100_000_000));
    let head = b"POST /wait?ms=5000 HTTP/1.1\r\nhost: edge\r\ncontent-length: 100000000\r\n\r\n";
    let mut stream = rig.connect_and_say(head);
    stream.set_write_timeout(Some(std::time::Duration::from_millis(300))).expect("a socket has time-outs");
    // The kernel's buffers take some megabytes, and the edge must take nothing.
    let sent = stream.write_all(&vec![b'x'; 64 << 20]);
    assert!(sent.is_err(), "somebody took 64 MiB that nobody asked for");
}
