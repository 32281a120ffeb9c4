//! Those who wait for a place: a short line for each class, the best served first.
//!
//! A line that has been empty lately is fair: first come, first served, and everybody may wait an interval. One that
//! has not is overloaded: whoever came last is served first, because their caller is still there, and whoever has
//! waited longer than the target leaves when the next one comes (Facebook's CoDel with adaptive LIFO). Nobody is
//! sent away at the moment in which a place is free. Only the worst line in which somebody waits can be overloaded: the
//! others are served before it, and stand only while work is slow.

use std::collections::BTreeMap;

use crate::{Class, config::QueueConfig};

/// Where somebody waits, to be taken out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    class: Class,
    number: u64,
}

impl Ticket {
    pub(crate) const fn class(self) -> Class {
        self.class
    }
}

/// Somebody who waits.
#[derive(Debug)]
struct Waiter<W> {
    who: W,
    since: u64,
    deadline: u64,
}

/// The line of one class, by number.
#[derive(Debug)]
struct Line<W> {
    waiters: BTreeMap<u64, Waiter<W>>,
    /// Since when it has not been empty.
    standing_since: u64,
}

/// All lines of a route.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    lines: [Line<W>; Class::COUNT],
    next: u64,
    length: usize,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<W> {
    Go(W),
    /// Their caller has given up by now.
    Late(W, Class),
}

impl<W> Queue<W> {
    pub(crate) fn new() -> Self {
        let line = || Line { waiters: BTreeMap::new(), standing_since: 0 };
        Self { lines: std::array::from_fn(|_| line()), next: 0, length: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// The best class that waits.
    pub(crate) fn best(&self) -> Option<Class> {
        Class::ALL.into_iter().find(|class| !self.lines[class.place()].waiters.is_empty())
    }

    /// Lets somebody wait; `who` is made when it is known where.
    pub(crate) fn push(&mut self, class: Class, now: u64, deadline: u64, who: impl FnOnce(Ticket) -> W) {
        let ticket = Ticket { class, number: self.next };
        let line = &mut self.lines[class.place()];
        if line.waiters.is_empty() {
            line.standing_since = now;
        }
        line.waiters.insert(ticket.number, Waiter { who: who(ticket), since: now, deadline });
        self.next += 1;
        self.length += 1;
    }

    /// Takes out whose turn it is.
    pub(crate) fn pop(&mut self, config: &QueueConfig, now: u64) -> Option<Next<W>> {
        let class = self.best()?;
        let newest_first = self.stands(class.place(), config, now);
        let line = &mut self.lines[class.place()];
        let (_, waiter) = if newest_first { line.waiters.pop_last() } else { line.waiters.pop_first() }?;
        self.length -= 1;
        Some(if waiter.deadline <= now { Next::Late(waiter.who, class) } else { Next::Go(waiter.who) })
    }

    /// Takes out somebody who has waited too long, until there is nobody.
    pub(crate) fn sweep(&mut self, config: &QueueConfig, now: u64) -> Option<(W, Class)> {
        for class in Class::ALL {
            let stands = self.stands(class.place(), config, now);
            let patience = if stands { config.target_ns() } else { config.interval_ns() };
            // Lower numbers have waited longer.
            if let Some(oldest) = self.lines[class.place()].waiters.first_entry()
                && now.saturating_sub(oldest.get().since) > patience
            {
                self.length -= 1;
                return Some((oldest.remove().who, class));
            }
        }
        None
    }

    /// Takes out somebody of the worst class that waits, if it is worse than `class`.
    pub(crate) fn displace(&mut self, class: Class) -> Option<(W, Class)> {
        let worst = self.lines.iter().rposition(|line| !line.waiters.is_empty())?;
        if worst <= class.place() {
            return None;
        }
        let (_, waiter) = self.lines[worst].waiters.pop_first()?;
        self.length -= 1;
        Some((waiter.who, Class::ALL[worst]))
    }

    /// Is this line overloaded?
    fn stands(&self, line: usize, config: &QueueConfig, now: u64) -> bool {
        let is_worst = self.lines[line + 1..].iter().all(|worse| worse.waiters.is_empty());
        is_worst && now.saturating_sub(self.lines[line].standing_since) >= config.interval_ns()
    }

    /// Takes out who holds this ticket, if they still wait.
    pub(crate) fn abandon(&mut self, ticket: Ticket) -> Option<W> {
        let waiter = self.lines[ticket.class.place()].waiters.remove(&ticket.number)?;
        self.length -= 1;
        Some(waiter.who)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const NEVER: u64 = u64::MAX;

    /// A queue in which these wait, who came at these milliseconds.
    fn queue(waiters: &[(u32, Class, u64)]) -> Queue<u32> {
        let mut queue = Queue::new();
        for (who, class, at_ms) in waiters {
            queue.push(*class, at_ms * MS, NEVER, |_| *who);
        }
        queue
    }

    fn next(queue: &mut Queue<u32>, at_ms: u64) -> Option<Next<u32>> {
        queue.pop(&QueueConfig::default(), at_ms * MS)
    }

    #[test]
    fn a_short_line_is_first_come_first_served() {
        let mut queue = queue(&[(1, Class::Anonymous, 0), (2, Class::Anonymous, 1)]);
        assert_eq!(next(&mut queue, 50), Some(Next::Go(1)));
    }

    #[test]
    fn a_line_that_stands_serves_the_newest_first() {
        let mut queue = queue(&[(1, Class::Anonymous, 0), (2, Class::Anonymous, 99)]);
        assert_eq!(next(&mut queue, 100), Some(Next::Go(2)));
    }

    #[test]
    fn the_best_class_is_served_first_however_late_it_came() {
        let mut queue = queue(&[(1, Class::Crawlers, 0), (2, Class::Emergency, 1), (3, Class::SignedIn, 0)]);
        assert_eq!(next(&mut queue, 2), Some(Next::Go(2)));
        assert_eq!(next(&mut queue, 2), Some(Next::Go(3)));
    }

    #[test]
    fn whoever_waits_longer_than_the_target_leaves_a_line_that_stands() {
        let config = QueueConfig::default();
        let mut queue =
            queue(&[(1, Class::Anonymous, 0), (2, Class::Anonymous, 97), (3, Class::SignedIn, 90)]);
        assert_eq!(queue.sweep(&config, 99 * MS), None);
        assert_eq!(queue.sweep(&config, 100 * MS), Some((1, Class::Anonymous)));
        assert_eq!(queue.sweep(&config, 100 * MS), None);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn only_a_better_class_takes_the_place_of_another() {
        let mut queue = queue(&[(1, Class::Anonymous, 0), (2, Class::Crawlers, 1)]);
        assert_eq!(queue.displace(Class::Crawlers), None);
        assert_eq!(queue.displace(Class::SignedIn), Some((2, Class::Crawlers)));
        assert_eq!(queue.displace(Class::Anonymous), None);
    }

    #[test]
    fn whoever_would_be_answered_too_late_is_not_served() {
        let mut queue = Queue::new();
        queue.push(Class::Anonymous, 0, 10, |_| 1);
        assert_eq!(next(&mut queue, 1), Some(Next::Late(1, Class::Anonymous)));
    }

    proptest! {
        #[test]
        fn nobody_is_lost_or_told_twice(steps in prop::collection::vec((0_u8..6, 0_usize..5, 0_u8..30), 1..300)) {
            let config = QueueConfig::default();
            let (mut queue, mut tickets, mut told, mut now) = (Queue::new(), Vec::new(), Vec::new(), 0);
            for (step, class, passed_ms) in steps {
                now += u64::from(passed_ms) * MS;
                let class = Class::ALL[class];
                match step {
                    0..=2 => {
                        let who = tickets.len();
                        queue.push(class, now, NEVER, |ticket| { tickets.push(ticket); who });
                    }
                    3 => told.extend(queue.pop(&config, now).map(|next| match next {
                        Next::Go(who) | Next::Late(who, _) => who,
                    })),
                    4 => told.extend(queue.sweep(&config, now).map(|(who, _)| who)),
                    _ => told.extend(tickets.get(usize::from(passed_ms)).and_then(|ticket| queue.abandon(*ticket))),
                }
                prop_assert_eq!(queue.len() + told.len(), tickets.len());
            }
            told.sort_unstable();
            prop_assert!(told.windows(2).all(|two| two[0] != two[1]));
        }
    }
}
