//! Tags that were dropped here and not yet in Redis. Until they are, what Redis has of them is not believed.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::tag::Tag;

/// No larger than there are different tags, however long Redis is away.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    debts: Mutex<Debts>,
    pub(crate) grown: Notify,
}

#[derive(Debug, Default)]
struct Debts {
    next: u64,
    by_tag: HashMap<Tag, u64>,
}

/// Some of what is owed, as it was at one time.
pub(crate) type Due = Vec<(Tag, u64)>;

impl Owed {
    fn lock(&self) -> MutexGuard<'_, Debts> {
        self.debts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn owe(&self, tags: &[Tag]) {
        let mut debts = self.lock();
        for tag in tags {
            debts.next += 1;
            let number = debts.next;
            debts.by_tag.insert(*tag, number);
        }
        drop(debts);
        self.grown.notify_one();
    }

    pub(crate) fn owes(&self, tags: &[Tag]) -> bool {
        let debts = self.lock();
        !debts.by_tag.is_empty() && tags.iter().any(|tag| debts.by_tag.contains_key(tag))
    }

    pub(crate) fn due(&self, max: usize) -> Due {
        self.lock().by_tag.iter().take(max).map(|(tag, number)| (*tag, *number)).collect()
    }

    /// What was owed again meanwhile stays.
    pub(crate) fn paid(&self, due: &Due) {
        let mut debts = self.lock();
        for (tag, number) in due {
            if debts.by_tag.get(tag) == Some(number) {
                debts.by_tag.remove(tag);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_again_while_it_is_paid_stays_owed() {
        let (owed, ada, ben) = (Owed::default(), Tag::of("ada"), Tag::of("ben"));
        owed.owe(&[ada, ben]);
        let due = owed.due(10);
        owed.owe(&[ada]);
        owed.paid(&due);
        assert!(owed.owes(&[ben, ada]));
        assert!(!owed.owes(&[ben]));
    }
}
