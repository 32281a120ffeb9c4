//! Which refusals become an entry each, and which are told together: a flood of guesses must not become a
//! flood of entries.

use std::time::Duration;

use clock::Timestamp;
use hashbrown::HashMap;

use crate::refuse_sign_in::{Reason, RefuseSignIn, Whom};

/// Refusals of one kind that become entries of their own in each window; the rest is told in one.
const ALONE_MAX: u32 = 3;
const WINDOW: Duration = Duration::from_secs(10);
/// Kinds of refusals counted at once; beyond it they are counted together.
const KINDS_MAX: usize = 10_000;

/// Refusals of the last window.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kinds: HashMap<(Whom, Reason), Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    began: Timestamp,
    alone: u32,
    together: u32,
    since: Timestamp,
}

impl Refusals {
    /// Counts a refusal. The command to record it alone, if it is to be.
    pub(crate) fn count(&mut self, whom: Whom, reason: Reason, now: Timestamp) -> Option<RefuseSignIn> {
        let crowded = self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&(whom, reason));
        let whom = if crowded { Whom::Many } else { whom };
        let fresh = Counted { began: now, alone: 0, together: 0, since: now };
        let counted = self.kinds.entry((whom, reason)).or_insert(fresh);
        if counted.alone < ALONE_MAX && !crowded {
            counted.alone += 1;
            return Some(RefuseSignIn { whom, reason, attempts: 1, since: now });
        }
        if counted.together == 0 {
            counted.since = now;
        }
        counted.together = counted.together.saturating_add(1);
        None
    }

    /// What windows that have ended have to tell, and forgets them. With `all`, also those still open.
    pub(crate) fn tell(&mut self, now: Timestamp, all: bool) -> Vec<RefuseSignIn> {
        let mut told = Vec::new();
        self.kinds.retain(|(whom, reason), counted| {
            if !all && now.since(counted.began) < WINDOW {
                return true;
            }
            if counted.together > 0 {
                let Counted { together: attempts, since, .. } = *counted;
                told.push(RefuseSignIn { whom: *whom, reason: *reason, attempts, since });
            }
            false
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOM: Whom = Whom::Unknown([1; 8]);

    #[test]
    fn every_attempt_is_told_once_alone_or_together() {
        let mut refusals = Refusals::default();
        let alone =
            (0..1000).filter_map(|_| refusals.count(WHOM, Reason::UnknownName, Timestamp::EPOCH)).count();
        let told = refusals.tell(Timestamp::EPOCH.plus(WINDOW), false);
        assert_eq!((alone, told.len()), (3, 1));
        assert_eq!(told[0].attempts, 997);
        assert!(refusals.tell(Timestamp::MAX, true).is_empty());
    }

    #[test]
    fn a_window_that_has_not_ended_is_told_only_at_the_end() {
        let mut refusals = Refusals::default();
        (0..9).for_each(|_| _ = refusals.count(WHOM, Reason::WrongPassword, Timestamp::EPOCH));
        assert!(refusals.tell(Timestamp::EPOCH, false).is_empty());
        assert_eq!(refusals.tell(Timestamp::EPOCH, true).len(), 1);
    }

    #[test]
    fn more_names_than_can_be_told_apart_are_told_together() {
        let mut refusals = Refusals::default();
        let name = |number: u64| Whom::Unknown(number.to_be_bytes());
        for number in 0..20_000 {
            let _ = refusals.count(name(number), Reason::UnknownName, Timestamp::EPOCH);
        }
        let told = refusals.tell(Timestamp::MAX, true);
        assert_eq!(told.iter().map(|told| told.attempts).sum::<u32>(), 10_000);
        assert!(told.iter().all(|told| told.whom == Whom::Many));
    }
}
