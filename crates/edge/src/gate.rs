//! How many connections may be open at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// Counts places; shared by all threads, and asked once a connection.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    taken: Arc<AtomicU32>,
    max: u32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Gate {
    pub(crate) fn new(max: u32) -> Self {
        Self { taken: Arc::default(), max }
    }

    /// A place, if there is one left.
    pub(crate) fn enter(&self) -> Option<Place> {
        let place = Place(self.taken.clone());
        // Counted first and given back by the drop, so that two who come at once cannot both be last.
        (self.taken.fetch_add(1, Relaxed) < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let gate = Gate::new(1);
        let first = gate.enter().expect("there is one place");
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
    }
}
