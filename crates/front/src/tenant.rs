//! Whose site a request is for, however its host is spelled.

use std::hash::{Hash, Hasher};

/// Small letters are written so many at a time.
const LETTERS: usize = 64;

/// A host without what makes no other of it: large letters, a port, a dot at its end. Requests that name none have one
/// together. Sites are told apart by their names alone, so a port that callers make up is no other site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tenant<'a> {
    name: &'a [u8],
}

impl<'a> Tenant<'a> {
    pub(crate) fn of(host: Option<&'a [u8]>) -> Self {
        let host = host.unwrap_or_default();
        // Who asks is no part of whom they ask for.
        let host = host.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        let digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let name = host[..host.len() - digits].strip_suffix(b":").unwrap_or(host);
        let dots = name.iter().rev().take_while(|byte| **byte == b'.').count();
        Self { name: &name[..name.len() - dots] }
    }
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
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn are_one(hosts: &[Option<&str>]) -> bool {
        let hasher = RandomState::new();
        let hash = |host: &Option<&str>| hasher.hash_one(Tenant::of(host.map(str::as_bytes)));
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
                "ex.com:443",
                "Ex.com.:08080",
                "me@ex.com",
            ][..],
            &["[::1]", "[::1]:80"],
        ] {
            let hosts: Vec<_> = hosts.iter().copied().map(Some).collect();
            assert!(are_one(&hosts), "{hosts:?}");
        }
        assert!(are_one(&[None, Some("")]), "whoever names none is one too");
    }

    #[test]
    fn other_hosts_are_other_tenants() {
        for other in ["ex.org", "a.ex.com", "[::1]", "80", "ex.com80"] {
            assert!(!are_one(&[Some("ex.com"), Some(other)]), "{other}");
        }
        assert!(!are_one(&[Some("ex.com"), None]));
        assert!(!are_one(&[Some("[::1]"), Some("[::2]")]));
    }

    proptest! {
        #[test]
        fn the_letters_of_a_host_may_be_large_or_small(host in "[a-zA-Z0-9.:@\\[\\]-]{0,200}") {
            let (small, large) = (host.to_ascii_lowercase(), host.to_ascii_uppercase());
            prop_assert!(are_one(&[Some(&host), Some(&small), Some(&large)]));
        }
    }
}
