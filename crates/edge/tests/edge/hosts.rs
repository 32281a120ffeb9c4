//! The host that a request over HTTP/2 is for: named once, in either of two places, and the name of a host.

use crate::{
    floods::{BEGIN, frame},
    rig::start,
    uploads::next,
};

const HEADERS: u8 = 1;
const END_OF_BOTH: u8 = 5;
/// `:status` 200 and 400 in the static table of HPACK.
const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

/// A field of the static table with a value of its own.
fn field(name: &[u8], value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short value");
    [name, &[length], value.as_bytes()].concat()
}

/// Asks for `/hello` with these fields, and says how the answer begins.
fn ask(authority: Option<&str>, hosts: &[&str]) -> u8 {
    let authority = authority.map(|authority| field(b"\x01", authority)).unwrap_or_default();
    let hosts: Vec<_> = hosts.iter().flat_map(|host| field(b"\x0f\x17", host)).collect();
    let head = [b"\x82\x86".to_vec(), field(b"\x04", "/hello"), authority, hosts].concat();
    let rig = start();
    let mut stream = rig.connect_and_say(&[BEGIN.to_vec(), frame(HEADERS, END_OF_BOTH, 1, &head)].concat());
    loop {
        if let (HEADERS, _, payload) = next(&mut stream).expect("it answers") {
            return payload[0];
        }
    }
}

#[test]
fn a_host_is_named_in_either_place_or_in_both_alike() {
    assert_eq!(ask(Some("edge"), &[]), OK);
    assert_eq!(ask(None, &["edge:80"]), OK);
    assert_eq!(ask(None, &["[::1]:80"]), OK);
    assert_eq!(ask(Some("edge"), &["EDGE"]), OK);
}

#[test]
fn two_hosts_are_refused() {
    assert_eq!(ask(Some("edge"), &["other"]), BAD_REQUEST);
    assert_eq!(ask(None, &["edge", "edge"]), BAD_REQUEST);
    assert_eq!(ask(Some("edge"), &["edge", "edge"]), BAD_REQUEST);
}

#[test]
fn what_another_reader_could_cut_differently_is_refused_wherever_it_stands() {
    for host in ["edge:1\", for=10.0.0.1;host=\"other", "edge:1;other.example", "edge:1,other", "a:b:c", ""] {
        assert_eq!(ask(None, &[host]), BAD_REQUEST, "{host}");
    }
    for authority in ["ada@edge", "edge;other"] {
        assert_eq!(ask(Some(authority), &[]), BAD_REQUEST, "{authority}");
    }
}
