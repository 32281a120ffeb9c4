//! Which route a request takes: by its host first, then by the longest prefix of its path.

use std::collections::HashMap;

/// A host as routes name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this one.
    Exact(Box<str>),
    /// Any below this one: `*.example.gov` holds for `a.example.gov` and `a.b.example.gov`.
    Below(Box<str>),
    /// Any at all.
    Any,
}

/// What a host pattern cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host `{0}` is neither a name, nor `*.` and a name, nor `*`; leave out the port")]
pub struct HostPatternError(String);

impl HostPattern {
    /// Reads `example.gov`, `*.example.gov`, `[::1]` or `*`, in letters of any case.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn read(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let bracketed = name.starts_with('[') && name.ends_with(']');
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        let address = |letter: char| letter.is_ascii_hexdigit() || ":.[]".contains(letter);
        let fits = if bracketed { name.chars().all(address) } else { name.chars().all(letter) };
        if name.is_empty() || !fits || name.starts_with('.') || name.ends_with('.') {
            return Err(HostPatternError(text.to_owned()));
        }
        let name = name.to_ascii_lowercase().into_boxed_str();
        Ok(if text.len() == name.len() { Self::Exact(name) } else { Self::Below(name) })
    }
}

/// Routes by number, found by host and path.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact: HashMap<Box<str>, Paths>,
    below: HashMap<Box<str>, Paths>,
    any: Paths,
}

/// Routes of one host, the longest prefix first.
#[derive(Debug, Default)]
struct Paths(Vec<(Box<str>, usize)>);

/// Two routes that nobody could tell apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two routes have the host {0:?} and the path `{1}`")]
pub struct SameRoute(HostPattern, String);

impl RouteTable {
    /// Adds the route `number` for paths that begin with `prefix`.
    ///
    /// # Errors
    /// When there is one of this host and path already.
    pub fn add(&mut self, host: &HostPattern, prefix: &str, number: usize) -> Result<(), SameRoute> {
        let paths = match host {
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::Below(name) => self.below.entry(name.clone()).or_default(),
            HostPattern::Any => &mut self.any,
        };
        if paths.0.iter().any(|(known, _)| **known == *prefix) {
            return Err(SameRoute(host.clone(), prefix.to_owned()));
        }
        let place = paths.0.partition_point(|(known, _)| known.len() >= prefix.len());
        paths.0.insert(place, (prefix.into(), number));
        Ok(())
    }

    /// The route of a request: the exact host before the nearest wildcard before any, and among those of a host
    /// the longest prefix. A host that has no route for the path does not hide those of wider patterns.
    #[must_use]
    pub fn find(&self, authority: &str, path: &str) -> Option<usize> {
        let host = without_port(authority);
        let mut lowered = [0; 256];
        // Nearly every host comes in small letters; a longer one than the system of names allows has no route.
        let host = lower(host, &mut lowered)?;
        if let Some(found) = self.exact.get(host).and_then(|paths| paths.find(path)) {
            return Some(found);
        }
        if !self.below.is_empty() {
            let mut rest = host;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(found) = self.below.get(parent).and_then(|paths| paths.find(path)) {
                    return Some(found);
                }
                rest = parent;
            }
        }
        self.any.find(path)
    }
}

impl Paths {
    fn find(&self, path: &str) -> Option<usize> {
        self.0.iter().find(|(prefix, _)| is_below(path, prefix)).map(|(_, number)| *number)
    }
}

/// Is `path` the prefix or below it? `/api` holds for `/api` and `/api/x`, never for `/apis`.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// A host's name without its port; brackets of an address stay.
fn without_port(authority: &str) -> &str {
    let name_end = authority.rfind(']').map_or(0, |end| end + 1);
    authority[name_end..].find(':').map_or(authority, |colon| &authority[..name_end + colon])
}

fn lower<'a>(host: &'a str, room: &'a mut [u8; 256]) -> Option<&'a str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(host);
    }
    let room = room.get_mut(..host.len())?;
    room.copy_from_slice(host.as_bytes());
    room.make_ascii_lowercase();
    std::str::from_utf8(room).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(routes: &[(&str, &str)]) -> RouteTable {
        let mut table = RouteTable::default();
        for (number, (host, path)) in routes.iter().enumerate() {
            table.add(&HostPattern::read(host).expect("a host"), path, number).expect("a new one");
        }
        table
    }

    #[test]
    fn the_exact_host_comes_before_the_wildcard_and_both_before_any() {
        let table =
            table(&[("*", "/"), ("*.example.gov", "/"), ("vote.example.gov", "/"), ("*.a.example.gov", "/")]);
        assert_eq!(table.find("vote.example.gov", "/"), Some(2));
        assert_eq!(table.find("VOTE.Example.gov:8443", "/"), Some(2));
        assert_eq!(table.find("other.example.gov", "/"), Some(1));
        assert_eq!(table.find("x.y.example.gov", "/"), Some(1));
        assert_eq!(table.find("b.a.example.gov.", "/"), Some(3));
        assert_eq!(table.find("example.gov", "/"), Some(0));
        assert_eq!(table.find("[::1]:80", "/"), Some(0));
    }

    #[test]
    fn the_longest_prefix_wins_and_ends_at_a_slash() {
        let table = table(&[("*", "/"), ("*", "/api"), ("*", "/api/v1"), ("*", "/static/")]);
        assert_eq!(table.find("a", "/api/v1/x"), Some(2));
        assert_eq!(table.find("a", "/api/v10"), Some(1));
        assert_eq!(table.find("a", "/apis"), Some(0));
        assert_eq!(table.find("a", "/static/x"), Some(3));
        assert_eq!(table.find("a", "/static"), Some(0));
    }

    #[test]
    fn a_host_without_a_fitting_path_does_not_hide_wider_ones() {
        let table = table(&[("*", "/"), ("a.example", "/api")]);
        assert_eq!(table.find("a.example", "/other"), Some(0));
    }

    #[test]
    fn what_no_route_names_has_none() {
        assert_eq!(table(&[("a.example", "/api")]).find("b.example", "/api"), None);
        assert_eq!(table(&[("a.example", "/api")]).find("a.example", "/"), None);
    }

    #[test]
    fn two_routes_that_look_alike_and_hosts_that_are_none_are_refused() {
        let mut twice = table(&[("a.example", "/")]);
        assert!(twice.add(&HostPattern::read("A.example").expect("a host"), "/", 1).is_err());
        for bad in ["", "a b", "*.", "a.*", "a:80", ".a", "a."] {
            assert!(HostPattern::read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_host_and_path_are_looked_up_without_a_panic(host in "\\PC{0,300}", path in "\\PC{0,40}") {
            let found = table(&[("*", "/"), ("*.a", "/b")]).find(&host, &path);
            prop_assert!(path.starts_with('/') || found.is_none());
        }

        #[test]
        fn the_prefix_that_is_found_is_the_longest_that_fits(
            prefixes in proptest::collection::btree_set("(/[ab]){1,4}", 1..8), path in "(/[ab]){1,5}",
        ) {
            let prefixes: Vec<_> = prefixes.into_iter().collect();
            let routes: Vec<_> = prefixes.iter().map(|prefix| ("*", prefix.as_str())).collect();
            let fits = |prefix: &&String| path == **prefix || path.starts_with(&format!("{prefix}/"));
            let expected = prefixes.iter().filter(fits).max_by_key(|prefix| prefix.len());
            let found = table(&routes).find("host", &path).map(|number| &prefixes[number]);
            prop_assert_eq!(found, expected);
        }
    }
}
