//! One limit: on which routes, of whom, and how much.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    net::IpAddr,
    num::NonZeroU32,
    str::FromStr,
};

use authz::{Actor, By, PersonKind};
use http::{HeaderName, Method};
use ipnet::IpNet;
use limiter::QuotaConfig;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Seen, tenant::Tenant};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A limit as it stands in settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleConfig {
    /// By this it is known in metrics, and to callers if it is announced.
    pub name: String,
    /// `/path`, or `POST /path` for one method. A segment in braces stands for any one, and `/*` at the end for any
    /// further. Empty for all routes.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Of what each has a quota of its own: each address, each person, each person at each address, ... A request
    /// that lacks one of them (nobody signed in, no such field) is not counted.
    pub by: Vec<Part>,
    /// Only persons of these kinds are counted; everybody if there are none.
    #[serde(default)]
    pub kinds: Vec<PersonKind>,
    pub quota: QuotaConfig,
    /// Persons of these kinds have a quota of their own beyond this one, so many times as large.
    #[serde(default)]
    pub more: Vec<More>,
    /// Who counts: every node for itself, or all together.
    #[serde(default)]
    pub share: Share,
    /// Are callers told how much is left? Of what nodes share, none of them knows.
    #[serde(default = "yes")]
    pub announced: bool,
    /// Does it shrink while the machine has too much to do? One that blocks never does.
    #[serde(default = "yes")]
    pub adapts: bool,
}

/// Who counts, where there are several nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Every node for itself: nobody is asked, and each lets through the whole quota.
    #[default]
    Node,
    /// All nodes together, by what they lease from Redis; while it is away, every node for itself.
    Fleet,
    /// The same; while Redis is away, every node gives out its part of the quota only.
    Strict,
}

/// A larger quota for some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct More {
    pub kind: PersonKind,
    pub times: NonZeroU32,
}

/// Something of a request that a quota is kept for. What callers may invent (a field, a key) bounds nobody unless the
/// address stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The caller's address; of IPv6 the network of 64 bits, which is one household's.
    Address,
    /// Who is signed in.
    Person,
    /// What kind of person is signed in.
    Kind,
    /// The host that was asked for, however it is spelled and on whatever port; whoever names none is one tenant more.
    Tenant,
    /// Which of the rule's routes it is.
    Route,
    /// The field `X-Api-Key`.
    ApiKey,
    /// Any other field: `header:x-voter-key`.
    Field(HeaderName),
}

/// A route, or many, as a rule names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    method: Option<Method>,
    /// The path's segments; none stands for any one.
    segments: Vec<Option<String>>,
    /// Are there any further?
    open: bool,
}

/// Something names no route, or no part of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("`{0}` is no route: write `/path`, `/path/*` or `POST /path`")]
    Route(String),
    #[error("`{0}` is none of address, person, kind, tenant, route, api-key and header:NAME")]
    Part(String),
}

/// What a key is made of: the rule's parts of this request.
pub(crate) struct Key<'a> {
    pub(crate) by: &'a [Part],
    pub(crate) seen: &'a Seen<'a>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) actor: Option<&'a Actor>,
    pub(crate) route: usize,
}

impl RuleConfig {
    /// Whether it is given in part while the machine has too much to do. Who goes beyond a limit that blocks is taken for an attacker, and
    /// nobody becomes one because others keep the machine busy.
    pub(crate) const fn shrinks(&self) -> bool {
        self.adapts && self.quota.block_ms.is_none()
    }

    /// Which of its routes the request is for, if any.
    pub(crate) fn route(&self, method: &str, path: &str) -> Option<usize> {
        if self.routes.is_empty() {
            return Some(0);
        }
        self.routes.iter().position(|route| route.matches(method, path))
    }

    /// Does the same count in both, so that what was used of one is used of the other?
    pub(crate) fn counts_alike(&self, other: &Self) -> bool {
        let counts =
            |rule: &Self| (rule.name.clone(), rule.by.clone(), rule.quota, rule.more.clone(), rule.share);
        counts(self) == counts(other)
    }

    /// Must it be known who asks?
    pub(crate) fn asks_who(&self) -> bool {
        !self.kinds.is_empty() || self.by.iter().any(|part| matches!(part, Part::Person | Part::Kind))
    }

    pub(crate) fn counts(&self, actor: Option<&Actor>) -> bool {
        self.kinds.is_empty() || actor.and_then(kind).is_some_and(|kind| self.kinds.contains(&kind))
    }
}

/// What kind of person an actor is.
pub(crate) fn kind(actor: &Actor) -> Option<PersonKind> {
    match actor.by() {
        By::Person(claims) => Some(claims.kind),
        By::Signer(_) => Some(PersonKind::Service),
        By::Anonymous | By::Service(_) => None,
    }
}

const fn yes() -> bool {
    true
}

impl Route {
    /// May it be a request for a path of this description, in which a segment in braces stands for any one?
    #[must_use]
    pub fn covers(&self, described: &str) -> bool {
        let mut there = segments(described);
        let begins =
            self.segments.iter().all(|own| there.next().is_some_and(|there| alike(own.as_deref(), there)));
        begins && (self.open || there.next().is_none())
    }

    /// May it be a request for this path, or one below it?
    #[must_use]
    pub fn covers_below(&self, path: &str) -> bool {
        let mut there = segments(path);
        let begins =
            self.segments.iter().all(|own| there.next().is_none_or(|there| alike(own.as_deref(), there)));
        begins && (self.open || there.next().is_none())
    }

    /// Is it a request for this route?
    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        // Whoever answers `GET` does the same work for `HEAD`.
        let same = |own: &Method| own.as_str() == method || (*own == Method::GET && method == "HEAD");
        if !self.method.as_ref().is_none_or(same) {
            return false;
        }
        let plain = plain(path);
        let mut asked = plain.split(['/', '\\']).filter_map(|segment| {
            // Parameters of a segment (RFC 3986, section 3.3) make no other route of it.
            let segment = segment.split(';').next().unwrap_or_default();
            (!segment.is_empty()).then_some(segment)
        });
        let begins = self.segments.iter().all(|segment| {
            asked.next().is_some_and(|asked| segment.as_ref().is_none_or(|segment| segment == asked))
        });
        begins && (self.open || asked.next().is_none())
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// May a segment of a rule, or any one, and a described one be the same?
fn alike(own: Option<&str>, described: &str) -> bool {
    own.is_none_or(|own| own == described || described.starts_with('{'))
}

/// A path as others may read it: what is written with percent signs is what it stands for. A rule must hold however its
/// path is written.
fn plain(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let (mut out, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let written = match more {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        out.push(written.map_or(*first, |(high, low)| high << 4 | low));
        rest = if written.is_some() { &more[2..] } else { more };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let unfit = || RouteError::Route(text.to_owned());
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method.parse().map_err(|_| unfit())?), path),
            None => (None, text),
        };
        let path = path.strip_prefix('/').filter(|path| !path.contains(['?', '#', ' '])).ok_or_else(unfit)?;
        let (path, open) = match path.strip_suffix('*') {
            Some("") => return Ok(Self { method, segments: Vec::new(), open: true }),
            Some(path) => (path.strip_suffix('/').ok_or_else(unfit)?, true),
            None => (path, false),
        };
        let segment = |segment: &str| {
            let any = segment.starts_with('{') && segment.ends_with('}');
            (!any).then(|| segment.to_owned())
        };
        let segments = path.split('/').filter(|part| !part.is_empty()).map(segment).collect();
        Ok(Self { method, segments, open })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        for segment in &self.segments {
            write!(f, "/{}", segment.as_deref().unwrap_or("{any}"))?;
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/*"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Route {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Part {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        Ok(match text {
            "address" => Self::Address,
            "person" => Self::Person,
            "kind" => Self::Kind,
            "tenant" => Self::Tenant,
            "route" => Self::Route,
            "api-key" => Self::ApiKey,
            _ => {
                let name = text.strip_prefix("header:").and_then(|name| name.parse().ok());
                Self::Field(name.ok_or_else(|| RouteError::Part(text.to_owned()))?)
            }
        })
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = match self {
            Self::Address => "address",
            Self::Person => "person",
            Self::Kind => "kind",
            Self::Tenant => "tenant",
            Self::Route => "route",
            Self::ApiKey => "api-key",
            Self::Field(name) => return serializer.collect_str(&format_args!("header:{name}")),
        };
        serializer.serialize_str(word)
    }
}

impl Key<'_> {
    /// Does the request have all of it?
    pub(crate) fn is_whole(&self) -> bool {
        self.by.iter().all(|part| match part {
            Part::Address => self.client.is_some(),
            Part::Person | Part::Kind => self.actor.and_then(kind).is_some(),
            Part::Tenant | Part::Route => true,
            Part::ApiKey => self.seen.fields.get(&X_API_KEY).is_some(),
            Part::Field(name) => self.seen.fields.get(name).is_some(),
        })
    }
}

impl Key<'_> {
    /// The same on every node.
    pub(crate) fn everywhere(&self) -> u128 {
        let mut hasher = Everywhere(blake3::Hasher::new());
        self.hash(&mut hasher);
        let hash = hasher.0.finalize();
        hash.as_bytes().first_chunk().map_or(0, |first| u128::from_le_bytes(*first))
    }
}

/// Takes the bytes of a key as they are, where a hasher of the standard library differs from one process to the next.
struct Everywhere(blake3::Hasher);

impl Hasher for Everywhere {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in self.by {
            match part {
                Part::Address => self.client.map(household).hash(state),
                Part::Person => {
                    let by = self.actor.map(Actor::by);
                    by.and_then(By::person).hash(state);
                    by.and_then(By::signer).hash(state);
                }
                Part::Kind => self.actor.and_then(kind).hash(state),
                Part::Tenant => Tenant::of(self.seen.host).hash(state),
                Part::Route => self.route.hash(state),
                Part::ApiKey => self.seen.fields.get(&X_API_KEY).hash(state),
                Part::Field(name) => self.seen.fields.get(name).hash(state),
            }
        }
    }
}

/// An address, or what of it one household has: IPv6 gives each a network of 64 bits.
pub fn household(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        // The lowest bit tells it from IPv4: no network of 64 bits has it.
        IpAddr::V6(address) => address.to_bits() >> 64 << 64 | 1 << 63,
    }
}

/// The same as a network.
pub(crate) fn network_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 32 } else { 64 };
    IpNet::new_assert(address, bits).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(route: &str, method: &str, path: &str) -> bool {
        route.parse::<Route>().expect("a route").matches(method, path)
    }

    #[test]
    fn a_rule_for_routes_that_are_described_is_known_from_one_for_none() {
        let route = |text: &str| text.parse::<Route>().expect("a route");
        for (rule, described) in [
            ("/elections/7/*", "/elections/{election}/ballots"),
            ("POST /elections/{e}", "/elections/{election}"),
            ("/*", "/"),
        ] {
            assert!(route(rule).covers(described), "{rule}");
            assert_eq!(route(rule).to_string().parse(), Ok(route(rule)), "it is written as it is read");
        }
        assert!(
            !route("/elections").covers("/elections/{election}") && !route("/polls/*").covers("/elections")
        );
        assert!(route("/api/visits/7").covers_below("/api") && route("/*").covers_below("/api"));
        assert!(!route("/api").covers_below("/api/visits") && !route("/apis/*").covers_below("/api"));
    }

    #[test]
    fn a_route_is_a_path_with_room_for_names_and_for_what_follows() {
        assert!(matches("/api/v1/elections", "GET", "/api/v1/elections"));
        assert!(!matches("/api/v1/elections", "GET", "/api/v1/elections/7"));
        assert!(matches("/api/v1/elections/{id}/tally", "GET", "/api/v1/elections/7/tally"));
        assert!(!matches("/api/v1/elections/{id}/tally", "GET", "/api/v1/elections/7/8/tally"));
        assert!(matches("/api/v1/public/*", "GET", "/api/v1/public/a/b"));
        assert!(!matches("/api/v1/public/*", "GET", "/api/v1/publicity"));
        assert!(matches("/*", "GET", "/anything"));
        assert!(matches("POST /votes", "POST", "/votes"));
        assert!(!matches("POST /votes", "GET", "/votes"));
        assert!(matches("/", "GET", "/"));
        assert!(matches("GET /votes", "HEAD", "/votes"), "it is the same work");
    }

    #[test]
    fn a_route_is_the_same_however_its_path_is_written() {
        for path in ["/%6cogin", "//login", "/login/", "/login;x=1", "/login%2f", "/%2flogin", "\\login"] {
            assert!(matches("/login", "GET", path), "{path}");
        }
        for path in ["/logins", "/a/login", "/%4cogin", "/log%69n%73"] {
            assert!(!matches("/login", "GET", path), "{path}");
        }
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for text in ["votes", "/a b", "/a*", "G@T /a", "/a?b", ""] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }

    #[test]
    fn parts_are_named_in_settings() {
        assert_eq!("header:X-Voter-Key".parse(), Ok(Part::Field(HeaderName::from_static("x-voter-key"))));
        assert!("header:".parse::<Part>().is_err());
        assert!("addresses".parse::<Part>().is_err());
    }

    #[test]
    fn a_household_has_a_network_of_64_bits_and_is_nobody_of_the_old_addresses() {
        let of = |text: &str| household(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("::192.0.2.7"), of("192.0.2.7"));
    }
}
