//! What metrics say of pools and upstreams: read from their own counts whenever somebody asks.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, gauge::ConstGauge},
};
use telemetry::Metrics;

use crate::{
    Gateway,
    state::{PoolState, State, UpstreamState},
};

#[derive(Debug)]
struct Reading(Gateway);

impl Gateway {
    /// Registers its metrics.
    pub fn register(&self, metrics: &Metrics) {
        let reading = Box::new(Reading(self.clone()));
        metrics.register(|registry| registry.register_collector(reading));
    }
}

type OfUpstream = fn(&UpstreamState) -> u64;
type OfPool = fn(&PoolState) -> u64;

const OF_UPSTREAMS: [(&str, &str, MetricType, OfUpstream); 6] = [
    ("gateway_upstream_requests", "Requests sent", MetricType::Counter, |state| state.requests),
    ("gateway_upstream_failures", "Failures: 5xx or no answer", MetricType::Counter, |state| state.failed),
    ("gateway_upstream_ejections", "Times it was left alone", MetricType::Counter, |state| state.ejections),
    ("gateway_upstream_in_flight", "Requests in flight", MetricType::Gauge, |state| {
        u64::from(state.in_flight)
    }),
    ("gateway_upstream_up", "Whether its health checks go well", MetricType::Gauge, |state| {
        u64::from(state.well)
    }),
    ("gateway_upstream_ejected", "Whether it is left alone", MetricType::Gauge, |state| {
        u64::from(state.ejected_for_ms.is_some())
    }),
];

const OF_POOLS: [(&str, &str, MetricType, OfPool); 4] = [
    ("gateway_pool_retries", "Requests sent again", MetricType::Counter, |state| state.retries),
    ("gateway_pool_hedges", "Second attempts beside a slow first", MetricType::Counter, |state| state.hedges),
    ("gateway_pool_refused", "Requests nobody took", MetricType::Counter, |state| state.refused),
    ("gateway_pool_open", "Whether the breaker is open", MetricType::Gauge, |state| {
        u64::from(state.open_for_ms.is_some())
    }),
];

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let State { pools, routes, cache, .. } = self.0.state();
        for (name, help, kind, value) in [
            ("gateway_cache_hits", "Answers given again", MetricType::Counter, cache.hits),
            ("gateway_cache_misses", "Requests passed on", MetricType::Counter, cache.misses),
            ("gateway_cache_stale", "Answers given past their time", MetricType::Counter, cache.stale),
            ("gateway_cache_joined", "Requests that waited for another's", MetricType::Counter, cache.joined),
            ("gateway_cache_bytes", "Bytes of answers that are kept", MetricType::Gauge, cache.bytes),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            write(&mut family, &[("kind", "answer")], kind, value)?;
        }
        for (name, help, kind, read) in OF_UPSTREAMS {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for pool in &pools {
                for upstream in &pool.upstreams {
                    let labels = [("pool", pool.name.as_str()), ("upstream", upstream.address.as_str())];
                    write(&mut family, &labels, kind, read(upstream))?;
                }
            }
        }
        for (name, help, kind, read) in OF_POOLS {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for pool in &pools {
                write(&mut family, &[("pool", pool.name.as_str())], kind, read(pool))?;
            }
        }
        let help = "Whether a canary was given up";
        let mut family = encoder.encode_descriptor("gateway_canary_fallen", help, None, MetricType::Gauge)?;
        for route in &routes {
            let Some(canary) = &route.canary else { continue };
            let labels = [("route", route.name.as_str()), ("pool", canary.pool.as_str())];
            write(&mut family, &labels, MetricType::Gauge, u64::from(canary.fallen))?;
        }
        Ok(())
    }
}

fn write<const N: usize>(
    family: &mut prometheus_client::encoding::MetricEncoder<'_>,
    labels: &[(&str, &str); N],
    kind: MetricType,
    value: u64,
) -> Result<(), fmt::Error> {
    let encoder = family.encode_family(labels)?;
    if matches!(kind, MetricType::Counter) {
        let mut encoder = encoder;
        return encoder.encode_counter::<NoLabelSet, _, u64>(&value, None);
    }
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
}
