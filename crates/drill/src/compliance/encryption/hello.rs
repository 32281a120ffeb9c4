//! The first bytes of a TLS connection, written by hand: what no library offers any more has to be offered to see that it is refused.

use std::fmt;

/// Versions as they stand on the wire.
pub(super) const SSL_3_0: u16 = 0x0300;
pub(super) const TLS_1_0: u16 = 0x0301;
pub(super) const TLS_1_1: u16 = 0x0302;
pub(super) const TLS_1_2: u16 = 0x0303;
pub(super) const TLS_1_3: u16 = 0x0304;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
/// Bytes of a record's head, and of a handshake message's.
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;
const SUPPORTED_VERSIONS: u16 = 43;

/// What is offered: a version and no other, with these suites.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) version: u16,
    pub(super) suites: &'static [u16],
}

/// What the target said to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// It would go on by this version and suite.
    Agreed { version: u16, suite: u16 },
    /// An alert, by its number.
    Alert(u8),
    /// It ended the connection without a word.
    Ended,
    /// Not TLS, or cut off.
    Unread,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agreed { version, suite } => write!(f, "agreed on {} with {suite:#06x}", name(*version)),
            Self::Alert(40) => f.write_str("refused (handshake failure)"),
            Self::Alert(70) => f.write_str("refused (protocol version)"),
            Self::Alert(number) => write!(f, "refused (alert {number})"),
            Self::Ended => f.write_str("refused (the connection was ended)"),
            Self::Unread => f.write_str("answered with what is no TLS"),
        }
    }
}

pub(super) const fn name(version: u16) -> &'static str {
    match version {
        SSL_3_0 => "SSL 3.0",
        TLS_1_0 => "TLS 1.0",
        TLS_1_1 => "TLS 1.1",
        TLS_1_2 => "TLS 1.2",
        TLS_1_3 => "TLS 1.3",
        _ => "an unknown version",
    }
}

/// Its ClientHello, in a record of its own; `host` is named if it is a name and no address.
pub(super) fn client_hello(offer: Offer, host: Option<&str>, random: &[u8; 32]) -> Vec<u8> {
    let mut body = offer.version.min(TLS_1_2).to_be_bytes().to_vec();
    body.extend_from_slice(random);
    // No session to take up.
    body.push(0);
    let suites: Vec<u8> = offer.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    body.extend(with_length(&suites));
    // No compression.
    body.extend([1, 0]);
    if offer.version > SSL_3_0 {
        body.extend(with_length(&extensions(offer.version, host, random)));
    }
    let [_, length @ ..] = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let message = [&[1][..], &length, &body].concat();
    let record_version = offer.version.min(TLS_1_0);
    [&[HANDSHAKE][..], &record_version.to_be_bytes(), &with_length(&message)].concat()
}

fn extensions(version: u16, host: Option<&str>, random: &[u8; 32]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut add = |number: u16, content: &[u8]| {
        all.extend(number.to_be_bytes());
        all.extend(with_length(content));
    };
    if let Some(host) = host {
        let named = [&[0][..], &with_length(host.as_bytes())].concat();
        add(0, &with_length(&named));
    }
    // X25519 and the NIST curves, and points as they are.
    add(10, &with_length(&[0, 29, 0, 23, 0, 24]));
    add(11, &[1, 0]);
    if version >= TLS_1_2 {
        // ECDSA, PSS, Ed25519 and PKCS#1 with SHA-256 and more.
        add(13, &with_length(&[4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 8, 7, 4, 1, 5, 1, 6, 1]));
    }
    if version >= TLS_1_3 {
        add(SUPPORTED_VERSIONS, &[&[2][..], &version.to_be_bytes()].concat());
        // Any 32 bytes are somebody's half of an X25519 key exchange.
        let share = [&[0, 29][..], &with_length(random)].concat();
        add(51, &with_length(&share));
    }
    all
}

/// Bytes behind their length, in two bytes.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// How many bytes the first record has, once its head is there.
pub(super) fn record_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(3..RECORD_HEAD)?;
    Some(RECORD_HEAD + usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// What the first record of an answer says.
pub(super) fn read(answer: &[u8]) -> Reply {
    if answer.is_empty() {
        return Reply::Ended;
    }
    let content = answer.get(RECORD_HEAD..).unwrap_or_default();
    match answer[0] {
        ALERT => content.get(1).map_or(Reply::Unread, |number| Reply::Alert(*number)),
        HANDSHAKE if content.first() == Some(&SERVER_HELLO) => server_hello(content).unwrap_or(Reply::Unread),
        _ => Reply::Unread,
    }
}

fn server_hello(message: &[u8]) -> Option<Reply> {
    let number = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let legacy = number(MESSAGE_HEAD)?;
    let session = MESSAGE_HEAD + 2 + 32;
    let suite_at = session + 1 + usize::from(*message.get(session)?);
    let suite = number(suite_at)?;
    // Behind suite and compression stand extensions, if any.
    let (mut at, mut version) = (suite_at + 2 + 1 + 2, legacy);
    while let (Some(extension), Some(length)) = (number(at), number(at + 2)) {
        if extension == SUPPORTED_VERSIONS {
            version = number(at + 4)?;
        }
        at += 4 + usize::from(length);
    }
    Some(Reply::Agreed { version, suite })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(version: u16, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend([2, 1, 1]);
        body.extend(suite.to_be_bytes());
        body.push(0);
        body.extend(with_length(extensions));
        let length = u8::try_from(body.len()).expect("it is short");
        let message = [&[SERVER_HELLO, 0, 0, length][..], &body].concat();
        [&[HANDSHAKE, 3, 3][..], &with_length(&message)].concat()
    }

    #[test]
    fn an_answer_says_what_was_agreed_on() {
        let read = |bytes: &[u8]| super::read(bytes);
        let old = answer(TLS_1_1, 0xc013, &[]);
        assert_eq!(record_length(&old), Some(old.len()));
        assert_eq!(read(&old), Reply::Agreed { version: TLS_1_1, suite: 0xc013 });
        let other = [0, 11, 0, 2, 1, 0];
        let new = answer(TLS_1_2, 0x1301, &[&other[..], &[0, 43, 0, 2, 3, 4]].concat());
        assert_eq!(read(&new), Reply::Agreed { version: TLS_1_3, suite: 0x1301 });
        assert_eq!(read(&[ALERT, 3, 1, 0, 2, 2, 70]), Reply::Alert(70));
        assert_eq!(read(&[]), Reply::Ended);
        assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reply::Unread);
        for cut in 1..old.len() {
            assert!(!matches!(read(&old[..cut]), Reply::Alert(_) | Reply::Ended), "{cut}");
        }
    }
}
