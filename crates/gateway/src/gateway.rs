//! The gateway itself: a table of routes and pools that can be changed at any time, and the way of a request
//! through it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    net::IpAddr,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use clock::{Clock, Stopwatch};
use edge::{Content, Forward, FromUpstream, Lines, Passed, Passing, Tunnel, refused};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use httpcache::{Coding, ResponseCache, coded};
use overload::{Deadline, Seat};
use problem::Code;
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Asked, Balance, CacheConfig, HashBy, Protocol, RouteConfig, TableConfig, TableError,
    answer_body::content,
    cached::{self, may_be_cached},
    config,
    exchange::Outgoing,
    fault::Fault,
    fields::{
        Bearings, Telling, as_routed, asks_for_upgrade, is_ambiguous, request_head, take_named,
        takes_trailers,
    },
    pool::Pool,
    standing::RoutesStanding,
    streams,
    table::{Drawn, Route, Table},
    trip::{Arrived, Rest, Told, Trip},
    tunnel::Behind,
};

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Do callers speak TLS to us?
    pub is_encrypted: bool,
    /// Bytes of a request's body that are passed on.
    pub body_bytes_max: NonZeroU64,
    pub cache: CacheConfig,
}

/// Passes requests on. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: ArcSwap<Table>,
    terms: Terms,
    pace: Stopwatch,
    clock: Clock,
    /// Held while the table is changed, so that two changes do not lose each other.
    changing: Mutex<()>,
    changed: watch::Sender<u64>,
    cache: Arc<ResponseCache>,
    refused: AtomicU64,
}

/// Why a split does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error("there is no route `{0}`")]
    NoSuchRoute(String),
    #[error("there is no pool `{0}`")]
    NoSuchPool(String),
    #[error("no pool would have a share")]
    Nowhere,
}

impl Gateway {
    /// With this table to begin with.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: TableConfig, terms: Terms, clock: Clock) -> Result<Self, TableError> {
        let table = ArcSwap::from_pointee(Table::new(config, None, 0)?);
        let (pace, changing, changed) = (clock.stopwatch(), Mutex::default(), watch::Sender::new(0));
        let (cache, refused) = (ResponseCache::new(&terms.cache), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { table, terms, pace, clock, changing, changed, cache, refused })))
    }

    /// Puts another table in the place of the one there is. Requests that have begun end as they began, and no
    /// connection is closed. What is the same in both keeps its state.
    ///
    /// # Errors
    /// When the configuration cannot be used: then everything stays as it is.
    pub fn change(&self, config: TableConfig) -> Result<(), TableError> {
        self.change_from(|_| config)
    }

    /// The same with a table that is made from the one there is.
    pub(crate) fn change_from(
        &self,
        make: impl FnOnce(&TableConfig) -> TableConfig,
    ) -> Result<(), TableError> {
        let _alone = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.0.table.load_full();
        let config = make(&before.config);
        self.0.table.store(Arc::new(Table::new(config, Some(&before), self.now_ms())?));
        self.0.changed.send_modify(|number| *number += 1);
        Ok(())
    }

    /// Moves the split of a route to these shares, evenly over a time.
    ///
    /// # Errors
    /// When there is no such route or pool: then everything stays as it is.
    pub fn move_weights(
        &self,
        route: &str,
        weights: &BTreeMap<String, u32>,
        over: Duration,
    ) -> Result<(), MoveError> {
        let _alone = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let table = self.table();
        let standing = &find(&table, route)?.standing;
        if let Some(pool) = weights.keys().find(|pool| !table.pools.contains_key(*pool)) {
            return Err(MoveError::NoSuchPool(pool.clone()));
        }
        if weights.values().all(|weight| *weight == 0) {
            return Err(MoveError::Nowhere);
        }
        let moved = standing.weights.load().moved(weights, self.now_ms(), millis(over));
        standing.weights.store(Arc::new(moved));
        Ok(())
    }

    /// Tries the canary of a route again.
    ///
    /// # Errors
    /// When there is no such route.
    pub fn try_canary_again(&self, route: &str) -> Result<(), MoveError> {
        find(&self.table(), route).map(|route| route.standing.try_again())
    }

    /// How its routes stand, for another process that goes on where this one ends.
    #[must_use]
    pub fn standing(&self) -> RoutesStanding {
        let (table, now_ms) = (self.table(), self.now_ms());
        let told =
            |route: &Arc<Route>| Some((route.name.to_string(), route.standing.told(&route.config, now_ms)?));
        RoutesStanding(table.routes.iter().filter_map(told).collect())
    }

    /// Goes on as the routes of the process before [stand](Self::standing). Those that are configured otherwise now begin as
    /// they are configured.
    pub fn go_on(&self, RoutesStanding(told): &RoutesStanding) {
        let (table, now_ms) = (self.table(), self.now_ms());
        for (name, told) in told {
            if let Some(route) = table.named(name) {
                route.standing.go_on(told, &route.config, now_ms);
            }
        }
        // A split may have been moved to a pool that there is none of here.
        table.mend_splits(now_ms);
    }

    /// How requests come in.
    #[must_use]
    pub fn forward(&self) -> Forward {
        let (gateway, naming) = (self.clone(), self.clone());
        let rule = move |request, passing| gateway.clone().handle(request, passing);
        Forward::named(rule, move |uri, fields| {
            let table = naming.0.table.load();
            table.route(host(uri, fields), &as_routed(uri.path())).map(|route| route.name.clone())
        })
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        self.0.table.load_full()
    }

    /// Tells when the table was changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.pace.elapsed()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        millis(self.now())
    }

    pub(crate) fn cache(&self) -> &Arc<ResponseCache> {
        &self.0.cache
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Requests that were refused before a pool was found for them.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    #[expect(clippy::manual_async_fn, reason = "an async fn would hold what it is given twice")]
    pub(crate) fn handle(
        self,
        mut request: Request<Content>,
        passing: Passing,
    ) -> impl Future<Output = Passed> + Send {
        async move {
            let way = match self.way(&request, passing) {
                Ok(way) => way,
                Err(fault) => {
                    self.0.refused.fetch_add(1, Relaxed);
                    return Passed::ours(refused(fault.into()));
                }
            };
            let name = way.route.name.clone();
            let RouteConfig { complete: completed, strict_cookies, .. } = way.route.config;
            if way.route.config.cache {
                // What is kept must not depend on what its upstream was not told.
                take_named(request.headers_mut());
            }
            let cached = way.route.config.cache && may_be_cached(&request);
            // Apart, so that requests of other routes do not carry the state of these.
            let (response, lines) = if cached {
                (Box::pin(self.answer_cached(way, request)).await, Lines::default())
            } else if way.seat.is_some() {
                (Box::pin(self.answer_in_turn(&way, request)).await, Lines::default())
            } else {
                self.answer_anew(&way, request).await
            };
            // A refusal is ours.
            let theirs = response.extensions().get::<Code>().is_none();
            let whose = theirs.then_some(FromUpstream { completed, strict_cookies });
            Passed { response, lines, whose, counted_as: Some(name) }
        }
    }

    /// Finds out where a request goes.
    fn way(&self, request: &Request<Content>, mut passing: Passing) -> Result<Way, Fault> {
        let table = self.0.table.load();
        let (host, path) = (host(request.uri(), request.headers()), request.uri().path());
        if is_ambiguous(path) {
            return Err(Fault::AmbiguousPath);
        }
        let route = table.route(host, &as_routed(path)).ok_or(Fault::NoSuchHost)?;
        // Every table is checked for routes that lead nowhere.
        let drawn = table.pool(route, self.now_ms(), dice_of(&self.0.clock));
        let Drawn { pool, for_canary } = drawn.ok_or(Fault::NoSuchHost)?;
        let (route, pool, host) = (route.clone(), pool.clone(), host.into());
        let seat = passing.seat.take().filter(|_| route.config.overload);
        let trusts_forwarded = table.config.trusts_forwarded;
        Ok(Way { route, pool, for_canary, host, trusts_forwarded, passing, seat })
    }

    /// Passes a request on when its turn comes, or refuses it. What is given from the cache needs no turn: it costs the pools
    /// nothing, and who waits for another's answer keeps nobody else from them.
    pub(crate) async fn answer_in_turn(&self, way: &Way, request: Request<Content>) -> Response<Content> {
        let Some(seat) = &way.seat else { return gathered(self.answer_anew(way, request).await) };
        edge::admit_passing(seat, &way.route.name, &self.0.clock, request, async |mut request| {
            let asks = request.headers().contains_key(edge::REQUEST_TIMEOUT_MS);
            if let Some(deadline) = request.extensions().get::<Deadline>().filter(|_| asks) {
                // Whoever it is passed on to has what is left of the time.
                let left = HeaderValue::from(millis(deadline.remaining()));
                request.headers_mut().insert(edge::REQUEST_TIMEOUT_MS, left);
            }
            gathered(self.answer_anew(way, request).await)
        })
        .await
    }

    /// Passes a request on, and compresses the answer where the route says so. Fields that nobody has looked at stand
    /// beside the answer.
    pub(crate) fn answer_anew<'w>(
        &'w self,
        way: &'w Way,
        request: Request<Content>,
    ) -> impl Future<Output = (Response<Content>, Lines)> + Send + 'w {
        // Whatever changes an address makes what is kept of it old (RFC 9111, section 4.4).
        let changes = (way.route.config.cache && !request.method().is_safe())
            .then(|| cached::key(way, request.uri(), request.headers()));
        let codes = way.route.config.compress && *request.method() != Method::HEAD;
        let coding = codes.then(|| Coding::of(request.headers())).flatten();
        // What is sent is written before the first wait, so that the request is carried no further.
        let trip = self.trip(way, request);
        async move {
            let (trip, outgoing) = match trip {
                Ok(trip) => trip,
                Err(fault) => return (refused(fault.into()), Lines::default()),
            };
            let arrived = trip.make(outgoing).await;
            if way.for_canary {
                way.route.standing.canary_answered(false);
            } else if way.route.tries(&way.pool) {
                way.route.standing.tell(&arrived);
            }
            let answer = match arrived {
                Ok(arrived) => {
                    let done = arrived.head.status.is_success() || arrived.head.status.is_redirection();
                    if let Some(key) = changes.filter(|_| done) {
                        self.cache().drop_at(&key);
                    }
                    answer(arrived, &way.pool)
                }
                Err(fault) => return (refused(fault.into()), Lines::default()),
            };
            if codes { (coded(gathered(answer), coding), Lines::default()) } else { answer }
        }
    }

    /// A request as it is sent, and what of it is still to come.
    fn trip(&self, way: &Way, request: Request<Content>) -> Result<(Trip<'_>, Option<Outgoing>), Fault> {
        let Way { pool, host, trusts_forwarded, passing, .. } = way;
        let trusts_forwarded = *trusts_forwarded;
        let telling = Telling::of(&request);
        let left_bytes = self.0.terms.body_bytes_max.get();
        if matches!(telling, Telling::Exact(bytes) if bytes > left_bytes) {
            return Err(Fault::BodyTooLarge);
        }
        let http2 = pool.config.protocol == Protocol::Http2;
        let upgrade = !http2 && asks_for_upgrade(&request, telling);
        let trailers = http2 && takes_trailers(request.headers());
        let scheme = if self.0.terms.is_encrypted { "https" } else { "http" };
        let bearings = Bearings { scheme, host, trusts_forwarded, upgrade, trailers };
        let head = request_head(&request, passing, telling, bearings);
        let told = if http2 {
            Told::Http2(Box::new(streams::request_parts(&head, pool)?))
        } else {
            Told::Http1(Bytes::from(head))
        };
        let asked = Asked { head_only: *request.method() == Method::HEAD, upgrade };
        let key = if pool.config.balance == Balance::Hash {
            key(&pool.config.hash_by, request.headers(), passing.client)
        } else {
            0
        };
        let idempotent = request.method().is_idempotent();
        let body = request.into_body();
        let outgoing = (telling != Telling::Nothing).then_some(Outgoing { body, telling, left_bytes });
        let pool = pool.clone();
        Ok((Trip { gateway: self, pool, told, asked, key, idempotent }, outgoing))
    }
}

/// What was found out of where a request goes.
pub(crate) struct Way {
    pub(crate) route: Arc<Route>,
    pub(crate) pool: Arc<Pool>,
    /// The pool stands in for the canary of the route.
    for_canary: bool,
    /// That was asked for.
    pub(crate) host: Box<str>,
    pub(crate) trusts_forwarded: bool,
    passing: Passing,
    /// Where the route lets requests in by turns.
    seat: Option<Seat>,
}

/// With all fields in one map.
pub(crate) fn gathered((mut response, lines): (Response<Content>, Lines)) -> Response<Content> {
    lines.gather(response.headers_mut());
    response
}

/// The answer of an upstream, as it is passed on.
fn answer(arrived: Arrived, pool: &Pool) -> (Response<Content>, Lines) {
    let Arrived { mut head, rest, in_flight } = arrived;
    let mut response = Response::new(Content::empty());
    *response.status_mut() = head.status;
    *response.headers_mut() = std::mem::take(&mut head.fields);
    let lines = std::mem::take(&mut head.lines);
    let exchange = match rest {
        Rest::Line(exchange) => exchange,
        Rest::Stream(following) => {
            *response.body_mut() = streams::content(following, pool, in_flight);
            return (response, lines);
        }
    };
    if head.status == StatusCode::SWITCHING_PROTOCOLS
        && let Some(protocol) = head.protocol
    {
        let (stream, early) = exchange.line.into_parts();
        let behind = Behind { stream, early, _in_flight: in_flight };
        let idle_max = config::millis(pool.config.times.tunnel_idle_ms_max);
        Tunnel::new(behind, protocol, idle_max).open_with(&mut response);
        return (response, lines);
    }
    *response.body_mut() = content(exchange, &head, in_flight);
    (response, lines)
}

fn find<'t>(table: &'t Table, name: &str) -> Result<&'t Arc<Route>, MoveError> {
    table.named(name).ok_or_else(|| MoveError::NoSuchRoute(name.to_owned()))
}

/// The host that a request is for: that of its whole URI, if it has one (RFC 9112, section 3.2.2).
fn host<'a>(uri: &'a Uri, fields: &'a HeaderMap) -> &'a str {
    let authority = uri.authority().map(|authority| authority.as_str());
    let field = || fields.get(header::HOST)?.to_str().ok();
    authority.or_else(field).unwrap_or_default()
}

/// A hash of what a request has in common with those that go where it goes.
fn key(hash_by: &HashBy, fields: &HeaderMap, client: Option<IpAddr>) -> u64 {
    let named = match hash_by {
        HashBy::Address => None,
        HashBy::Header(name) => fields.get(name.as_str()).map(|value| xxh3_64(value.as_bytes())),
        HashBy::Cookie(name) => cookie(fields, name).map(xxh3_64),
    };
    named.unwrap_or_else(|| match client {
        Some(IpAddr::V4(address)) => xxh3_64(&address.octets()),
        // Everybody has a whole network of the last half.
        Some(IpAddr::V6(address)) => xxh3_64(&address.octets()[..8]),
        None => 0,
    })
}

fn cookie<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let cookies = fields.get_all(header::COOKIE).iter();
    let mut cookies = cookies.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    cookies.find_map(|cookie| cookie.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

thread_local! {
    static DICE: Cell<u64> = const { Cell::new(0) };
}

/// A number that is not foreseen, for spreading load: no secret depends on it.
fn dice_of(clock: &Clock) -> u64 {
    if DICE.get() == 0 {
        DICE.set(u64::from_le_bytes(clock.random()) | 1);
    }
    dice()
}

/// The next number of a thread whose dice were thrown before.
pub(crate) fn dice() -> u64 {
    let mut state = DICE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    DICE.set(state);
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request<Content> {
        let mut request = Request::get("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(Content::empty()).expect("it is a request")
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let request = request(&[("cookie", "a=1; seat=x; b=2"), ("cookie", "late=3")]);
        assert_eq!(cookie(request.headers(), "seat"), Some(b"x".as_slice()));
        assert_eq!(cookie(request.headers(), "late"), Some(b"3".as_slice()));
        assert_eq!(cookie(request.headers(), "sea"), None);
    }

    #[test]
    fn who_has_the_same_header_or_network_stays_together() {
        let by_header = HashBy::Header("x-tenant".to_owned());
        let of = |tenant| key(&by_header, request(&[("x-tenant", tenant)]).headers(), None);
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        let from = |address: &str| {
            let client = Some(address.parse().expect("an address"));
            key(&by_header, request(&[]).headers(), client)
        };
        assert_eq!(from("2001:db8::1"), from("2001:db8::2"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
    }

    #[test]
    fn the_host_of_a_whole_uri_is_the_true_one() {
        let mut request = request(&[("host", "field.example")]);
        assert_eq!(host(request.uri(), request.headers()), "field.example");
        *request.uri_mut() = "http://uri.example:8080/".parse().expect("a URI");
        assert_eq!(host(request.uri(), request.headers()), "uri.example:8080");
    }
}
