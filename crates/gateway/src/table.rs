//! The table that requests are looked up in: made whole from a configuration, and put in the place of the one before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    HostPattern, HostPatternError, RouteConfig, RouteTable, SameRoute, TableConfig, UpstreamTlsError,
    Weights, pool::Pool, secure::Secure, standing::Standing,
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the route `{route}`: {error}")]
    Host { route: String, error: HostPatternError },
    #[error("the route `{route}`: {error}")]
    Same { route: String, error: SameRoute },
    #[error("the route `{route}` leads to the pool `{pool}`, which there is none of")]
    NoSuchPool { route: String, pool: String },
    #[error("there are two routes with the name `{0}`")]
    SameName(String),
    #[error("the path `{path}` of the route `{route}` does not begin with a slash")]
    Path { route: String, path: String },
    #[error("the route `{0}` leads nowhere: give one of its pools a weight")]
    Nowhere(String),
    #[error("the canary of the route `{0}` has a share of more than 100 percent")]
    Canary(String),
    #[error("the name `{0}` has other letters than small ones, digits, `-` and `_`, or more than 64")]
    Name(String),
    #[error("the pool `{pool}` has the upstream `{address}`, which is not a host and a port")]
    Address { pool: String, address: String },
    #[error("the pool `{pool}` has the upstream `{address}` twice")]
    Twice { pool: String, address: String },
    #[error("the pool `{0}` has no upstreams")]
    Empty(String),
    #[error("the TLS of the pool `{pool}`: {error}")]
    Tls { pool: String, error: UpstreamTlsError },
    #[error("the path of the health check of the pool `{0}` is not one")]
    HealthPath(String),
    #[error("the host of the health check of the pool `{0}` is not one")]
    HealthHost(String),
    #[error("the header or cookie that the pool `{0}` is balanced by has no name that could be one")]
    HashBy(String),
}

/// Routes and pools.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) config: TableConfig,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    find: RouteTable,
}

/// One route, and how it stands.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) config: RouteConfig,
    pub(crate) standing: Arc<Standing>,
}

/// The pool that takes a request.
#[derive(Debug)]
pub(crate) struct Drawn<'t> {
    pub(crate) pool: &'t Arc<Pool>,
    /// It stands in for the canary of the route, whose request it was.
    pub(crate) for_canary: bool,
}

impl Table {
    /// A table of this configuration. What stays the same keeps its state from the table before.
    pub(crate) fn new(config: TableConfig, before: Option<&Self>, now_ms: u64) -> Result<Self, TableError> {
        let (mut pools, mut renewed) = (BTreeMap::new(), Vec::new());
        for (name, known) in &config.pools {
            check_pool(name, known)?;
            let unfit = |error| TableError::Tls { pool: name.clone(), error };
            let same_region = before.filter(|before| before.config.region == config.region);
            let pool_before = before.and_then(|before| before.pools.get(name));
            let unchanged = pool_before.filter(|pool| same_region.is_some() && pool.config == *known);
            let pool = match unchanged {
                Some(pool) => {
                    // The same files may hold other certificates by now.
                    renewed.push((pool.clone(), Secure::of(known).map_err(unfit)?));
                    pool.clone()
                }
                None => {
                    let pool_before = pool_before.map(|pool| &**pool);
                    let pool = Pool::new(name, known.clone(), &config.region, pool_before);
                    Arc::new(pool.map_err(unfit)?)
                }
            };
            pools.insert(name.clone(), pool);
        }
        let (mut find, mut routes, mut names) = (RouteTable::default(), Vec::new(), BTreeSet::new());
        for (number, known) in config.routes.iter().enumerate() {
            check_route(known, &config)?;
            if !names.insert(&known.name) {
                return Err(TableError::SameName(known.name.clone()));
            }
            for host in &known.hosts {
                let route = || known.name.clone();
                let host =
                    HostPattern::read(host).map_err(|error| TableError::Host { route: route(), error })?;
                find.add(&host, &known.path, number)
                    .map_err(|error| TableError::Same { route: route(), error })?;
            }
            let route_before = before.and_then(|before| before.named(&known.name));
            routes.push(match route_before {
                Some(route) if route.config == *known => route.clone(),
                _ => Arc::new(Route::new(known.clone(), route_before.map(|route| &**route))),
            });
        }
        let table = Self { config, routes, pools, find };
        table.mend_splits(now_ms);
        // Nothing is refused any more, so that none of it is in force while the rest is not.
        renewed.into_iter().for_each(|(pool, secure)| pool.renew(secure));
        Ok(table)
    }

    /// Whoever's split was moved to a pool that there is none of has the one that is configured.
    pub(crate) fn mend_splits(&self, now_ms: u64) {
        for route in &self.routes {
            let weights = route.standing.weights.load();
            let Some(pool) = weights.pools(now_ms).find(|pool| !self.pools.contains_key(*pool)) else {
                continue;
            };
            let route_name = &*route.name;
            tracing::warn!(
                code = "gateway/split-lost",
                route = route_name,
                pool,
                "the split of {route_name} was moved to {pool}, which there is none of: it is as configured again"
            );
            route.standing.weights.store(Arc::new(Weights::fixed(&route.config.pools)));
        }
    }

    pub(crate) fn route(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        self.find.find(host, path).map(|number| &self.routes[number])
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| *route.name == *name)
    }

    /// The pool that takes a request of this route. Where there is another, one that takes no requests now costs nobody an
    /// answer.
    pub(crate) fn pool(&self, route: &Route, now_ms: u64, dice: u64) -> Option<Drawn<'_>> {
        let mut for_canary = false;
        if let Some(canary) = &route.config.canary
            && !route.standing.has_fallen()
            && dice % 100 < u64::from(canary.percent)
            && let Some(pool) = self.pools.get(&canary.pool)
        {
            if pool.is_there(now_ms) {
                return Some(Drawn { pool, for_canary });
            }
            for_canary = true;
        }
        let weights = route.standing.weights.load();
        let chosen = self.pools.get(weights.choose(now_ms, dice / 100)?)?;
        if weights.pools(now_ms).nth(1).is_none() || chosen.is_there(now_ms) {
            return Some(Drawn { pool: chosen, for_canary });
        }
        let shares = weights.at(now_ms).into_iter().filter(|(_, weight)| *weight > 0);
        let mut others = shares.filter_map(|(pool, _)| self.pools.get(pool));
        let pool = others.find(|pool| pool.is_there(now_ms)).unwrap_or(chosen);
        Some(Drawn { pool, for_canary })
    }

    /// Looks after what changes with time.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for pool in self.pools.values() {
            pool.sweep(now_ms);
        }
        for route in &self.routes {
            let Some(config) = &route.config.canary else { continue };
            if route.standing.falls(now_ms, config) {
                let (route, pool) = (&*route.name, &config.pool);
                tracing::warn!(
                    code = "gateway/canary-fallen",
                    route,
                    pool,
                    "too much fails at {pool}: {route} goes back to what it had"
                );
            }
        }
    }
}

impl Route {
    /// A route of this configuration. It stands as the one before that has its name, if they share their requests out alike.
    fn new(config: RouteConfig, before: Option<&Self>) -> Self {
        let alike = before
            .filter(|before| before.config.pools == config.pools && before.config.canary == config.canary);
        let standing =
            alike.map_or_else(|| Arc::new(Standing::new(&config)), |before| before.standing.clone());
        Self { name: config.name.as_str().into(), standing, config }
    }

    /// Is this pool its canary?
    pub(crate) fn tries(&self, pool: &Pool) -> bool {
        self.config.canary.as_ref().is_some_and(|canary| *canary.pool == *pool.name)
    }
}

fn check_pool(name: &str, pool: &crate::PoolConfig) -> Result<(), TableError> {
    check_name(name)?;
    if pool.upstreams.is_empty() {
        return Err(TableError::Empty(name.to_owned()));
    }
    let mut addresses = BTreeSet::new();
    for upstream in &pool.upstreams {
        let (pool, address) = (name.to_owned(), upstream.address.clone());
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let visible = address.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
            return Err(TableError::Address { pool, address });
        }
        if !addresses.insert(&upstream.address) {
            return Err(TableError::Twice { pool, address });
        }
    }
    let path = &pool.health.path;
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TableError::HealthPath(name.to_owned()));
    }
    let host = pool.health.host.as_deref();
    if host.is_some_and(|host| {
        host.parse::<http::uri::Authority>().map_or(true, |read| read.as_str().contains('@'))
    }) {
        return Err(TableError::HealthHost(name.to_owned()));
    }
    match &pool.hash_by {
        crate::HashBy::Header(field) | crate::HashBy::Cookie(field)
            if http::HeaderName::from_bytes(field.as_bytes()).is_err() =>
        {
            Err(TableError::HashBy(name.to_owned()))
        }
        crate::HashBy::Address | crate::HashBy::Header(_) | crate::HashBy::Cookie(_) => Ok(()),
    }
}

fn check_route(route: &RouteConfig, config: &TableConfig) -> Result<(), TableError> {
    check_name(&route.name)?;
    if !route.path.starts_with('/') {
        return Err(TableError::Path { route: route.name.clone(), path: route.path.clone() });
    }
    let canary = route.canary.iter().map(|canary| &canary.pool);
    if let Some(pool) = route.pools.keys().chain(canary).find(|pool| !config.pools.contains_key(*pool)) {
        return Err(TableError::NoSuchPool { route: route.name.clone(), pool: pool.clone() });
    }
    if route.canary.as_ref().is_some_and(|canary| canary.percent.max(canary.failed_percent_max) > 100) {
        return Err(TableError::Canary(route.name.clone()));
    }
    if route.pools.values().all(|weight| *weight == 0) {
        return Err(TableError::Nowhere(route.name.clone()));
    }
    Ok(())
}

/// It labels time series and stands in addresses.
fn check_name(name: &str) -> Result<(), TableError> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(letter);
    fits.then_some(()).ok_or_else(|| TableError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[pools.a]\nupstreams = [{ address = \"a:1\" }]\n[pools.b]\nupstreams = [{ address = \"b:1\" }]\n\
                        [[routes]]\nname = \"all\"\npools = { a = 1 }\ncanary = { pool = \"b\", percent = 10 }\n";

    fn table(text: &str, before: Option<&Table>) -> Result<Table, TableError> {
        Table::new(toml::from_str(text).expect("it is a table"), before, 0)
    }

    #[test]
    fn a_bad_table_is_refused_with_what_is_wrong() {
        for (bad, said) in [
            ("[pools.a]\nupstreams = []", "no upstreams"),
            ("[pools.a]\nupstreams = [{ address = \"a\" }]", "not a host and a port"),
            ("[pools.A]\nupstreams = [{ address = \"a:1\" }]", "other letters"),
            ("[pools.a]\nupstreams = [{ address = \"a:1\" }, { address = \"a:1\" }]", "twice"),
            (
                "[pools.a]\nupstreams = [{ address = \"a:1\" }]\nhealth = { host = \"a b\" }",
                "host of the health check",
            ),
            ("[[routes]]\nname = \"r\"\npools = { a = 1 }", "which there is none of"),
            ("[[routes]]\nname = \"r\"\npools = {}", "nowhere"),
            ("[[routes]]\nname = \"r\"\npath = \"x\"\npools = {}", "slash"),
        ] {
            let error = table(bad, None).expect_err(bad).to_string();
            assert!(error.contains(said), "{error}");
        }
        let twice = format!("{GOOD}[[routes]]\nname = \"more\"\npools = {{ a = 1 }}");
        assert!(table(&twice, None).expect_err("both are for all").to_string().contains("path `/`"));
    }

    #[test]
    fn what_stays_the_same_keeps_its_state() {
        let first = table(GOOD, None).expect("it is good");
        let second = table(&GOOD.replace("b:1", "c:1"), Some(&first)).expect("it is good");
        assert!(Arc::ptr_eq(&first.pools["a"], &second.pools["a"]));
        assert!(!Arc::ptr_eq(&first.pools["b"], &second.pools["b"]));
        assert!(Arc::ptr_eq(&first.routes[0], &second.routes[0]));
    }

    #[test]
    fn a_canary_takes_its_share_until_it_falls() {
        let table = table(GOOD, None).expect("it is good");
        let to_canary = || {
            let drawn = (0..1000).filter_map(|dice| table.pool(&table.routes[0], 0, dice));
            drawn.filter(|drawn| *drawn.pool.name == *"b").count()
        };
        assert_eq!(to_canary(), 100);
        table.sweep(1_000);
        for _ in 0..40 {
            table.routes[0].standing.canary_answered(false);
        }
        table.sweep(2_000);
        assert_eq!(to_canary(), 0);
        table.routes[0].standing.try_again();
        assert_eq!(to_canary(), 100);
    }

    #[test]
    fn a_canary_that_is_away_is_stood_in_for_and_falls_by_what_is_passed_on() {
        let table = table(GOOD, None).expect("it is good");
        table.sweep(1_000);
        (0..10).for_each(|_| table.pools["b"].failed(0, 1_000, true));
        let drawn: Vec<_> = (0..1000).filter_map(|dice| table.pool(&table.routes[0], 2_000, dice)).collect();
        assert!(drawn.iter().all(|drawn| *drawn.pool.name == *"a"));
        let standing = &table.routes[0].standing;
        table.sweep(2_000);
        assert!(!standing.has_fallen(), "nothing was passed on yet");
        let missed = drawn.iter().filter(|drawn| drawn.for_canary);
        assert_eq!(missed.map(|_| standing.canary_answered(false)).count(), 100);
        table.sweep(3_000);
        assert!(standing.has_fallen());
    }

    #[test]
    fn who_has_a_share_and_is_away_is_stood_in_for() {
        let split = GOOD.replace(
            "pools = { a = 1 }\ncanary = { pool = \"b\", percent = 10 }",
            "pools = { a = 1, b = 1 }",
        );
        let table = table(&split, None).expect("it is good");
        let to_b = || {
            let drawn = (0..1000).filter_map(|dice| table.pool(&table.routes[0], 2_000, dice * 100));
            drawn.filter(|drawn| *drawn.pool.name == *"b").count()
        };
        assert_eq!(to_b(), 500);
        (0..10).for_each(|_| table.pools["b"].failed(0, 1_000, true));
        assert_eq!(to_b(), 0);
    }

    #[test]
    fn a_split_that_was_moved_stays_moved_while_the_route_is_shared_out_as_before() {
        let split = BTreeMap::from([("b".to_owned(), 1)]);
        let first = table(GOOD, None).expect("it is good");
        let moved = first.routes[0].standing.weights.load().moved(&split, 0, 0);
        first.routes[0].standing.weights.store(Arc::new(moved));
        let compressed = GOOD.replace("name = \"all\"", "name = \"all\"\ncompress = true");
        let second = table(&compressed, Some(&first)).expect("it is good");
        assert_eq!(second.routes[0].standing.weights.load().choose(0, 0), Some("b"));
        let other = GOOD.replace("a = 1 }", "a = 2 }");
        let third = table(&other, Some(&second)).expect("it is good");
        assert_eq!(third.routes[0].standing.weights.load().choose(0, 0), Some("a"), "it is said anew");
    }

    #[test]
    fn a_split_that_was_moved_stays_moved_when_a_pool_goes_that_it_has_left() {
        let with_c = format!("[pools.c]\nupstreams = [{{ address = \"c:1\" }}]\n{GOOD}");
        let first = table(&with_c, None).expect("it is good");
        let standing = &first.routes[0].standing;
        for pool in ["c", "b"] {
            let moved = standing.weights.load().moved(&BTreeMap::from([(pool.to_owned(), 1)]), 0, 0);
            standing.weights.store(Arc::new(moved));
        }
        let second = table(GOOD, Some(&first)).expect("it is good");
        assert_eq!(second.routes[0].standing.weights.load().choose(0, 0), Some("b"));
        let moved = standing.weights.load().moved(&BTreeMap::from([("c".to_owned(), 1)]), 0, 0);
        standing.weights.store(Arc::new(moved));
        let third = table(GOOD, Some(&second)).expect("it is good");
        assert_eq!(third.routes[0].standing.weights.load().choose(0, 0), Some("a"), "there is no c");
    }

    #[test]
    fn another_process_goes_on_with_what_was_moved_and_what_has_fallen() {
        let first = table(GOOD, None).expect("it is good");
        let (route, config) = (&first.routes[0], &first.routes[0].config);
        assert_eq!(route.standing.told(config, 0), None, "all is as it is configured");
        let split = BTreeMap::from([("b".to_owned(), 1)]);
        let moving = route.standing.weights.load().moved(&split, 1_000, 10_000);
        route.standing.weights.store(Arc::new(moving));
        let told = route.standing.told(config, 6_000).expect("there is something to tell");
        let told = serde_json::from_slice(&serde_json::to_vec(&told).expect("JSON")).expect("JSON");
        let second = table(GOOD, None).expect("it is good");
        let standing = &second.routes[0].standing;
        standing.go_on(&told, config, 100);
        let shares = |now_ms| standing.weights.load().at(now_ms)["b"];
        assert_eq!((shares(100), shares(2_600), shares(5_100)), (500_000, 750_000, 1_000_000));
        let other = table(&GOOD.replace("a = 1 }", "a = 2 }"), None).expect("it is good");
        other.routes[0].standing.go_on(&told, &other.routes[0].config, 100);
        assert_eq!(
            other.routes[0].standing.told(&other.routes[0].config, 100),
            None,
            "it is said anew there"
        );
    }
}
