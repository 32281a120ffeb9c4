//! Bodies over HTTP/2 that are answered before they have come: their callers hear the answer, and are read for a while and no
//! longer.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use clock::Clock;
use edge::{Content, Forward, Passed, Passing};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::{
    floods::{BEGIN, frame},
    rig::{Rig, start, start_forwarding},
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// `POST` in the static table of HPACK, a path, and a short authority.
fn post(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    let head = [b"\x83\x86\x04", &[length][..], path.as_bytes(), b"\x41\x04edge"].concat();
    [BEGIN.to_vec(), frame(HEADERS, 4, 1, &head)].concat()
}

/// The next frame's kind, flags (of room, its stream) and payload; nothing at the end of the connection.
pub(crate) fn next(stream: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [high, middle, low, kind, flags, .., stream_id] = head;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let mut payload = vec![0; usize::try_from(length).expect("it is short")];
    stream.read_exact(&mut payload).ok()?;
    Some((kind, if kind == WINDOW_UPDATE { stream_id } else { flags }, payload))
}

/// Asks, and hears the answer out.
fn ask(rig: &Rig, path: &str) -> TcpStream {
    let mut stream = rig.connect_and_say(&post(path));
    while !matches!(next(&mut stream).expect("an answer comes"), (DATA | HEADERS, flags, _) if flags & END_STREAM > 0)
    {
    }
    stream
}

#[test]
fn an_answer_comes_alone_and_the_rest_of_its_request_is_passed_over() {
    let rig = start();
    for path in ["/ignore", "/no-such-route", "/hello"] {
        let mut stream = ask(&rig, path);
        let rest = [frame(DATA, 0, 1, &[b'x'; 16 << 10]), frame(DATA, END_STREAM, 1, b"x")].concat();
        stream.write_all(&[rest, frame(PING, 0, 0, &[7; 8])].concat()).expect("it listens");
        loop {
            match next(&mut stream).expect("the connection goes on") {
                (PING, 1, _) => break,
                (kind, ..) => assert_ne!(kind, RST_STREAM, "{path}"),
            }
        }
    }
}

#[test]
fn a_caller_who_sends_on_and_on_is_told_to_stop_after_a_while() {
    let rig = start();
    for path in ["/ignore", "/no-such-route"] {
        let answered = Clock::System.stopwatch();
        let mut stream = ask(&rig, path);
        let mut sender = stream.try_clone().expect("a socket has two ends");
        // As much as there is room for at first.
        sender.write_all(&frame(DATA, 0, 1, &[b'x'; 1 << 10]).repeat(60)).expect("it listens");
        let mut granted = 0;
        let reason = loop {
            match next(&mut stream).expect("the connection goes on") {
                (RST_STREAM, _, reason) => break reason,
                // Room of the stream; the connection has more.
                (WINDOW_UPDATE, 1, bytes) => {
                    let bytes = u32::from_be_bytes(bytes.try_into().expect("four bytes"));
                    granted += bytes;
                    let _sent = sender.write_all(
                        &frame(DATA, 0, 1, &vec![b'x'; 1 << 10])
                            .repeat(usize::try_from(bytes >> 10).expect("not so many")),
                    );
                }
                _ => {}
            }
        };
        assert_eq!(reason, [0; 4], "nothing was wrong");
        assert!(answered.elapsed() > Duration::from_secs(1), "{:?}", answered.elapsed());
        assert!(granted < 2 << 20, "{granted} bytes were asked for");
    }
}

/// Reads a body and says how long it was; those for `/slow` it lets wait.
async fn count(request: Request<Content>, _passing: Passing) -> Passed {
    if request.uri().path() == "/slow" {
        std::future::pending::<()>().await;
    }
    let bytes = request.into_body().collect().await.expect("it comes whole").to_bytes();
    Passed::ours(Response::new(Content::from(bytes.len().to_string())))
}

#[tokio::test]
async fn bodies_that_nobody_reads_keep_no_other_body_waiting() {
    let rig = start_forwarding(&Forward::by(count));
    let stream = tokio::net::TcpStream::connect(rig.address()).await.expect("it listens");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let post = |path: &str, bytes: usize| {
        let body = Full::new(Bytes::from(vec![b'x'; bytes]));
        Request::post(format!("http://edge{path}")).body(body).expect("a request")
    };
    // All but one of the streams that a connection may have.
    let slow: Vec<_> = (0..127).map(|_| tokio::spawn(sender.send_request(post("/slow", 1 << 20)))).collect();
    for bytes in [1, 1000, 1 << 20] {
        let answered = tokio::time::timeout(Duration::from_secs(20), sender.send_request(post("/", bytes)));
        let answer = answered.await.expect("it is answered soon").expect("an answer");
        let said = answer.into_body().collect().await.expect("it comes whole").to_bytes();
        assert_eq!(said, bytes.to_string());
    }
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}
