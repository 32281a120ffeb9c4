//! What holds for every request that comes through: limits, clock, counters, and who is who.

use std::{fmt, sync::Arc};

use authz::Actor;
use clock::Clock;
use http::HeaderMap;
use problem::Problem;

use crate::{EdgeConfig, Traffic, budget::Budget, gate::Gate};

/// Finds out who sent a request from its header fields, or says why it will not believe them. It runs
/// only for routes that ask ([`crate::Caller`]), on the thread that serves them: it must not block.
#[derive(Clone)]
pub struct Identify(Arc<Rule>);

type Rule = dyn Fn(&HeaderMap) -> Result<Actor, Problem> + Send + Sync;

impl Identify {
    /// By this rule.
    pub fn by(rule: impl Fn(&HeaderMap) -> Result<Actor, Problem> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Nobody says who they are.
    #[must_use]
    pub fn nobody() -> Self {
        Self::by(|_| Ok(Actor::ANONYMOUS))
    }

    /// Who sent a request with these header fields.
    ///
    /// # Errors
    /// When they say something that does not hold; the problem is what the caller is told.
    pub fn actor(&self, headers: &HeaderMap) -> Result<Actor, Problem> {
        (self.0)(headers)
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}

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
    gate: Gate,
    budget: Budget,
}

impl Edge {
    /// With these limits, this clock, these counters, and this rule of who is who.
    #[must_use]
    pub fn new(config: EdgeConfig, clock: Clock, traffic: Traffic, identify: Identify) -> Self {
        let gate = Gate::new(config.connections_max.get());
        let budget = Budget::new(config.bodies_bytes_max.get().into());
        Self(Arc::new(Policy { config, clock, traffic, identify, gate, budget }))
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

    pub(crate) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }
}
