//! What this service counts, by the names that its users' dashboards have.

use telemetry::{
    EncodeLabelSet, Registry,
    instruments::{counter::Counter, family::Family, histogram::Histogram},
    seconds_buckets,
};

/// Votes, and how long they take.
#[derive(Debug, Clone)]
pub(crate) struct Instruments {
    pub(crate) submissions: Family<Ending, Counter>,
    pub(crate) processing: Histogram,
    pub(crate) checked: Family<Ending, Counter>,
    pub(crate) tokens: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Ending {
    pub(crate) outcome: &'static str,
}

impl Instruments {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self {
            submissions: Family::default(),
            processing: Histogram::new(seconds_buckets()),
            checked: Family::default(),
            tokens: Counter::default(),
        };
        registry.register(
            "vote_submissions",
            "Votes that were sent, by how that ended",
            this.submissions.clone(),
        );
        registry.register(
            "vote_processing_seconds",
            "From a vote's arrival until it was durable",
            this.processing.clone(),
        );
        registry.register("vote_checks", "Votes that were checked, by the verdict", this.checked.clone());
        registry.register("voting_tokens_issued", "Tokens that voters got", this.tokens.clone());
        this
    }

    pub(crate) fn submitted(&self, outcome: &'static str) {
        self.submissions.get_or_create(&Ending { outcome }).inc();
    }

    pub(crate) fn verdict(&self, outcome: &'static str, votes: u64) {
        self.checked.get_or_create(&Ending { outcome }).inc_by(votes);
    }
}
