//! Bodies of answers over HTTP/2 that wait for their caller to grant them room (RFC 9113, section 5.2): a caller who grants
//! none would keep them, and whatever is behind them, for ever.

/// Of one answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    /// What is to be sent next is being made.
    Making,
    /// It waits for room, since then, in milliseconds.
    Waiting(u64),
}

/// The bodies of one connection.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    places: Vec<Place>,
    /// When room was last granted to any, in milliseconds.
    taken_ms: u64,
}

/// For how long nothing was taken, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stalled {
    /// Of any body, while one waits.
    pub(super) all_ms: u64,
    /// Of the one that has waited longest.
    pub(super) longest_ms: u64,
}

impl Untaken {
    /// The place of another body. It waits from its head on.
    pub(super) fn enter(&mut self, now_ms: u64) -> usize {
        let place = self.places.iter().position(|place| *place == Place::Free).unwrap_or_else(|| {
            self.places.push(Place::Free);
            self.places.len() - 1
        });
        self.places[place] = Place::Waiting(now_ms);
        place
    }

    /// There was room: what comes next is made.
    pub(super) fn taken(&mut self, place: usize, now_ms: u64) {
        self.places[place] = Place::Making;
        self.taken_ms = now_ms;
    }

    /// Something was made.
    pub(super) fn waits(&mut self, place: usize, now_ms: u64) {
        self.places[place] = Place::Waiting(now_ms);
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.places[place] = Place::Free;
    }

    /// Nothing while none waits.
    pub(super) fn stalled(&self, now_ms: u64) -> Option<Stalled> {
        let since = |place: &Place| if let Place::Waiting(since) = place { Some(*since) } else { None };
        let first = self.places.iter().filter_map(since).min()?;
        let longest_ms = now_ms.saturating_sub(first);
        Some(Stalled { all_ms: longest_ms.min(now_ms.saturating_sub(self.taken_ms)), longest_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_made_waits_for_nobody() {
        let mut untaken = Untaken::default();
        assert_eq!(untaken.stalled(9), None);
        let place = untaken.enter(10);
        assert_eq!(untaken.stalled(15), Some(Stalled { all_ms: 5, longest_ms: 5 }));
        untaken.taken(place, 20);
        assert_eq!(untaken.stalled(90), None);
        untaken.waits(place, 90);
        assert_eq!(untaken.stalled(100), Some(Stalled { all_ms: 10, longest_ms: 10 }));
        untaken.leave(place);
        assert_eq!(untaken.stalled(200), None);
    }

    #[test]
    fn one_that_is_taken_speaks_for_the_connection_and_not_for_the_others() {
        let mut untaken = Untaken::default();
        let (first, second) = (untaken.enter(0), untaken.enter(50));
        assert_ne!(first, second);
        untaken.taken(second, 80);
        untaken.waits(second, 80);
        assert_eq!(untaken.stalled(100), Some(Stalled { all_ms: 20, longest_ms: 100 }));
        untaken.leave(first);
        assert_eq!(untaken.stalled(100), Some(Stalled { all_ms: 20, longest_ms: 20 }));
        assert_eq!(untaken.enter(100), first, "places are used again");
    }
}
