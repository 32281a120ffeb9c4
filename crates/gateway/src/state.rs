//! How everything stands, for operators.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use httpcache::CacheState;
use serde::Serialize;

use crate::{
    Balance, Gateway,
    gateway::millis,
    pool::{Member, Pool},
    table::Route,
};

/// The whole gateway, as it is now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub region: String,
    /// Requests that no route is for.
    pub refused: u64,
    pub cache: CacheState,
    pub pools: Vec<PoolState>,
    pub routes: Vec<RouteState>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolState {
    pub name: String,
    pub balance: Balance,
    /// For how long the breaker still lets nobody through; absent while it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for_ms: Option<u64>,
    pub retries: u64,
    pub hedges: u64,
    /// Requests that no upstream took.
    pub refused: u64,
    pub upstreams: Vec<UpstreamState>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamState {
    pub address: String,
    pub region: String,
    pub weight: u32,
    /// By its answers to health checks.
    pub well: bool,
    /// What the last of them found wrong; absent if it found nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// For how long it is still left alone; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected_for_ms: Option<u64>,
    pub ejections: u64,
    pub in_flight: u32,
    pub requests: u64,
    pub failed: u64,
    /// What an answer costs lately; only measured where it decides.
    pub cost_us: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteState {
    pub name: String,
    pub hosts: Vec<String>,
    pub path: String,
    pub weights: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryState>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryState {
    pub pool: String,
    pub percent: u32,
    /// Too much failed there, and it gets nothing any more.
    pub fallen: bool,
}

impl Gateway {
    /// How everything stands.
    #[must_use]
    pub fn state(&self) -> State {
        let (table, now_ms) = (self.table(), self.now_ms());
        State {
            region: table.config.region.clone(),
            refused: self.refused(),
            cache: self.cache().state(),
            pools: table.pools.values().map(|pool| pool_state(pool, now_ms)).collect(),
            routes: table.routes.iter().map(|route| route_state(route, now_ms)).collect(),
        }
    }
}

fn pool_state(pool: &Pool, now_ms: u64) -> PoolState {
    PoolState {
        name: (*pool.name).to_owned(),
        balance: pool.config.balance,
        open_for_ms: pool.open_for(now_ms).map(millis),
        retries: pool.retries.load(Relaxed),
        hedges: pool.hedges.load(Relaxed),
        refused: pool.refused.load(Relaxed),
        upstreams: pool.members.iter().map(|member| upstream_state(member, now_ms)).collect(),
    }
}

fn upstream_state(member: &Member, now_ms: u64) -> UpstreamState {
    let upstream = &member.upstream;
    UpstreamState {
        address: (*upstream.address).to_owned(),
        region: (*member.region).to_owned(),
        weight: member.weight,
        well: upstream.is_well(),
        why_not: upstream.why_not(),
        ejected_for_ms: upstream.ejected_for_ms(now_ms),
        ejections: upstream.ejections(),
        in_flight: upstream.in_flight(),
        requests: upstream.requests(),
        failed: upstream.failed(),
        cost_us: upstream.cost_us(now_ms),
    }
}

fn route_state(route: &Route, now_ms: u64) -> RouteState {
    let weights = route.standing.weights.load();
    let canary = route.config.canary.as_ref().map(|canary| CanaryState {
        pool: canary.pool.clone(),
        percent: canary.percent,
        fallen: route.standing.has_fallen(),
    });
    RouteState {
        name: route.config.name.clone(),
        hosts: route.config.hosts.clone(),
        path: route.config.path.clone(),
        weights: weights.at(now_ms).into_iter().map(|(pool, weight)| (pool.to_owned(), weight)).collect(),
        canary,
    }
}
