//! Which refusals become an entry each, and which are told together: a flood of guesses must not become a
//! flood of entries.

use std::time::Duration;

use clock::Timestamp;
use hashbrown::HashMap;

use crate::refuse_sign_in::{Reason, RefuseSignIn, Whom};

/// Refusals of one kind that become entries of their own in each window; the rest is told in one.
const ALONE_MAX: u32 = 3;
/// Refusals of all kinds that become entries of their own in each window.
const ALONE_IN_ALL_MAX: u32 = 100;
/// Kinds that are told by themselves at the end of a window; those of which there were fewest go together.
const TOLD_MAX: usize = 100;
const WINDOW: Duration = Duration::from_secs(10);
/// Kinds of refusals counted at once; beyond it they are counted together.
const KINDS_MAX: usize = 10_000;

/// Refusals of the last window.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kinds: HashMap<(Whom, Reason), Counted>,
    window_began: Timestamp,
    alone_in_window: u32,
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
        if now.since(self.window_began) >= WINDOW {
            (self.window_began, self.alone_in_window) = (now, 0);
        }
        // Whoever is refused without a look at their proof costs nothing, and may come by the thousand.
        let may_be_alone = reason != Reason::TooManyAttempts && self.alone_in_window < ALONE_IN_ALL_MAX;
        let crowded = self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&(whom, reason));
        let whom = if crowded { Whom::Many } else { whom };
        let fresh = Counted { began: now, alone: 0, together: 0, since: now };
        let counted = self.kinds.entry((whom, reason)).or_insert(fresh);
        if counted.alone < ALONE_MAX && !crowded && may_be_alone {
            counted.alone += 1;
            self.alone_in_window += 1;
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
        told.sort_by_key(|told| std::cmp::Reverse(told.attempts));
        let rest = told.split_off(told.len().min(TOLD_MAX));
        told.extend(together(rest));
        told
    }
}

/// One for each reason in the place of many.
fn together(refusals: Vec<RefuseSignIn>) -> impl Iterator<Item = RefuseSignIn> {
    let mut by_reason = HashMap::new();
    for RefuseSignIn { reason, attempts, since, .. } in refusals {
        let many =
            by_reason.entry(reason).or_insert(RefuseSignIn { whom: Whom::Many, reason, attempts: 0, since });
        many.attempts = many.attempts.saturating_add(attempts);
        many.since = many.since.min(since);
    }
    by_reason.into_values()
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
    fn a_flood_of_names_is_a_few_entries_that_tell_of_all_of_them() {
        let mut refusals = Refusals::default();
        let name = |number: u64| Whom::Unknown(number.to_be_bytes());
        let mut count = |number| refusals.count(name(number), Reason::UnknownName, Timestamp::EPOCH);
        let alone = (0..20_000).filter_map(&mut count).count();
        let told = refusals.tell(Timestamp::MAX, true);
        let attempts: u32 = told.iter().map(|told| told.attempts).sum();
        assert_eq!((alone, attempts), (100, 19_900));
        assert!(told.len() <= TOLD_MAX + 1, "{} entries", told.len());
    }

    #[test]
    fn whoever_was_not_even_looked_at_is_never_told_alone() {
        let mut refusals = Refusals::default();
        assert!(refusals.count(WHOM, Reason::TooManyAttempts, Timestamp::EPOCH).is_none());
        assert_eq!(refusals.tell(Timestamp::MAX, true).len(), 1);
    }
}
