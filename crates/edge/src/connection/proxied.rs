//! The PROXY protocol, versions 1 and 2 (haproxy.org, "The PROXY protocol", 2020): a proxy that passes bytes on says
//! first for whom.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// Begins every header of version 2, and no request.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of version 2: the signature, version and command, family, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// The longest header that is read. Version 1 has at most 107 bytes; version 2 may add fields, which we pass over.
const BYTES_MAX: usize = 1024;
/// The longest line of version 1.
const LINE_BYTES_MAX: usize = 107;

/// What a proxy said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    /// How long its header is.
    pub bytes: usize,
    /// For whom it speaks; nobody if it speaks for itself, as for checks of health.
    pub source: Option<IpAddr>,
}

/// Not a header of the PROXY protocol, or one that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a header of the PROXY protocol")]
pub struct ProxiedError;

/// Reads the header that `bytes` begin with; nothing if more of it must come.
///
/// # Errors
/// When they begin otherwise.
pub fn read_proxied(bytes: &[u8]) -> Result<Option<Proxied>, ProxiedError> {
    let seen = bytes.len().min(SIGNATURE.len());
    if bytes[..seen] == SIGNATURE[..seen] {
        return read_second(bytes);
    }
    read_first(bytes)
}

fn read_first(bytes: &[u8]) -> Result<Option<Proxied>, ProxiedError> {
    const BEGIN: &[u8] = b"PROXY ";
    let seen = bytes.len().min(BEGIN.len());
    if bytes[..seen] != BEGIN[..seen] {
        return Err(ProxiedError);
    }
    let Some(end) = bytes.windows(2).take(LINE_BYTES_MAX - 1).position(|two| two == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(None) } else { Err(ProxiedError) };
    };
    let line = std::str::from_utf8(&bytes[BEGIN.len()..end]).map_err(|_| ProxiedError)?;
    let mut words = line.split(' ');
    let family = words.next();
    let mut address = || words.next().ok_or(ProxiedError);
    let source = match family {
        Some("TCP4") => Some(IpAddr::V4(address()?.parse().map_err(|_| ProxiedError)?)),
        Some("TCP6") => Some(IpAddr::V6(address()?.parse().map_err(|_| ProxiedError)?)),
        Some("UNKNOWN") => None,
        Some(_) | None => return Err(ProxiedError),
    };
    Ok(Some(Proxied { bytes: end + 2, source }))
}

fn read_second(bytes: &[u8]) -> Result<Option<Proxied>, ProxiedError> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED_BYTES) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED_BYTES + length > BYTES_MAX {
        return Err(ProxiedError);
    }
    let Some(addresses) = rest.get(..length) else { return Ok(None) };
    let source = match (fixed[12], fixed[13] >> 4) {
        // The proxy's own connection, or one whose family we are told to pass over.
        (0x20, _) | (0x21, 0 | 3) => None,
        (0x21, 1) if length >= 12 => {
            addresses.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into())
        }
        (0x21, 2) if length >= 36 => {
            addresses.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into())
        }
        _ => return Err(ProxiedError),
    };
    Ok(Some(Proxied { bytes: FIXED_BYTES + length, source }))
}

/// Takes the header off a connection.
pub(super) async fn take_proxied(socket: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut seen = [0; BYTES_MAX];
    loop {
        let count = socket.peek(&mut seen).await?;
        let found = read_proxied(&seen[..count]);
        match found.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
            Some(Proxied { bytes, source }) => {
                socket.read_exact(&mut seen[..bytes]).await?;
                return Ok(source);
            }
            None if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            // Peeking does not wait for the rest.
            None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn second(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("a short header").to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, addresses].concat()
    }

    fn source(bytes: &[u8]) -> Option<IpAddr> {
        read_proxied(bytes).expect("a header").expect("a whole one").source
    }

    #[test]
    fn a_line_says_for_whom() {
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nGET / HTTP/1.1\r\n";
        let found = read_proxied(line).expect("a header").expect("a whole one");
        assert_eq!(found, Proxied { bytes: 44, source: Some(IpAddr::from([192, 0, 2, 7])) });
        assert_eq!(source(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "2001:db8::1".parse().ok());
        assert_eq!(source(b"PROXY UNKNOWN\r\n"), None);
    }

    #[test]
    fn bytes_say_for_whom() {
        let v4 = second(0x21, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0, 1, 1, 187]);
        assert_eq!(source(&v4), Some(IpAddr::from([192, 0, 2, 7])));
        let mut v6 = [0; 40];
        v6[15] = 1;
        assert_eq!(source(&second(0x21, 0x21, &v6)), Some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        assert_eq!(source(&second(0x20, 0x00, &[])), None, "its own");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            b"PROXY TCP4\r\n",
            b"PROXY SCTP 1 2\r\n",
            &second(0x31, 0x11, &[0; 12]),
            &second(0x21, 0x11, &[0; 4]),
            &second(0x21, 0x41, &[0; 12]),
            &second(0x21, 0x11, &[0; 2000]),
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        ] {
            assert_eq!(read_proxied(bytes), Err(ProxiedError), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_header_is_read_alike_wherever_it_is_cut(cut in 0_usize..44, second_version in any::<bool>()) {
            let whole = if second_version {
                second(0x21, 0x11, &[192, 0, 2, 7, 198, 51, 100, 1, 0, 1, 1, 187])
            } else {
                b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n".to_vec()
            };
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(read_proxied(&whole[..cut]), Ok(None));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _found = read_proxied(&bytes);
            let _found = read_proxied(&[SIGNATURE.as_slice(), &bytes].concat());
            let _found = read_proxied(&[b"PROXY ".as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn a_line_is_as_long_as_the_specification_lets_it_be_however_it_comes() {
        for (fill, fits) in [(LINE_BYTES_MAX - 16, true), (LINE_BYTES_MAX - 15, false)] {
            let line = [b"PROXY UNKNOWN ".as_slice(), &vec![b'x'; fill], b"\r\n"].concat();
            assert_eq!(read_proxied(&line).is_ok(), fits, "{} bytes", line.len());
            assert_eq!(read_proxied(&line[..line.len() - 1]).is_ok(), fits, "{} bytes", line.len() - 1);
        }
    }
}
