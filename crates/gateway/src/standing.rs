//! How a route stands: how its requests are split now, and how the trial of its canary goes. Changes of the table that leave
//! both alone keep it, and a process that goes on where another ends is told of it.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use crate::{Canary, CanaryConfig, RouteConfig, Weights, fault::Fault, trip::Arrived};

/// What a route knows beside its configuration.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) weights: ArcSwap<Weights>,
    /// Requests that were the canary's share, and those of them that it did not serve.
    tried: AtomicU64,
    failed: AtomicU64,
    canary: Mutex<Canary>,
    has_fallen: AtomicBool,
}

/// How routes stand that do not stand as they are configured, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct RoutesStanding(pub(crate) BTreeMap<String, Told>);

/// What operators did to a route, and what became of its trial, in words that another process understands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Told {
    /// Where it was configured so.
    pools: BTreeMap<String, u32>,
    canary: Option<CanaryConfig>,
    weights: Option<Moved>,
    has_fallen: bool,
}

/// A split that operators moved, or are moving still.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
struct Moved {
    from: BTreeMap<String, u32>,
    to: BTreeMap<String, u32>,
    left_ms: u64,
}

impl Standing {
    /// As it is configured.
    pub(crate) fn new(config: &RouteConfig) -> Self {
        Self {
            weights: ArcSwap::from_pointee(Weights::fixed(&config.pools)),
            tried: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            canary: Mutex::default(),
            has_fallen: AtomicBool::new(false),
        }
    }

    /// The canary answered a request of the route, or should have.
    pub(crate) fn canary_answered(&self, well: bool) {
        self.tried.fetch_add(1, Relaxed);
        self.failed.fetch_add(u64::from(!well), Relaxed);
    }

    /// What became of a request that the canary was sent. What its caller did wrong says nothing of it.
    pub(crate) fn tell(&self, arrived: &Result<Arrived, Fault>) {
        match arrived {
            Ok(arrived) => self.canary_answered(!arrived.head.status.is_server_error()),
            Err(fault) if fault.is_of_the_upstream() || matches!(fault, Fault::Nobody(_)) => {
                self.canary_answered(false);
            }
            Err(_) => {}
        }
    }

    /// Is the trial given up just now?
    pub(crate) fn falls(&self, now_ms: u64, config: &CanaryConfig) -> bool {
        let (tried, failed) = (self.tried.load(Relaxed), self.failed.load(Relaxed));
        let mut canary = self.canary.lock().unwrap_or_else(PoisonError::into_inner);
        let falls = canary.look(now_ms / 1000, tried, failed, config);
        self.has_fallen.fetch_or(falls, Relaxed);
        falls
    }

    /// Was the trial given up?
    pub(crate) fn has_fallen(&self) -> bool {
        self.has_fallen.load(Relaxed)
    }

    /// Tries the canary again, from nought.
    pub(crate) fn try_again(&self) {
        *self.canary.lock().unwrap_or_else(PoisonError::into_inner) = Canary::default();
        self.has_fallen.store(false, Relaxed);
    }

    /// What another process is to be told; nothing if all is as it is configured.
    pub(crate) fn told(&self, config: &RouteConfig, now_ms: u64) -> Option<Told> {
        let weights = self.weights.load();
        let moved = **weights != Weights::fixed(&config.pools);
        let weights = moved.then(|| {
            let (from, to, left_ms) = weights.rest(now_ms);
            Moved { from, to, left_ms }
        });
        let has_fallen = self.has_fallen();
        let (pools, canary) = (config.pools.clone(), config.canary.clone());
        (moved || has_fallen).then_some(Told { pools, canary, weights, has_fallen })
    }

    /// Goes on as another process told, unless the route was configured otherwise there.
    pub(crate) fn go_on(&self, told: &Told, config: &RouteConfig, now_ms: u64) {
        if told.pools != config.pools || told.canary != config.canary {
            return;
        }
        if let Some(Moved { from, to, left_ms }) = &told.weights {
            self.weights.store(Weights::fixed(from).moved(to, now_ms, *left_ms).into());
        }
        self.has_fallen.store(told.has_fallen, Relaxed);
    }
}
