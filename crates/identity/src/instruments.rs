//! What this service counts.

use telemetry::{
    EncodeLabelSet, Registry,
    instruments::{counter::Counter, family::Family, gauge::Gauge},
};

/// How attempts to sign in end, and how busy the service is.
#[derive(Debug, Clone)]
pub(crate) struct Instruments {
    pub(crate) sign_ins: Family<Ending, Counter>,
    pub(crate) passwords_waiting: Gauge,
    pub(crate) tokens_checked: Counter,
    pub(crate) sessions_revoked: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Ending {
    pub(crate) outcome: &'static str,
}

impl Instruments {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("identity");
        let this = Self {
            sign_ins: Family::default(),
            passwords_waiting: Gauge::default(),
            tokens_checked: Counter::default(),
            sessions_revoked: Gauge::default(),
        };
        registry.register("sign_ins", "Attempts to sign in, by how they ended", this.sign_ins.clone());
        registry.register(
            "passwords_waiting",
            "Passwords waiting to be hashed",
            this.passwords_waiting.clone(),
        );
        registry.register("tokens_checked", "Tokens checked in batches", this.tokens_checked.clone());
        registry.register(
            "sessions_revoked",
            "Sessions ended before their tokens expire",
            this.sessions_revoked.clone(),
        );
        this
    }

    pub(crate) fn signed_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&Ending { outcome }).inc();
    }
}
