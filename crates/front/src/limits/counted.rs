//! What one request is counted in on this node, all of it decided together.

use std::sync::Arc;

use arrayvec::ArrayVec;
use limiter::{Booking, Decision, Limiter, TOGETHER_MAX, Ticket, Verdict, decide_together};

use super::Rule;

/// One rule that a request falls under, and its place in what it is counted in.
pub(super) struct Counted<'a> {
    pub(super) rule: &'a Rule,
    pub(super) limiter: &'a Arc<Limiter>,
    pub(super) ticket: Ticket<'a>,
}

/// A request that this node let pass, where it may have to be given back.
#[derive(Debug)]
pub(super) struct Booked {
    limiter: Arc<Limiter>,
    booking: Booking,
}

/// Decides about all of them. Whoever has more than a rule that refuses them (`larger`) is counted in that instead, and
/// all is decided anew: else the other rules, which book nothing of a request that one refuses, would hold for everybody
/// but them.
pub(super) fn decide<'a>(
    counted: &mut ArrayVec<Counted<'a>, TOGETHER_MAX>,
    mut larger: impl FnMut(&'a Rule, &Arc<Limiter>) -> Option<Counted<'a>>,
    now: u64,
) -> ArrayVec<Decision, TOGETHER_MAX> {
    loop {
        let tickets = counted.iter().map(|counted| counted.ticket).collect();
        let decisions = decide_together(&tickets, 1, now);
        let mut replaced = false;
        for (counted, decision) in counted.iter_mut().zip(&decisions) {
            if matches!(decision.verdict, Verdict::Refuse { .. })
                && let Some(larger) = larger(counted.rule, counted.limiter)
            {
                *counted = larger;
                replaced = true;
            }
        }
        if !replaced {
            return decisions;
        }
        // They are locked in the order of their addresses.
        counted.sort_unstable_by_key(|counted| Arc::as_ptr(counted.limiter));
    }
}

impl Counted<'_> {
    pub(super) fn give_back(&self, now: u64) {
        self.limiter.give_back(&self.ticket.booking(now), now);
    }

    pub(super) fn booked(&self, now: u64) -> Booked {
        Booked { limiter: Arc::clone(self.limiter), booking: self.ticket.booking(now) }
    }
}

impl Booked {
    pub(super) fn give_back(&self, now: u64) {
        self.limiter.give_back(&self.booking, now);
    }
}
