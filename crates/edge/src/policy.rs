//! What holds for every request that comes through: limits, clock, counters, and who is who.

use std::{net::IpAddr, sync::Arc};

use clock::Clock;
use http::Method;
use overload::Overload;

use crate::{
    Answer, EdgeConfig, Front, Identify, Traffic,
    budget::Budget,
    gate::{Gate, NotLetIn, OwnPlace},
};
use front::{Admitted, Seen, as_page, wants_page};

/// What every request of a port is measured by. Ports that share one share its connections too, so give
/// the operators' port one of its own: a flood on the public port must not lock them out.
#[derive(Debug, Clone)]
pub struct Edge(Arc<Policy>);

#[derive(Debug)]
struct Policy {
    config: EdgeConfig,
    clock: Clock,
    traffic: Traffic,
    identify: Identify,
    front: Front,
    gate: Gate,
    budget: Budget,
    overload: Option<Overload>,
}

impl Edge {
    /// With these limits, this clock, these counters, this rule of who is who, and behind this front.
    #[must_use]
    pub fn new(config: EdgeConfig, clock: Clock, traffic: Traffic, identify: Identify, front: Front) -> Self {
        Self::made(config, clock, traffic, identify, front, None)
    }

    /// The same, where more may come than can be served. Not for the operators' port, which must stay open then.
    #[must_use]
    pub fn with_overload(
        config: EdgeConfig,
        clock: Clock,
        traffic: Traffic,
        identify: Identify,
        front: Front,
        overload: Overload,
    ) -> Self {
        Self::made(config, clock, traffic, identify, front, Some(overload))
    }

    fn made(
        config: EdgeConfig,
        clock: Clock,
        traffic: Traffic,
        identify: Identify,
        front: Front,
        overload: Option<Overload>,
    ) -> Self {
        let gate = Gate::new(config.connections_max.get(), config.address_connections_max.get());
        let budget = Budget::new(config.bodies_bytes_max.get().into());
        Self(Arc::new(Policy { config, clock, traffic, identify, front, gate, budget, overload }))
    }

    pub(crate) fn config(&self) -> &EdgeConfig {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    pub(crate) fn identify(&self) -> &Identify {
        &self.0.identify
    }

    /// May this request go on? What is said to one that may not is counted.
    pub(crate) fn look(&self, seen: &Seen<'_>) -> Result<Admitted, Answer> {
        let looked = self.0.front.look(&self.0.identify, seen);
        if let Err(answer) = &looked {
            let method = Method::from_bytes(seen.method.as_bytes());
            self.0.traffic.count_refused(method.ok().as_ref(), answer.status);
        }
        looked.map_err(|answer| if wants_page(seen.fields) { as_page(answer) } else { answer })
    }

    /// Lets a connection in, unless its network is shut out or its address has enough of them. Proxies that are
    /// trusted have as many as they need, without a place of their own.
    pub(crate) fn let_in(&self, peer: Option<IpAddr>) -> Result<Option<OwnPlace>, NotLetIn> {
        let Some(peer) = peer.filter(|peer| !self.0.front.trusts(*peer)) else { return Ok(None) };
        let place = (!self.0.front.is_shut_to(peer)).then(|| self.0.gate.enter_from(peer)).flatten();
        if place.is_none() {
            self.0.front.count_refused_connection();
        }
        place.map(Some).ok_or(NotLetIn)
    }

    pub(crate) fn front(&self) -> &Front {
        &self.0.front
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn overload(&self) -> Option<&Overload> {
        self.0.overload.as_ref()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }
}
