//! Whole heads as strangers might send them, and what becomes of each.

use proptest::prelude::*;

use super::*;
use crate::Length;

const LIMITS: HeadLimits = HeadLimits { bytes_max: 512, fields_max: 8 };

/// What was found, without what it borrows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    length: Length,
    persistent: bool,
    expects_continue: bool,
    bytes: usize,
}

fn read(bytes: &[u8]) -> Result<Option<Told>, Fault> {
    read_head(bytes, LIMITS, |head| Told {
        method: head.method.to_owned(),
        target: head.target.to_owned(),
        fields: head.fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect(),
        length: head.framing.length,
        persistent: head.framing.persistent,
        expects_continue: head.framing.expects_continue,
        bytes: head.bytes,
    })
}

/// A request of version 1.1 with a host and these fields is taken, and its body has this length.
#[track_caller]
fn takes(fields: &str, length: Length) -> Told {
    let told = read(format!("POST /a HTTP/1.1\r\nHost: edge\r\n{fields}\r\n").as_bytes());
    let told = told.expect("it is fine").expect("it is whole");
    assert_eq!(told.length, length, "{fields}");
    told
}

#[track_caller]
fn refuses(head: impl AsRef<[u8]>, fault: fn(&Fault) -> bool) {
    let head = head.as_ref();
    let found = read(head);
    assert!(found.as_ref().err().is_some_and(fault), "{found:?} for {:?}", String::from_utf8_lossy(head));
}

#[track_caller]
fn malformed(head: impl AsRef<[u8]>) {
    refuses(head, |fault| matches!(fault, Fault::Malformed(_)));
}

/// A request of version 1.1 with a host and these fields is malformed.
#[track_caller]
fn malformed_with(fields: impl AsRef<[u8]>) {
    malformed([b"POST /a HTTP/1.1\r\nHost: edge\r\n", fields.as_ref(), b"\r\n"].concat());
}

#[test]
fn a_body_is_as_long_as_its_fields_say() {
    takes("", Length::Exact(0));
    takes("Content-Length: 12\r\n", Length::Exact(12));
    takes("content-LENGTH:\t12 \r\n", Length::Exact(12));
    takes("Content-Length: 18446744073709551615\r\n", Length::Exact(u64::MAX));
    takes("Transfer-Encoding: chunked\r\n", Length::Chunked);
    takes("transfer-encoding: Chunked\r\n", Length::Chunked);
}

#[test]
fn a_length_is_told_once_and_in_digits() {
    for value in ["", "-1", "+3", "3, 3", "3,4", "0x3", "3 3", "3.0", "\u{663}", "18446744073709551616"] {
        malformed_with(format!("Content-Length: {value}\r\n"));
    }
    malformed_with("Content-Length: 3\r\nContent-Length: 3\r\n");
    malformed_with("Content-Length: 3\r\ncontent-length: 4\r\n");
}

#[test]
fn chunked_is_the_only_encoding_and_is_told_once() {
    for value in ["gzip", "identity", "chunked, chunked", "gzip, chunked", "chunked, gzip", "", "chunked;q=1"]
    {
        malformed_with(format!("Transfer-Encoding: {value}\r\n"));
    }
    for value in ["\u{b}chunked", "\"chunked\"", "xchunked", "chunked\0"] {
        malformed_with(format!("Transfer-Encoding: {value}\r\n"));
    }
    malformed_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n");
    malformed_with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n");
    malformed("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn two_ways_of_telling_a_length_are_refused() {
    let (length, chunked) = ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n");
    for fields in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let head = format!("POST /a HTTP/1.1\r\nHost: edge\r\n{fields}\r\n");
        refuses(head, |fault| *fault == Fault::AmbiguousLength);
    }
}

#[test]
fn a_line_ends_with_cr_and_lf_and_nothing_else_does() {
    malformed("GET /a HTTP/1.1\nHost: edge\n\n");
    malformed("GET /a HTTP/1.1\r\nHost: edge\n\r\n");
    malformed("GET /a HTTP/1.1\r\nHost: edge\r\n\n");
    malformed("\nGET /a HTTP/1.1\r\nHost: edge\r\n\r\n");
    malformed("GET /a HTTP/1.1\rHost: edge\r\n\r\n");
    malformed_with("X: a\rContent-Length: 3\r\n");
    malformed_with("X: a\r\rContent-Length: 3\r\n");
}

#[test]
fn a_field_is_a_name_a_colon_and_a_value_in_one_line() {
    malformed_with("X : a\r\n");
    malformed_with("X\t: a\r\n");
    malformed_with("X: a\r\n b\r\n");
    malformed_with(" X: a\r\n");
    malformed_with("X\r\n");
    malformed_with(": a\r\n");
    malformed_with("X\0: a\r\n");
    malformed_with("X: a\0b\r\n");
    malformed_with("X: a\x7fb\r\n");
    malformed_with("Content-Length\u{e9}: 3\r\n");
}

#[test]
fn a_host_is_named_once_and_is_a_host() {
    malformed("GET /a HTTP/1.1\r\n\r\n");
    malformed("GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    malformed("GET /a HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    for host in ["a, b", "a b", "a/b", "user@a", "a?b", "a#b", "http://a", "a:1;b", "a:1,b", "a:b:c", "["] {
        malformed(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for host in ["", "a", "a:80", "[::1]:80", "xn--nxasmq6b.example"] {
        assert!(read(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).is_ok(), "{host}");
    }
    assert!(read(b"GET /a HTTP/1.0\r\n\r\n").is_ok(), "HTTP/1.0 knew no hosts");
}

#[test]
fn other_versions_and_no_version_are_refused() {
    for line in ["GET /a", "GET /a HTTP/0.9", "GET /a HTTP/1.2", "GET /a HTTP/2.0", "GET /a http/1.1"] {
        malformed(format!("{line}\r\nHost: a\r\n\r\n"));
    }
    malformed("GET  /a HTTP/1.1\r\nHost: a\r\n\r\n");
    malformed("GET /a  HTTP/1.1\r\nHost: a\r\n\r\n");
    malformed("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n");
    malformed("G@T /a HTTP/1.1\r\nHost: a\r\n\r\n");
    malformed("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn too_much_of_a_head_is_refused_as_such() {
    let too_large = |fault: &Fault| *fault == Fault::HeaderTooLarge;
    refuses(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(512)), too_large);
    refuses(format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(512)), too_large);
    refuses(format!("GET /a HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(8)), too_large);
    refuses("\r\n".repeat(256), too_large);
    takes(&"X: a\r\n".repeat(7), Length::Exact(0));
}

#[test]
fn the_connection_goes_on_unless_somebody_says_otherwise() {
    let persistent = |version: &str, fields: &str| {
        let head = format!("GET /a HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        read(head.as_bytes()).expect("it is fine").expect("it is whole").persistent
    };
    assert!(persistent("1.1", ""));
    assert!(!persistent("1.1", "Connection: Close\r\n"));
    assert!(!persistent("1.1", "Connection: keep-alive, close\r\n"));
    assert!(!persistent("1.1", "Connection: close\r\nConnection: TE\r\n"));
    assert!(!persistent("1.0", ""));
    assert!(persistent("1.0", "Connection: Keep-Alive\r\n"));
}

#[test]
fn a_body_may_wait_to_be_asked_for_in_http_1_1() {
    let expects = |version: &str| {
        let head = format!("POST /a HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n");
        read(head.as_bytes()).expect("it is fine").expect("it is whole").expects_continue
    };
    assert!(expects("1.1"));
    assert!(!expects("1.0"));
}

/// Bytes that are, now and then, almost a head.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET /a HTTP/1.1\r\n".to_vec()),
        Just(b"POST http://a/ HTTP/1.0\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close\r\n".to_vec()),
        Just(b"X-Padding: ".repeat(20)),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b":".to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn more_bytes_never_change_what_was_found(bytes in almost(), more in almost()) {
        let bytes = [b"GET /a HTTP/1.1\r\nHost: a\r\n".as_slice(), &bytes].concat();
        let whole = read(&[bytes.as_slice(), &more].concat());
        for cut in 0..=bytes.len() {
            let found = read(&bytes[..cut]);
            prop_assert!(found == Ok(None) || found == whole, "cut at {}: {:?}, then {:?}", cut, found, whole);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in almost()) {
        if let Ok(Some(told)) = read(&bytes) {
            prop_assert!(told.bytes <= bytes.len());
            prop_assert!(bytes[..told.bytes].ends_with(b"\r\n\r\n"));
        }
    }
}
