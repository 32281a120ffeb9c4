//! Runs of rows whose keys begin alike, loaded whole together with a batch's other rows: a command that scans
//! one of them asks nobody.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::{cell::Cell, row::RowKey, tx::Scan};

/// The runs of one table that a batch wants, and those it has. Each is named by the encoding of the first
/// column that its keys share.
pub(crate) struct Ranges<K> {
    /// How each begins, and how many rows it may have.
    wanted: BTreeMap<Vec<u8>, (Cell<'static>, usize)>,
    /// Keys of all rows of a run, and of those that were deleted from it.
    known: HashMap<Vec<u8>, Vec<K>>,
}

impl<K> Default for Ranges<K> {
    fn default() -> Self {
        Self { wanted: BTreeMap::new(), known: HashMap::new() }
    }
}

impl<K: RowKey> Ranges<K> {
    pub(crate) fn want(&mut self, first: Cell<'static>, rows_max: usize) {
        let (_, most) = self.wanted.entry(name(&first)).or_insert((first, rows_max));
        *most = rows_max.max(*most);
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// How the wanted ones begin.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = Cell<'static>> {
        self.wanted.values().map(|(first, _)| first.clone())
    }

    /// How many rows of each to ask for: one more than any may have, so that whoever gets fewer has all.
    pub(crate) fn limit(&self) -> usize {
        self.wanted.values().map(|(_, rows_max)| rows_max + 1).max().unwrap_or_default()
    }

    /// Takes the keys that were found for the wanted ones, and those that the batch has changed already.
    pub(crate) fn take(&mut self, found: Vec<K>, changed: &[K]) {
        let limit = self.limit();
        let mut runs: HashMap<Vec<u8>, Vec<K>> = HashMap::new();
        for key in found {
            runs.entry(name_of(&key)).or_default().push(key);
        }
        for (name, _) in std::mem::take(&mut self.wanted) {
            let keys = runs.remove(&name).unwrap_or_default();
            // One that has more than it may is scanned as if nobody had wanted it.
            if keys.len() < limit {
                self.known.insert(name, keys);
            }
        }
        changed.iter().for_each(|key| self.note(key));
    }

    /// A row with this key is there now, or is not any more.
    pub(crate) fn note(&mut self, key: &K) {
        if self.known.is_empty() {
            return;
        }
        if let Some(keys) = self.known.get_mut(&name_of(key)).filter(|keys| !keys.contains(key)) {
            keys.push(key.clone());
        }
    }

    /// The keys that a scan looks at, if they are known.
    pub(crate) fn of(&self, scan: &Scan<'_>) -> Option<&[K]> {
        match (scan.prefix.as_slice(), &scan.below) {
            ([first], None) => self.known.get(&name(first)).map(Vec::as_slice),
            _ => None,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.wanted.clear();
        self.known.clear();
    }
}

fn name_of(key: &impl RowKey) -> Vec<u8> {
    key.cells().first().map(name).unwrap_or_default()
}

fn name(first: &Cell<'_>) -> Vec<u8> {
    let mut name = Vec::new();
    first.encode(&mut |bytes| name.extend_from_slice(bytes));
    name
}
