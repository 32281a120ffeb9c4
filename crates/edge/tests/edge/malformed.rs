//! What is not quite HTTP is refused, and never read as two requests by one and one by another.

use crate::rig::start;

#[track_caller]
fn check(request: &str, status: u16, code: &str) {
    let replies = start().say(request.as_bytes());
    assert_eq!(replies.len(), 1, "one refusal and no more: {replies:?}");
    replies[0].refuses(status, code);
}

#[test]
fn nonsense_is_refused() {
    check("nonsense\r\n\r\n", 400, "edge/malformed-request");
    check("GET / HTTP/9.9\r\n\r\n", 400, "edge/malformed-request");
    check("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "edge/malformed-request");
}

#[test]
fn both_ways_of_telling_a_length_are_refused() {
    let smuggled = "0\r\n\r\nGET /hello HTTP/1.1\r\nhost: edge\r\n\r\n";
    let lengths = format!("content-length: {}\r\n", smuggled.len());
    let chunked = "transfer-encoding: chunked\r\n";
    for fields in [format!("{lengths}{chunked}"), format!("{chunked}{lengths}")] {
        let request = format!("POST /echo HTTP/1.1\r\nhost: edge\r\n{fields}\r\n{smuggled}");
        check(&request, 400, "edge/ambiguous-length");
    }
}

#[test]
fn two_lengths_are_refused() {
    let fields = "content-length: 3\r\ncontent-length: 4\r\n";
    let request = format!("POST /echo HTTP/1.1\r\nhost: edge\r\n{fields}\r\nabcd");
    check(&request, 400, "edge/malformed-request");
}

#[test]
fn a_length_that_is_not_a_number_is_refused() {
    for length in ["-1", "+3", "3, 4", "0x3", ""] {
        let request = format!("POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length: {length}\r\n\r\nabc");
        check(&request, 400, "edge/malformed-request");
    }
}

#[test]
fn an_encoding_that_does_not_end_in_chunks_is_refused() {
    let request = "POST /echo HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: gzip\r\n\r\nabc";
    check(request, 400, "edge/malformed-request");
}

#[test]
fn a_request_names_its_host_once() {
    check("GET /hello HTTP/1.1\r\n\r\n", 400, "edge/malformed-request");
    check("GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "edge/malformed-request");
    assert_eq!(start().say(b"GET /hello HTTP/1.0\r\n\r\n")[0].body, "hello");
}

#[test]
fn a_space_before_a_colon_is_refused() {
    let request = "POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length : 3\r\n\r\nabc";
    check(request, 400, "edge/malformed-request");
}
