//! The shell around a gate: requests that wait on a runtime, and places that give themselves back.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    Class, Gate, Reason, Ticket,
    config::duration,
    gate::{Ask, Entry, Outcome, Turn, Woken},
    overload::Gates,
};

/// One thread's way to the gate of one route.
#[derive(Debug)]
pub struct Door {
    gates: Arc<Gates>,
    gate: Arc<Gate<Waiting>>,
    seat: usize,
    class: Option<Class>,
    retry_after_s_max: NonZeroU16,
    lots: AtomicU32,
}

/// A request that has knocked.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    class: Class,
    deadline: u64,
}

/// Somebody who waits, as the gate knows them.
#[derive(Debug)]
pub(crate) struct Waiting {
    door: Arc<Door>,
    answer: oneshot::Sender<Result<Place, Reason>>,
}

/// A place at work. It is given back when it is dropped; say first how the work ended, or it counts as abandoned.
#[derive(Debug)]
pub struct Place {
    door: Arc<Door>,
    began: u64,
    outcome: Outcome,
}

/// Takes whoever waits out of the queue when their caller goes away.
struct InQueue<'d> {
    door: &'d Door,
    ticket: Option<Ticket>,
}

impl Door {
    pub(crate) const fn new(
        gates: Arc<Gates>,
        gate: Arc<Gate<Waiting>>,
        seat: usize,
        class: Option<Class>,
        retry_after_s_max: NonZeroU16,
    ) -> Self {
        Self { gates, gate, seat, class, retry_after_s_max, lots: AtomicU32::new(0) }
    }

    /// The class of everybody who comes through, if settings give the route one.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        self.class
    }

    /// Refuses a request if that can be said before more of it is read than its head. `time` is what its caller
    /// gives it.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn knock(&self, class: Class, retry: bool, time: Duration) -> Result<Request, Reason> {
        if self.gates.spares(class) {
            self.gate.turn_away(self.seat, class, Reason::Memory);
            return Err(Reason::Memory);
        }
        let now = self.gates.now();
        let deadline = now.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let mut woken = Woken::new();
        let lot = self.lot();
        let knocked = self.gate.knock(&self.ask(class, deadline, now), retry, lot, &mut woken);
        self.tell(woken);
        knocked.map(|()| Request { class, deadline })
    }

    /// Waits for a place, as long as may be.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn enter(self: &Arc<Self>, request: Request) -> Result<Place, Reason> {
        let now = self.gates.now();
        let mut answered = None;
        let mut woken = Woken::new();
        let waits = |_| {
            let (answer, receiver) = oneshot::channel();
            answered = Some(receiver);
            Waiting { door: self.clone(), answer }
        };
        let entry = self.gate.enter(&self.ask(request.class, request.deadline, now), waits, &mut woken);
        self.tell(woken);
        let (ticket, until) = match entry {
            Entry::Go => return Ok(Place::new(self.clone(), now)),
            Entry::Refused(reason) => return Err(reason),
            Entry::Wait(ticket, until) => (ticket, until),
        };
        let Some(mut answered) = answered else { return Err(Reason::QueueFull) };
        let mut in_queue = InQueue { door: self, ticket: Some(ticket) };
        let time = duration(until.saturating_sub(now));
        let told = match tokio::time::timeout(time, &mut answered).await {
            Ok(told) => told,
            Err(_) => {
                let late = request.deadline <= self.gates.now();
                let reason = if late { Reason::Deadline } else { Reason::WaitedTooLong };
                if self.gate.abandon(self.seat, ticket, Some(reason)) {
                    in_queue.ticket = None;
                    return Err(reason);
                }
                // It was just told, or is being told.
                answered.await
            }
        };
        in_queue.ticket = None;
        told.unwrap_or(Err(Reason::QueueFull))
    }

    /// After how long a refused caller may try again, in whole seconds, by chance.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let most = u32::from(self.retry_after_s_max.get());
        Duration::from_secs(u64::from(1 + self.draw() % most))
    }

    fn lot(&self) -> u8 {
        self.draw().to_le_bytes()[0]
    }

    /// The next of a series that is spread evenly however short a piece of it is looked at: multiples of the golden
    /// ratio.
    fn draw(&self) -> u32 {
        self.lots.fetch_add(1, Relaxed).wrapping_mul(0x9E37_79B9) >> 16
    }

    const fn ask(&self, class: Class, deadline: u64, now: u64) -> Ask {
        Ask { class, seat: self.seat, now, deadline }
    }

    /// Tells those whose waiting has ended. Who has gone meanwhile drops what they are told, and so gives back the
    /// place.
    fn tell(&self, woken: Woken<Waiting>) {
        for (Waiting { door, answer }, turn) in woken {
            let told = match turn {
                Turn::Go => Ok(Place::new(door, self.gates.now())),
                Turn::Refused(reason) => Err(reason),
            };
            drop(answer.send(told));
        }
    }
}

impl Place {
    const fn new(door: Arc<Door>, began: u64) -> Self {
        Self { door, began, outcome: Outcome::Abandoned }
    }

    /// The work has ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (door, mut woken) = (&self.door, Woken::new());
        let now = door.gates.now();
        door.gate.leave(door.seat, self.began, now, self.outcome, &mut woken);
        door.tell(woken);
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.door.gate.abandon(self.door.seat, ticket, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConcurrencyConfig, Overload, OverloadConfig};

    /// A port whose routes have one place each.
    fn with_one_place() -> Overload {
        let one = NonZeroU16::MIN;
        let concurrency =
            ConcurrencyConfig { initial: one, floor: one, ceiling: one, ..ConcurrencyConfig::default() };
        Overload::new(OverloadConfig { concurrency, ..OverloadConfig::default() })
    }

    fn knock(door: &Arc<Door>, class: Class) -> Request {
        door.knock(class, false, Duration::from_secs(60)).expect("nothing is known against it")
    }

    fn on_runtime<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(work)
    }

    #[test]
    fn a_place_given_back_goes_to_the_best_who_waits() {
        let overload = with_one_place();
        let door = overload.seat().door("/visits").expect("it has a gate");
        on_runtime(async {
            let first = door.enter(knock(&door, Class::Anonymous)).await.expect("there is one place");
            let crawler = door.enter(knock(&door, Class::Crawlers));
            let person = door.enter(knock(&door, Class::SignedIn));
            let end = async {
                // Both wait by now, because futures are begun in the order in which they are joined.
                first.end(Outcome::Answered);
            };
            let (crawler, person, ()) = tokio::join!(
                crawler,
                async {
                    let place = person.await;
                    assert_eq!(overload.state().routes[0].waiting, 1, "the crawler was served first");
                    drop(place);
                },
                end
            );
            let _ = (crawler, person);
        });
        assert_eq!((overload.state().routes[0].in_flight, overload.state().routes[0].waiting), (0, 0));
    }

    #[test]
    fn whoever_goes_away_leaves_the_queue_and_no_place_is_lost() {
        let overload = with_one_place();
        let door = overload.seat().door("/visits").expect("it has a gate");
        on_runtime(async {
            let first = door.enter(knock(&door, Class::Anonymous)).await.expect("there is one place");
            let gone = tokio::time::timeout(Duration::ZERO, door.enter(knock(&door, Class::Anonymous))).await;
            assert!(gone.is_err(), "it did not wait");
            assert_eq!(overload.state().routes[0].waiting, 0);
            drop(first);
            assert!(door.enter(knock(&door, Class::Anonymous)).await.is_ok());
        });
        assert_eq!(overload.state().routes[0].in_flight, 0);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let overload = with_one_place();
        let door = overload.seat().door("/visits").expect("it has a gate");
        on_runtime(async {
            let _first = door.enter(knock(&door, Class::Anonymous)).await.expect("there is one place");
            let hurried =
                door.knock(Class::SignedIn, false, Duration::from_millis(1)).expect("it has a moment");
            assert_eq!(door.enter(hurried).await.err(), Some(Reason::Deadline));
            let second = door.enter(knock(&door, Class::SignedIn)).await;
            assert_eq!(second.err(), Some(Reason::WaitedTooLong));
        });
    }

    #[test]
    fn operators_pass_when_all_places_are_taken() {
        let door = with_one_place().seat().door("/visits").expect("it has a gate");
        on_runtime(async {
            let _first = door.enter(knock(&door, Class::Anonymous)).await.expect("there is one place");
            assert!(door.enter(knock(&door, Class::Operators)).await.is_ok());
        });
    }

    #[test]
    fn refused_callers_are_spread_over_the_seconds() {
        let door = with_one_place().seat().door("/visits").expect("it has a gate");
        let mut counts = [0; 5];
        (0..4000).for_each(|_| counts[usize::try_from(door.retry_after().as_secs()).expect("a few")] += 1);
        assert_eq!(counts[0], 0);
        assert!(counts[1..].iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
