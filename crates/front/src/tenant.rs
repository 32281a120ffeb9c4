//! Whose site a request is for, however its host is spelled.

use std::hash::{Hash, Hasher};

/// Small letters are written so many at a time.
const LETTERS: usize = 64;

/// A host without what makes no other of it: large letters, the port of the scheme, a dot at its end. Requests that
/// name none have one together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant<'a> {
    name: &'a [u8],
    port: &'a [u8],
}

impl<'a> Tenant<'a> {
    pub(crate) fn of(host: Option<&'a [u8]>, secure: bool) -> Self {
        let host = host.unwrap_or_default();
        // Who asks is no part of whom they ask for.
        let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        let digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (before, port) = host.split_at(host.len() - digits);
        let (name, port) = before.strip_suffix(b":").map_or((host, &host[..0]), |name| (name, port));
        let port = trimmed(port, b'0');
        let own: &[u8] = if secure { b"443" } else { b"80" };
        let dots = name.iter().rev().take_while(|byte| **byte == b'.').count();
        Self { name: &name[..name.len() - dots], port: if port == own { &[] } else { port } }
    }
}

/// The bytes without those at their beginning that are this one.
fn trimmed(bytes: &[u8], byte: u8) -> &[u8] {
    let begins = bytes.iter().position(|other| *other != byte).unwrap_or(bytes.len());
    &bytes[begins..]
}

impl Hash for Tenant<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.name.len());
        for letters in self.name.chunks(LETTERS) {
            let mut room = [0; LETTERS];
            let small = &mut room[..letters.len()];
            small.copy_from_slice(letters);
            small.make_ascii_lowercase();
            state.write(small);
        }
        self.port.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn are_one(hosts: &[Option<&str>], secure: bool) -> bool {
        let hasher = RandomState::new();
        let hash = |host: &Option<&str>| hasher.hash_one(Tenant::of(host.map(str::as_bytes), secure));
        hosts.windows(2).all(|pair| hash(&pair[0]) == hash(&pair[1]))
    }

    #[test]
    fn a_host_is_one_tenant_however_it_is_spelled() {
        for hosts in [
            &[
                "ex.com",
                "Ex.COM",
                "ex.com:80",
                "ex.com:080",
                "ex.com.",
                "EX.com.:0080",
                "ex.com:",
                "me@ex.com",
            ][..],
            &["[::1]", "[::1]:80"],
            &["ex.com:8080", "Ex.com.:08080"],
        ] {
            let hosts: Vec<_> = hosts.iter().copied().map(Some).collect();
            assert!(are_one(&hosts, false), "{hosts:?}");
        }
        assert!(are_one(&[Some("ex.com"), Some("ex.com:443")], true));
        assert!(are_one(&[None, Some("")], true), "whoever names none is one too");
    }

    #[test]
    fn other_hosts_and_ports_are_other_tenants() {
        for other in ["ex.org", "ex.com:8080", "a.ex.com", "ex.com:443", "[::1]", "80", "ex.com80"] {
            assert!(!are_one(&[Some("ex.com"), Some(other)], false), "{other}");
        }
        assert!(!are_one(&[Some("ex.com"), None], false));
        assert!(!are_one(&[Some("[::1]"), Some("[::2]")], false));
    }

    proptest! {
        #[test]
        fn the_letters_of_a_host_may_be_large_or_small(host in "[a-zA-Z0-9.:@\\[\\]-]{0,200}", secure: bool) {
            let (small, large) = (host.to_ascii_lowercase(), host.to_ascii_uppercase());
            prop_assert!(are_one(&[Some(&host), Some(&small), Some(&large)], secure));
        }
    }
}
