//! The host that a request is for (RFC 9110, section 7.2), in whatever field or target it is named.

use std::net::Ipv6Addr;

use super::Fault;

/// Is this a host and perhaps a port (RFC 3986, section 3.2)? The name of a host has only the letters that names have: others
/// are allowed by the grammar and are in no name, but end it, or begin another, for somebody who reads it in a list, a
/// parameter or a path.
///
/// # Errors
/// When it is not.
pub fn check_authority(value: &[u8]) -> Result<(), Fault> {
    let (is_host, port) = match value.strip_prefix(b"[").and_then(|inner| cut(inner, b']')) {
        Some((address, rest)) => (is_address(address), rest),
        None => {
            let end = memchr::memchr(b':', value).unwrap_or(value.len());
            (!value[..end].is_empty() && value[..end].iter().all(is_of_a_name), &value[end..])
        }
    };
    let is_port = port.is_empty() || port.strip_prefix(b":").is_some_and(is_port);
    (is_host && is_port).then_some(()).ok_or(Fault::Malformed("the host is not the name of one"))
}

fn cut(value: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(at, value)?;
    Some((&value[..end], &value[end + 1..]))
}

const fn is_of_a_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_address(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_port(value: &[u8]) -> bool {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in
            ["a", "a:80", "www.example.gov", "my_server:8080", "192.0.2.1:1", "[::1]", "[2001:db8::7]:65535"]
        {
            assert_eq!(check_authority(host.as_bytes()), Ok(()), "{host}");
        }
    }

    #[test]
    fn what_another_reader_could_cut_differently_is_no_host() {
        for host in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:b:c",
            "a:1:2",
            "a:+1",
            "a:65536",
            "a:1, b",
            "a:1,b",
            "a:1;b",
            "a:1\", for=10.0.0.1;host=\"b",
            "a,b",
            "a b",
            "a;b",
            "a\\b",
            "ada@a",
            "a/b",
            "a?b",
            "a#b",
            "a%20b",
            "a%zz",
            "a'b",
            "\u{e4}",
            "[",
            "[]",
            "[::1",
            "[::1]80",
            "[::1]:x",
            "[::1%25eth0]",
            "[1.2.3.4]",
            "[a]",
            "::1",
            "a]",
        ] {
            assert!(check_authority(host.as_bytes()).is_err(), "{host}");
        }
    }
}
