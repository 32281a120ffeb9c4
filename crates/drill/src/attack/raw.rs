//! Bytes as they are, from an address of one's own.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    time::Duration,
};

use load::{
    blocking::{self, Line},
    target::Target,
};

use crate::ground::Ground;

const PATIENCE: Duration = Duration::from_secs(5);
/// How often what is put off is tried, and after how long.
pub(super) const TRIES: u32 = 5;
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(200);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where an attacker of a local target comes from: each number is a network of its own. Elsewhere the machine's own.
pub(super) fn address(ground: &Ground, number: u8) -> Option<Ipv4Addr> {
    ground.local.as_ref().map(|_| Ipv4Addr::new(127, 66, number, 1))
}

/// Connects from an address.
pub(super) fn connect(target: &Target, from: Option<Ipv4Addr>) -> anyhow::Result<Line> {
    crate::ending::go_on()?;
    blocking::connect(target, from, PATIENCE)
}

/// Sends bytes, and reads until the target ends the connection, or has answered; what it said.
pub(super) fn ask(target: &Target, from: Option<Ipv4Addr>, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = connect(target, from)?;
    // The target may refuse before it has read all.
    drop(stream.write_all(bytes).and_then(|()| stream.flush()));
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
        }
        if is_whole(&answer) {
            break;
        }
    }
    Ok(answer)
}

/// The status of the answer to some bytes, which are sent again while the target has no time to look at them; nothing if there was
/// no answer.
pub(super) fn tried(ground: &Ground, from: Option<Ipv4Addr>, bytes: &[u8]) -> anyhow::Result<Option<u16>> {
    let mut tries = 0;
    loop {
        let answer = ask(&ground.target, from, bytes)?;
        let status = status(&answer);
        if let Some(wait) =
            ground.client.wait(status.unwrap_or_default(), field(&answer, "retry-after").as_deref())
        {
            crate::pause::sleep(wait);
            continue;
        }
        tries += 1;
        if tries == TRIES || !status.is_some_and(super::is_put_off) {
            return Ok(status);
        }
        crate::pause::sleep(AGAIN_AFTER);
    }
}

/// The status of an answer; nothing if there was none.
pub(super) fn status(answer: &[u8]) -> Option<u16> {
    answer.starts_with(b"HTTP/1.").then_some(())?;
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((_, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = field(answer, "content-length").and_then(|length| length.parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

/// The value of a field of an answer.
fn field(answer: &[u8], wanted: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let (head, _) = text.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    })
}

/// A request as bytes, after which the connection ends.
pub(super) fn request(target: &Target, method: &str, path: &str, fields: &str, body: &str) -> Vec<u8> {
    let (host, length) = (&target.host, body.len());
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
    )
    .into_bytes()
}
