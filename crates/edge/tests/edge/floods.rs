//! Callers who flood an HTTP/2 connection: it is ended, and who does it again and again is not let in for a while.

use std::{io::Write, net::TcpStream, time::Duration};

use clock::Clock;
use edge::FrontConfig;

use crate::rig::{Rig, listen, start_behind};

/// The beginning of an HTTP/2 connection: the preface and empty settings.
pub(crate) const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET /` in the static table of HPACK, and a short authority.
const HEAD: &[u8] = b"\x82\x84\x86\x41\x04edge";
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

/// A frame (RFC 9113, section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

fn rapid_resets(count: u32) -> Vec<u8> {
    let reset = |id| [frame(1, 0x05, id, HEAD), frame(3, 0, id, &8_u32.to_be_bytes())].concat();
    [BEGIN.to_vec(), (0..count).flat_map(|number| reset(2 * number + 1)).collect()].concat()
}

/// So many frames that want an answer each.
fn controls(kind: u8, payload: &[u8]) -> Vec<u8> {
    [BEGIN.to_vec(), frame(kind, 0, 0, payload).repeat(2000)].concat()
}

fn endless_header() -> Vec<u8> {
    let part = frame(9, 0, 1, &[b"\0\x01x\x7f\x80\x07".as_slice(), &[b'y'; 1023]].concat());
    [BEGIN.to_vec(), frame(1, 0x01, 1, HEAD), part.repeat(30)].concat()
}

/// Everything a front with these settings has let through.
fn start(settings: &str) -> Rig {
    let text = format!("{settings}\n[limits]\nrules = []\n[attack.floods]\nconnections-max = 2\n");
    start_behind(&toml::from_str::<FrontConfig>(&text).expect("settings"))
}

/// Says it, and hears how the connection ends.
fn flood(rig: &Rig, bytes: &[u8]) -> Vec<u8> {
    let mut stream: TcpStream = rig.connect();
    // The edge may refuse and close before it has heard us out.
    let _said = stream.write_all(bytes);
    listen(&mut stream)
}

/// Waits until so many floods were noticed: that is done after the connection ended.
fn wait_for(rig: &Rig, count: u32) {
    let waiting = Clock::System.stopwatch();
    while !rig.metrics.encode().contains(&format!("front_connections_flooded_total {count}\n")) {
        assert!(waiting.elapsed() < Duration::from_secs(60), "{}", rig.metrics.encode());
        std::thread::yield_now();
    }
}

#[track_caller]
fn check_blocked_after_three(bytes: &[u8]) {
    let rig = start("");
    for count in 1..=3 {
        assert_eq!(rig.get("/hello").status, 200, "before flood {count}");
        flood(&rig, bytes);
        wait_for(&rig, count);
    }
    let [block] = &rig.front.state(10).blocks[..] else { panic!("one network is blocked") };
    assert_eq!((block.network.to_string().as_str(), block.reason.as_str()), ("127.0.0.1/32", "flood"));
    assert!(rig.say(b"GET /hello HTTP/1.1\r\nhost: edge\r\n\r\n").is_empty(), "nothing of it is read");
}

#[test]
fn who_takes_requests_back_without_end_is_kept_out() {
    check_blocked_after_three(&rapid_resets(200));
}

#[test]
fn whose_header_section_does_not_stop_is_kept_out() {
    check_blocked_after_three(&endless_header());
}

#[test]
fn who_pings_without_end_is_kept_out() {
    check_blocked_after_three(&controls(6, &[0; 8]));
}

#[test]
fn who_changes_the_settings_without_end_is_kept_out() {
    check_blocked_after_three(&controls(4, b""));
}

#[test]
fn a_caller_who_floods_is_told_to_be_calm() {
    let rig = start("");
    let mut stream = rig.connect();
    // Little more than it takes, so that nothing is left unread when the connection ends.
    stream.write_all(&rapid_resets(30)).expect("it listens");
    let heard = listen(&mut stream);
    assert!(heard.windows(4).any(|four| four == ENHANCE_YOUR_CALM), "{heard:?}");
}

#[test]
fn networks_that_are_allowed_and_proxies_that_are_trusted_are_not_kept_out() {
    for settings in
        ["[networks]\nallowed = [\"127.0.0.1/32\"]", "[clients]\ntrusted-proxies = [\"127.0.0.1/32\"]"]
    {
        let rig = start(settings);
        for count in 1..=4 {
            flood(&rig, &rapid_resets(200));
            wait_for(&rig, count);
        }
        assert_eq!(rig.get("/hello").status, 200);
        assert!(rig.front.state(10).blocks.is_empty(), "{settings}");
    }
}
