//! How many connections there may be at once, over all of them and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use front::household;

/// Counts places; shared by all threads, and asked once a connection.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    taken: Arc<AtomicU32>,
    max: u32,
    households: Arc<Mutex<HashMap<u128, u32>>>,
    household_max: u32,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

/// One of an address's places, until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnPlace {
    households: Arc<Mutex<HashMap<u128, u32>>>,
    household: u128,
}

/// A connection that is closed unread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotLetIn;

impl Gate {
    pub(crate) fn new(max: u32, household_max: u32) -> Self {
        Self { taken: Arc::default(), max, households: Arc::default(), household_max }
    }

    /// A place, if there is one left.
    pub(crate) fn enter(&self) -> Option<Place> {
        let place = Place(self.taken.clone());
        // Counted first and given back by the drop, so that two who come at once cannot both be last.
        (self.taken.fetch_add(1, Relaxed) < self.max).then_some(place)
    }

    /// A place of those that callers from one address have, if there is one left.
    pub(crate) fn enter_from(&self, address: IpAddr) -> Option<OwnPlace> {
        let household = household(address);
        let mut households = self.households.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = households.entry(household).or_default();
        if *taken >= self.household_max {
            return None;
        }
        *taken += 1;
        drop(households);
        Some(OwnPlace { households: self.households.clone(), household })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Drop for OwnPlace {
    fn drop(&mut self) {
        let mut households = self.households.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = households.get_mut(&self.household) {
            *taken -= 1;
            if *taken == 0 {
                households.remove(&self.household);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().expect("there is one place");
        assert!(gate.enter().is_none());
        drop(first);
        assert!(gate.enter().is_some());
    }

    #[test]
    fn an_address_has_so_many_places_and_leaves_nothing_behind() {
        let gate = Gate::new(9, 2);
        let address = IpAddr::from([192, 0, 2, 7]);
        let first = gate.enter_from(address).expect("there are two");
        let _second = gate.enter_from(address).expect("there are two");
        assert!(gate.enter_from(address).is_none());
        assert!(gate.enter_from(IpAddr::from([192, 0, 2, 8])).is_some());
        drop(first);
        assert!(gate.enter_from(address).is_some());
        assert_eq!(gate.households.lock().expect("nobody panicked").len(), 1);
    }
}
