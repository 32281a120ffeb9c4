//! What is told to metrics: read from the gates when somebody asks.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::{Class, Reason, gate::Standing, overload::Gates};

/// A gauge of each route.
type Read = fn(&Standing) -> f64;

const GAUGES: [(&str, &str, Read); 4] = [
    ("overload_limit", "Requests that may be worked on at once", |standing| standing.limit.into()),
    ("overload_in_flight", "Requests that are worked on", |standing| standing.in_flight.into()),
    ("overload_waiting", "Requests that wait for a place", |standing| standing.waiting.into()),
    ("overload_threshold", "Classes that are refused, from below", |standing| standing.threshold),
];

impl Collector for Gates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let routes = self.standings();
        for (name, help, read) in GAUGES {
            let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (route, standing) in &routes {
                gauge.encode_family(&[("route", &**route)])?.encode_gauge(&read(standing))?;
            }
        }
        let mut refused = encoder.encode_descriptor(
            "overload_refused",
            "Requests that were not worked on, by route, class and reason",
            None,
            MetricType::Counter,
        )?;
        for (route, standing) in &routes {
            for (class, reason) in
                Class::ALL.iter().flat_map(|class| Reason::ALL.map(|reason| (class, reason)))
            {
                let count = standing.totals.refused[class.place()][reason as usize];
                if count > 0 {
                    let labels = [("class", class.name()), ("reason", reason.name()), ("route", &**route)];
                    refused.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
        }
        Ok(())
    }
}
