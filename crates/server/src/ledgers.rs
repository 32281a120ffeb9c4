//! The ledgers of all services, by name.

mod http;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use http::{description, routes};
use ledger::Ledger;

/// Every ledger that this process keeps.
#[derive(Debug, Clone)]
pub(crate) struct Ledgers(Arc<BTreeMap<String, Ledger>>);

impl Ledgers {
    pub(crate) fn new(ledgers: impl IntoIterator<Item = Ledger>) -> Self {
        Self(Arc::new(ledgers.into_iter().map(|ledger| (ledger.name().to_string(), ledger)).collect()))
    }

    /// The ledger of a service.
    pub(crate) fn of(&self, service: &str) -> Option<&Ledger> {
        self.0.get(service)
    }

    /// The first ledger whose last batch could not be written, by name.
    pub(crate) fn failing(&self) -> Option<&str> {
        self.0.values().find(|ledger| ledger.is_failing()).map(|ledger| &**ledger.name())
    }

    /// The first ledger that can take no commands, by name.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.0.values().find(|ledger| !ledger.is_running()).map(|ledger| &**ledger.name())
    }
}
