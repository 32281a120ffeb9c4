//! Each limit holds, and says so.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use clock::Clock;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::rig::{Rig, hear_one, listen, nonzero, replies, start, start_with};
use crate::versions::get;

#[test]
fn a_declared_body_over_the_limit_is_refused_before_it_is_sent() {
    let rig = start();
    let head = b"POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 1048577\r\n\r\n";
    let mut stream = rig.connect();
    stream.write_all(head).expect("it listens");
    hear_one(&mut stream).refuses(413, "edge/body-too-large");
}

#[test]
fn a_sender_who_does_not_stop_still_hears_the_refusal() {
    let body = "x".repeat(3 << 20);
    let reply = start().ask("POST", "/echo", "", &body);
    reply.refuses(413, "edge/body-too-large");
}

#[test]
fn a_body_without_a_length_is_cut_at_the_limit() {
    let rig = start_with(|limits, _| limits.body_bytes_max = nonzero(10));
    let head = "POST /echo HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
    let fits = format!("{head}a\r\n0123456789\r\n0\r\n\r\n");
    let mut stream = rig.connect();
    stream.write_all(fits.as_bytes()).expect("it listens");
    assert_eq!(hear_one(&mut stream).body, "0123456789");
    let over = format!("{head}6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n");
    stream.write_all(over.as_bytes()).expect("it listens");
    hear_one(&mut stream).refuses(413, "edge/body-too-large");
}

#[test]
fn a_large_header_section_is_refused() {
    let rig = start_with(|limits, _| limits.header_bytes_max = nonzero(1024));
    let field = format!("x-padding: {}\r\n", "x".repeat(1024));
    rig.ask("GET", "/hello", &field, "").refuses(431, "edge/header-too-large");
    assert_eq!(rig.get("/hello").body, "hello");
}

#[test]
fn a_header_section_of_many_fields_is_refused() {
    for (limit, count) in [(100, 100), (5, 5)] {
        let rig = start_with(|limits, _| limits.header_fields_max = nonzero(limit));
        rig.ask("GET", "/hello", &"x: y\r\n".repeat(count), "").refuses(431, "edge/header-too-large");
        assert_eq!(rig.get("/hello").body, "hello");
    }
}

#[test]
fn a_slow_header_section_is_refused() {
    let rig = start_with(|limits, _| limits.header_read_ms_max = nonzero(100));
    let mut stream = rig.connect();
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: ").expect("it listens");
    let reply = replies(&listen(&mut stream)).pop().expect("it says why");
    reply.refuses(408, "edge/request-too-slow");
}

#[test]
fn a_slow_body_is_refused() {
    let rig = start_with(|limits, _| limits.body_read_ms_max = nonzero(100));
    let mut stream = rig.connect();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 10\r\n\r\nhalf")
        .expect("it listens");
    hear_one(&mut stream).refuses(408, "edge/request-too-slow");
}

#[test]
fn a_slow_handler_is_given_up_on() {
    let rig = start_with(|limits, _| limits.answer_ms_max = nonzero(100));
    let reply = rig.get("/wait?ms=60000");
    reply.refuses(503, "edge/answer-too-late");
    assert_eq!(reply.field("retry-after"), Some("1"));
}

#[test]
fn a_silent_or_idle_connection_is_closed() {
    let rig = start_with(|limits, _| {
        limits.header_read_ms_max = nonzero(100);
        limits.idle_ms_max = nonzero(100);
    });
    assert!(listen(&mut rig.connect()).is_empty(), "nothing was asked, so nothing is said");
    let mut stream = rig.connect();
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    assert_eq!(hear_one(&mut stream).body, "hello");
    assert!(listen(&mut stream).is_empty(), "an idle connection is closed without a word");
}

#[test]
fn a_caller_who_does_not_read_is_cut() {
    let rig = start_with(|limits, _| limits.write_stall_ms_max = nonzero(100));
    let mut stream = rig.connect();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    // The one place where a test must let real time pass: what is tested is that nothing happens.
    std::sync::mpsc::channel::<()>().1.recv_timeout(Duration::from_millis(600)).ok();
    assert!(listen(&mut stream).len() < 32 << 20, "the answer must not have come whole");
}

/// A caller of HTTP/2 who takes one byte of an answer, and the end of their connection.
async fn with_room_for_one_byte<B>(rig: &Rig) -> (http2::SendRequest<B>, JoinHandle<hyper::Result<()>>)
where
    B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Unpin + 'static,
{
    let stream = TcpStream::connect(rig.address()).await.expect("it listens");
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1)
        .handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP/2");
    (sender, tokio::spawn(connection))
}

#[tokio::test]
async fn a_caller_of_http_2_who_grants_no_room_is_cut_and_one_who_waits_for_us_is_not() {
    let rig = start_with(|limits, _| limits.write_stall_ms_max = nonzero(100));
    for (path, is_cut) in [("/large", true), ("/silent", false)] {
        let (mut sender, ends) = with_room_for_one_byte(&rig).await;
        let answer = get(&mut sender, path, 0).await;
        // The sweep looks once a second.
        let ended = tokio::time::timeout(Duration::from_millis(if is_cut { 60_000 } else { 3_000 }), ends);
        assert_eq!(ended.await.is_ok(), is_cut, "{path}");
        drop(answer);
    }
}

#[tokio::test]
async fn a_caller_of_http_2_who_leaves_the_end_of_an_answer_is_cut_though_they_ask_on() {
    let rig = start_with(|limits, _| limits.write_stall_ms_max = nonzero(100));
    for path in ["/hello", "/no-such-route", "/session"] {
        let (mut sender, mut ends) = with_room_for_one_byte(&rig).await;
        let request = |method| {
            let request = Request::builder().method(method).uri(format!("http://edge{path}"));
            request.header("authorization", "Bearer good").body(Empty::<Bytes>::new()).expect("a request")
        };
        let unread = sender.send_request(request("GET")).await.expect("its head comes");
        let waiting = Clock::System.stopwatch();
        while tokio::time::timeout(Duration::from_millis(20), &mut ends).await.is_err() {
            assert!(waiting.elapsed() < Duration::from_secs(10), "{path}: it is not cut");
            let _asked = sender.send_request(request("HEAD")).await;
        }
        drop(unread);
    }
}

#[test]
fn connections_over_the_limit_are_refused_and_welcome_later() {
    let rig = start_with(|limits, _| limits.connections_max = nonzero(1));
    let mut first = rig.connect();
    first.write_all(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").expect("it listens");
    assert_eq!(hear_one(&mut first).body, "hello");
    let reply = replies(&listen(&mut rig.connect())).pop().expect("it says why");
    reply.refuses(503, "edge/too-many-connections");
    assert_eq!(reply.field("retry-after"), Some("1"));
    drop(first);
    let served = (0..100).any(|_| {
        rig.say(b"GET /hello HTTP/1.1\r\nconnection: close\r\nhost: a\r\n\r\n")
            .iter()
            .any(|reply| reply.status == 200)
    });
    assert!(served, "the place of the first is free again");
}
