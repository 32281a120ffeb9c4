//! The table that requests are looked up in: made whole from a configuration, and put in the place of the one before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

use crate::{
    Canary, HostPattern, HostPatternError, RouteConfig, RouteTable, SameRoute, TableConfig, UpstreamTlsError,
    Weights, pool::Pool,
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

/// One route, with the state of its split and its trial.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Arc<str>,
    pub(crate) config: RouteConfig,
    pub(crate) weights: ArcSwap<Weights>,
    canary: Mutex<Canary>,
    has_fallen: AtomicBool,
}

impl Table {
    /// A table of this configuration. What stays the same keeps its state from the table before.
    pub(crate) fn new(config: TableConfig, before: Option<&Self>) -> Result<Self, TableError> {
        let mut pools = BTreeMap::new();
        for (name, known) in &config.pools {
            check_pool(name, known)?;
            let same_region = before.filter(|before| before.config.region == config.region);
            let pool_before = before.and_then(|before| before.pools.get(name));
            let unchanged = pool_before.filter(|pool| same_region.is_some() && pool.config == *known);
            let pool = match unchanged {
                Some(pool) => pool.clone(),
                None => {
                    let pool_before = pool_before.map(|pool| &**pool);
                    let pool = Pool::new(name, known.clone(), &config.region, pool_before);
                    Arc::new(pool.map_err(|error| TableError::Tls { pool: name.clone(), error })?)
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
            let same = before.and_then(|before| before.routes.iter().find(|route| route.config == *known));
            routes.push(same.cloned().unwrap_or_else(|| Arc::new(Route::new(known.clone()))));
        }
        // A split may have been moved to a pool that is gone now.
        for route in &routes {
            let weights = route.weights.load();
            if weights.pools().any(|pool| !pools.contains_key(pool)) {
                route.weights.store(Arc::new(Weights::fixed(&route.config.pools)));
            }
        }
        Ok(Self { config, routes, pools, find })
    }

    pub(crate) fn route(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        self.find.find(host, path).map(|number| &self.routes[number])
    }

    /// The pool that takes a request of this route.
    pub(crate) fn pool(&self, route: &Route, now_ms: u64, dice: u64) -> Option<&Arc<Pool>> {
        if let Some(canary) = &route.config.canary
            && !route.has_fallen.load(Relaxed)
            && dice % 100 < u64::from(canary.percent)
        {
            return self.pools.get(&canary.pool);
        }
        self.pools.get(route.weights.load().choose(now_ms, dice / 100)?)
    }

    /// Looks after what changes with time.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for pool in self.pools.values() {
            pool.sweep(now_ms);
        }
        for route in &self.routes {
            let Some(config) = &route.config.canary else { continue };
            let Some(pool) = self.pools.get(&config.pool) else { continue };
            let (requests, failed) = pool.counts();
            let mut canary = route.canary.lock().unwrap_or_else(PoisonError::into_inner);
            if canary.look(now_ms / 1000, requests, failed, config) {
                route.has_fallen.store(true, Relaxed);
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
    fn new(config: RouteConfig) -> Self {
        Self {
            name: config.name.as_str().into(),
            weights: ArcSwap::from_pointee(Weights::fixed(&config.pools)),
            canary: Mutex::default(),
            has_fallen: AtomicBool::new(false),
            config,
        }
    }

    /// Has its trial been given up?
    pub(crate) fn has_fallen(&self) -> bool {
        self.has_fallen.load(Relaxed)
    }

    /// Tries the canary again, from nought.
    pub(crate) fn try_again(&self) {
        *self.canary.lock().unwrap_or_else(PoisonError::into_inner) = Canary::default();
        self.has_fallen.store(false, Relaxed);
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
        Table::new(toml::from_str(text).expect("it is a table"), before)
    }

    #[test]
    fn a_bad_table_is_refused_with_what_is_wrong() {
        for (bad, said) in [
            ("[pools.a]\nupstreams = []", "no upstreams"),
            ("[pools.a]\nupstreams = [{ address = \"a\" }]", "not a host and a port"),
            ("[pools.A]\nupstreams = [{ address = \"a:1\" }]", "other letters"),
            ("[pools.a]\nupstreams = [{ address = \"a:1\" }, { address = \"a:1\" }]", "twice"),
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
            let chosen = (0..1000).filter_map(|dice| table.pool(&table.routes[0], 0, dice));
            chosen.filter(|pool| *pool.name == *"b").count()
        };
        assert_eq!(to_canary(), 100);
        table.sweep(1_000);
        for _ in 0..40 {
            let (place, _in_flight) = table.pools["b"].choose(1_000, 0, 0, &[]).expect("it is there");
            table.pools["b"].failed(place, 1_000, false);
        }
        table.sweep(2_000);
        assert_eq!(to_canary(), 0);
        table.routes[0].try_again();
        assert_eq!(to_canary(), 100);
    }
}
