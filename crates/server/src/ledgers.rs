//! The ledgers of all services, by name.

mod http;

use std::{collections::BTreeMap, sync::Arc};

use cache::{Cache, Fallback, FallbackConfig, Found};
pub(crate) use http::{description, routes};
use ledger::{Ledger, LogError, ProvenEntry, merkle::Hash};

/// Every ledger that this process keeps.
#[derive(Debug, Clone)]
pub(crate) struct Ledgers(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    ledgers: BTreeMap<String, Ledger>,
    /// What was proven lately, for when the database is away. A proof stays true for ever: that its
    /// checkpoint is not the newest any more is all that can be wrong with it.
    proven: Fallback<ProvenEntry>,
    consistent: Fallback<Vec<Hash>>,
}

impl Ledgers {
    pub(crate) fn new(ledgers: impl IntoIterator<Item = Ledger>, cache: &Cache) -> Self {
        let ledgers = ledgers.into_iter().map(|ledger| (ledger.name().to_string(), ledger)).collect();
        let config = FallbackConfig::default();
        let proven = Fallback::new(cache, "receipts", config);
        Self(Arc::new(Kept { ledgers, proven, consistent: Fallback::new(cache, "consistency", config) }))
    }

    /// An entry with its proof, without what is erasable.
    async fn proven(&self, ledger: &Ledger, index: u64) -> Result<Found<ProvenEntry>, LogError> {
        let reading = async {
            let mut proven = ledger.proven(index).await?;
            proven.entry.erasable = None;
            Ok(proven)
        };
        let bytes = |proven: &ProvenEntry| {
            let entry = &proven.entry;
            size_of_val(proven) + entry.body.len() + entry.actor.len() + size_of_val(&*proven.proof)
        };
        let key = format!("{}/{index}", ledger.name());
        self.0.proven.read(&key, &[], reading, bytes, is_away).await
    }

    /// The proof that one size of a ledger continues another.
    async fn consistency(&self, ledger: &Ledger, from: u64, to: u64) -> Result<Found<Vec<Hash>>, LogError> {
        let key = format!("{}/{from}/{to}", ledger.name());
        let bytes = |proof: &Vec<Hash>| size_of_val(&**proof);
        self.0.consistent.read(&key, &[], ledger.consistency(from, to), bytes, is_away).await
    }

    /// The ledger of a service.
    pub(crate) fn of(&self, service: &str) -> Option<&Ledger> {
        self.0.ledgers.get(service)
    }

    /// The first ledger whose last batch could not be written, by name.
    pub(crate) fn failing(&self) -> Option<&str> {
        self.0.ledgers.values().find(|ledger| ledger.is_failing()).map(|ledger| &**ledger.name())
    }

    /// The first ledger that can take no commands, by name.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.0.ledgers.values().find(|ledger| !ledger.is_running()).map(|ledger| &**ledger.name())
    }
}

fn is_away(error: &LogError) -> bool {
    match error {
        LogError::Store(error) => error.is_away(),
        LogError::NoSuchEntry { .. }
        | LogError::NotCovered { .. }
        | LogError::NoSuchSize { .. }
        | LogError::Tree(_) => false,
    }
}
