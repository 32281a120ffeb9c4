//! What is counted of requests that were not let in.

use telemetry::{
    EncodeLabelSet, Metrics, Registry,
    instruments::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Instruments {
    refused: Family<RuleLabel, Counter>,
    crowded: Family<RuleLabel, Gauge>,
    pub(crate) given_permille: Gauge,
    pub(crate) processors_busy_permille: Gauge,
    pub(crate) blocks: Gauge,
    pub(crate) attack: Gauge,
    pub(crate) challenged: Counter,
    pub(crate) requests_blocked: Counter,
    pub(crate) cross_site: Counter,
    signatures: Family<OutcomeLabel, Counter>,
    pub(crate) signatures_remembered: Gauge,
    pub(crate) connections_refused: Counter,
    pub(crate) connections_flooded: Counter,
    attacks_seen: Family<AttackLabel, Counter>,
    bodies_beyond: Family<BoundLabel, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabel {
    rule: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttackLabel {
    class: &'static str,
    refused: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BoundLabel {
    bound: &'static str,
    refused: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

const fn said(refused: bool) -> &'static str {
    if refused { "true" } else { "false" }
}

impl Instruments {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let this = Self::default();
        this.given_permille.set(limiter::WHOLE_PERMILLE.into());
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("front");
            registry.register("limits_refused", "Requests beyond a limit", this.refused.clone());
            registry.register(
                "limits_crowded",
                "Decisions about newcomers that shared one place, as the table of keys was full",
                this.crowded.clone(),
            );
            registry.register(
                "limits_given_permille",
                "How much of each limit is given at present, in thousandths",
                this.given_permille.clone(),
            );
            registry.register(
                "processors_busy_permille",
                "How busy the processors are, whoever keeps them so: the machine's, or those that the process is given",
                this.processors_busy_permille.clone(),
            );
            registry.register(
                "attack",
                "Is whoever is not known asked for a proof (1)?",
                this.attack.clone(),
            );
            registry.register(
                "challenged",
                "Requests that were answered with a puzzle",
                this.challenged.clone(),
            );
            registry.register("blocks", "Networks that are blocked for a while", this.blocks.clone());
            registry.register(
                "requests_blocked",
                "Requests from networks that are blocked",
                this.requests_blocked.clone(),
            );
            registry.register(
                "cross_site_refused",
                "Requests for a change that another site's page made a browser send",
                this.cross_site.clone(),
            );
            registry.register(
                "signatures",
                "Requests that were signed, by what became of the signature",
                this.signatures.clone(),
            );
            registry.register(
                "signatures_remembered",
                "Signatures that are remembered, so that they count once",
                this.signatures_remembered.clone(),
            );
            registry.register(
                "connections_refused",
                "Connections that were closed unread: from blocked networks, or too many from one address",
                this.connections_refused.clone(),
            );
            registry.register(
                "connections_flooded",
                "Connections that were ended because their callers flooded them",
                this.connections_flooded.clone(),
            );
            this.register_inspected(registry);
        });
        this
    }

    fn register_inspected(&self, registry: &mut Registry) {
        registry.register(
            "attacks_seen",
            "Requests that carried an attack, by its class",
            self.attacks_seen.clone(),
        );
        registry.register(
            "bodies_beyond",
            "Bodies of which there was more than is inspected, by the bound",
            self.bodies_beyond.clone(),
        );
    }

    pub(crate) fn attack_seen(&self, class: &'static str, refused: bool) {
        let refused = said(refused);
        self.attacks_seen.get_or_create_owned(&AttackLabel { class, refused }).inc();
    }

    pub(crate) fn body_beyond(&self, bound: &'static str, refused: bool) {
        let refused = said(refused);
        self.bodies_beyond.get_or_create_owned(&BoundLabel { bound, refused }).inc();
    }

    /// Counts a signature; the outcomes are a closed set.
    pub(crate) fn signed(&self, outcome: &'static str) {
        self.signatures.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn refused(&self, rule: &str) -> Counter {
        self.refused.get_or_create_owned(&RuleLabel { rule: rule.to_owned() })
    }

    pub(crate) fn crowded(&self, rule: &str) -> Gauge {
        self.crowded.get_or_create_owned(&RuleLabel { rule: rule.to_owned() })
    }
}
