//! However a stream of requests is cut on its way, it gets the same answers.

use std::{io::Write, net::TcpStream};

use crate::rig::{Reply, Rig, hear_one, listen, replies, start};

/// One of each kind: direct, routed, with either kind of body, of either version, and a refusal at last.
const STREAM: &str = "GET /session HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer good\r\n\r\n\
    POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello\
    POST /echo HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nt: u\r\n\r\n\
    \r\nGET /visits/7 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n\
    POST /ignore HTTP/1.1\r\nhost: edge\r\ncontent-length: 2\r\n\r\nhi\
    GET /session HTTP/1.1\r\nhost: edge\r\nauthorization: Bearer good\r\n\r\n\
    GET /hello HTTP/1.1\r\nhost: edge\r\n : \r\n\r\n";

fn told(replies: &[Reply]) -> Vec<(u16, String)> {
    let body = |reply: &Reply| if reply.status == 200 { reply.body.clone() } else { String::new() };
    replies.iter().map(|reply| (reply.status, body(reply))).collect()
}

/// Says `first`, makes sure that it was read apart, and says `second`.
fn say_in_two(rig: &Rig, first: &[u8], second: &[u8]) -> Vec<Reply> {
    let mut stream: TcpStream = rig.connect();
    stream.set_nodelay(true).expect("a socket has options");
    stream.write_all(first).expect("it listens");
    // Another connection's answer comes after the first part was there to be read.
    rig.get("/hello");
    rig.get("/hello");
    // The edge may refuse and close before it has heard the second part.
    let _said = stream.write_all(second);
    replies(&listen(&mut stream))
}

#[test]
fn a_stream_cut_anywhere_gets_the_same_answers() {
    let rig = start();
    let whole = told(&rig.say(STREAM.as_bytes()));
    let bodies = ["{\"session\":1}", "hello", "abcde", "7", "ignored", "{\"session\":1}", ""];
    assert_eq!(whole.iter().map(|(_, body)| body.as_str()).collect::<Vec<_>>(), bodies);
    assert_eq!(whole.last().map(|(status, _)| *status), Some(400));
    // Between a head and a body that nobody reads, the edge cannot know whether the body will come.
    let unread = STREAM.find("\r\n\r\nhi").expect("it is there") + 4;
    for cut in (1..STREAM.len()).filter(|cut| !(unread..unread + 2).contains(cut)) {
        let (first, second) = STREAM.as_bytes().split_at(cut);
        assert_eq!(told(&say_in_two(&rig, first, second)), whole, "cut at {cut}");
    }
}

#[test]
fn a_stream_that_comes_byte_by_byte_gets_the_same_answers() {
    let rig = start();
    let stream = STREAM.replace("POST /ignore", "POST /echo");
    let whole = told(&rig.say(stream.as_bytes()));
    let mut slow = rig.connect();
    slow.set_nodelay(true).expect("a socket has options");
    for byte in stream.as_bytes() {
        let _said = slow.write_all(&[*byte]);
    }
    assert_eq!(told(&replies(&listen(&mut slow))), whole);
}

#[test]
fn pipelined_requests_are_answered_as_they_are_one_by_one() {
    let rig = start();
    let requests = STREAM.replacen("\r\nGET /visits", "GET /visits", 1);
    let mut starts: Vec<_> = requests.match_indices("GET /").map(|(at, _)| at).collect();
    starts.extend(requests.match_indices("POST /").map(|(at, _)| at));
    starts.sort_unstable();
    starts.push(requests.len());
    let mut stream = rig.connect();
    let mut alone = Vec::new();
    for pair in starts.windows(2) {
        stream.write_all(&requests.as_bytes()[pair[0]..pair[1]]).expect("it listens");
        alone.push(hear_one(&mut stream));
    }
    assert_eq!(told(&alone), told(&rig.say(requests.as_bytes())));
}
