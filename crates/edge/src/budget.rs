//! How much memory the bodies that are arriving may take together, over all connections.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes that may be taken; shared by all threads.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    taken: Arc<AtomicU64>,
    max: u64,
}

/// What one body has taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Self {
        Self { taken: Arc::default(), max }
    }
}

impl Share {
    /// Nothing yet.
    pub(crate) const fn new(budget: Budget) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Takes so much more, if there is so much left.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        // Counted first and given back by the drop, so that two who come at once cannot both be last.
        self.bytes += bytes;
        self.budget.taken.fetch_add(bytes, Relaxed) + bytes <= self.budget.max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_body_has_taken_another_cannot_until_it_is_given_back() {
        let budget = Budget::new(10);
        let (mut first, mut second) = (Share::new(budget.clone()), Share::new(budget));
        assert!(first.take(4) && first.take(4));
        assert!(!second.take(4));
        drop(second);
        assert!(first.take(2));
    }
}
