//! What is not quite HTTP is refused, and never read as two requests by one and one by another.

use crate::rig::start;

#[track_caller]
fn check(request: &str, status: u16, code: &str) {
    let replies = start().say(request.as_bytes());
    assert_eq!(replies.len(), 1, "one refusal and no more: {replies:?}");
    replies[0].refuses(status, code);
    assert_eq!(replies[0].field("connection"), Some("close"), "{replies:?}");
    assert!(replies[0].field("x-request-id").is_some(), "{replies:?}");
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
    check("GET /hello HTTP/1.1\r\nhost: a:1;b.example\r\n\r\n", 400, "edge/malformed-request");
    check("GET http://a:1,b.example/hello HTTP/1.1\r\nhost: a\r\n\r\n", 400, "edge/malformed-request");
    assert_eq!(start().say(b"GET /hello HTTP/1.0\r\n\r\n")[0].body, "hello");
}

#[test]
fn a_space_before_a_colon_is_refused() {
    let request = "POST /echo HTTP/1.1\r\nhost: edge\r\ncontent-length : 3\r\n\r\nabc";
    check(request, 400, "edge/malformed-request");
}

#[test]
fn shapes_that_smuggle_are_refused_and_never_read_as_two_requests() {
    let hidden = "GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n";
    let shapes = [
        "content-length: 3\r\ncontent-length: 3\r\n",
        "content-length: 3, 3\r\n",
        "content-length: 3\ncontent-length: 4\r\n",
        "content-length:\x0b3\r\n",
        "transfer-encoding: identity, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "transfer-encoding\t: chunked\r\n",
        "x: y\rtransfer-encoding: chunked\r\n",
        "x: y\ntransfer-encoding: chunked\r\n",
        "x: y\0\r\n",
        " x: y\r\n",
    ];
    for fields in shapes {
        let request = format!("POST /echo HTTP/1.1\r\nhost: edge\r\n{fields}\r\n0\r\n\r\n{hidden}");
        check(&request, 400, "edge/malformed-request");
    }
    let old = format!("POST /echo HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    check(&old, 400, "edge/malformed-request");
}

#[test]
fn chunks_that_smuggle_are_refused_and_never_read_as_two_requests() {
    let hidden = "GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n";
    for body in ["0x0\r\n\r\n", "0\n\n", "-0\r\n\r\n", "0 \r\n\r\n", "0;\n\r\n\r\n", "1\r\na0\r\n\r\n"] {
        let head = "POST /echo HTTP/1.1\r\nhost: edge\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}{body}{hidden}"), 400, "edge/broken-body");
    }
}

#[test]
fn targets_of_other_forms_are_refused() {
    for line in ["CONNECT edge:443", "GET *", "GET hello", "GET /hello#top", "GET ftp://edge/hello"] {
        check(&format!("{line} HTTP/1.1\r\nhost: edge\r\n\r\n"), 400, "edge/malformed-request");
    }
    let whole = "GET http://edge/hello HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n";
    assert_eq!(start().say(whole.as_bytes())[0].body, "hello");
}

#[test]
fn versions_that_nobody_speaks_are_refused() {
    for line in ["GET /hello", "GET /hello HTTP/0.9", "GET /hello HTTP/1.2", "GET /hello HTTP/2.0"] {
        check(&format!("{line}\r\nhost: edge\r\n\r\n"), 400, "edge/malformed-request");
    }
}
