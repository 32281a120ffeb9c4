//! The gate of one route: who begins at once, who waits, who is refused.
//!
//! It knows no clock and no runtime: times are arguments, nanoseconds from any one moment that all calls share,
//! and those who wait are of any type. So a simulation and a server run the same code.
//!
//! **A request that neither waits nor is refused takes no lock.** It changes one number that all threads share,
//! the requests at work: places could be dealt out to threads only by refusing on one while another is idle.
//! Everything else is counted by each thread on its own shelf, and added up fifty times a second by whoever comes
//! then.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{
    Class, OverloadConfig, Reason, RetryBudget, RetryConfig,
    config::{ConcurrencyConfig, QueueConfig, duration, nanos},
    limit::{Limit, Seen},
    queue::{Next, Queue, Ticket},
    shelf::{Shelf, Totals},
    threshold::{self, Step, Threshold},
};

/// How often what threads counted is added up.
const STEP_NS: u64 = nanos(20);

/// A request at the gate.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    pub class: Class,
    /// Which thread's shelf counts it.
    pub seat: usize,
    pub now: u64,
    /// When its caller gives up.
    pub deadline: u64,
}

/// What became of a request that entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It has a place. Give it back with [`Gate::leave`].
    Go,
    /// It waits under this ticket, and is told before this time, or is to be taken out then.
    Wait(Ticket, u64),
    Refused(Reason),
}

/// What somebody who waited is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Go,
    Refused(Reason),
}

/// Those whose waiting has ended, to be told once no lock is held.
pub type Woken<W> = Vec<(W, Turn)>;

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer that took the work which the route is for.
    Answered,
    /// With one that says nothing of how long that takes, such as a refusal.
    Uncounted,
    /// Nobody waited for its end.
    Abandoned,
}

/// How a route stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) in_flight: u32,
    pub(crate) waiting: u32,
    /// Classes refused, from below.
    pub(crate) threshold: f64,
    pub(crate) least: Option<Duration>,
    pub(crate) present: Duration,
    pub(crate) totals: Totals,
}

/// The two numbers that all threads write, on a line of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shared {
    in_flight: AtomicU32,
    waiting: AtomicU32,
}

/// A route's gate.
#[derive(Debug)]
pub struct Gate<W> {
    shared: Shared,
    limit: AtomicU32,
    /// The same for those who stand back in a probe.
    probe_limit: AtomicU32,
    level: AtomicU32,
    retries_left: AtomicU32,
    next_step: AtomicU64,
    probe_counts_from: AtomicU64,
    present_ns: AtomicU64,
    shelves: Box<[Shelf]>,
    core: Mutex<Core<W>>,
}

/// What is looked at only by those who wait, and now and then.
#[derive(Debug)]
struct Core<W> {
    tuning: Tuning,
    queue: Queue<W>,
    limit: Limit,
    threshold: Threshold,
    budget: RetryBudget,
    binds: bool,
    /// Places given back while more were at work than the limit.
    given_back: u32,
    stepped: Totals,
    stepped_at: u64,
    /// The totals when the last window ended.
    windowed: Totals,
    windowed_at: u64,
}

/// What a gate needs of the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    concurrency: ConcurrencyConfig,
    queue: QueueConfig,
    retries: RetryConfig,
    memory_ns: u64,
}

impl From<&OverloadConfig> for Tuning {
    fn from(config: &OverloadConfig) -> Self {
        Self {
            concurrency: config.concurrency,
            queue: config.queue,
            retries: config.retries,
            memory_ns: nanos(config.threshold_memory_ms.get().into()),
        }
    }
}

impl<W> Gate<W> {
    /// One that so many threads use.
    #[must_use]
    pub fn new(tuning: Tuning, threads: usize, now: u64) -> Self {
        let limit = Limit::new(&tuning.concurrency);
        let budget = RetryBudget::new(&tuning.retries);
        Self {
            shared: Shared::default(),
            limit: AtomicU32::new(limit.value(&tuning.concurrency)),
            probe_limit: AtomicU32::new(limit.probe_value(&tuning.concurrency)),
            level: AtomicU32::new(0),
            retries_left: AtomicU32::new(budget.left()),
            next_step: AtomicU64::new(now.saturating_add(STEP_NS)),
            probe_counts_from: AtomicU64::new(u64::MAX),
            present_ns: AtomicU64::new(0),
            shelves: (0..threads.max(1)).map(|_| Shelf::default()).collect(),
            core: Mutex::new(Core {
                tuning,
                queue: Queue::new(),
                limit,
                threshold: Threshold::default(),
                budget,
                binds: false,
                given_back: 0,
                stepped: Totals::default(),
                stepped_at: now,
                windowed: Totals::default(),
                windowed_at: now,
            }),
        }
    }

    /// Goes on with other settings.
    pub fn set(&self, tuning: Tuning) {
        self.lock().tuning = tuning;
    }

    /// Counts a request, and refuses it if it can be said already, before any of it is read but its head. `lot` is
    /// drawn evenly; it says whom of a class the threshold refuses.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn knock(&self, ask: &Ask, retry: bool, lot: u8, woken: &mut Woken<W>) -> Result<(), Reason> {
        let shelf = self.shelf(ask.seat);
        shelf.came(ask.class);
        if retry {
            shelf.retry_came();
        }
        self.step_if_due(ask.now, woken);
        let reason = if ask.deadline <= ask.now {
            Reason::Deadline
        } else if threshold::refuses(self.level.load(Relaxed), ask.class, lot) {
            Reason::Threshold
        } else if retry && !self.take_retry(ask) {
            Reason::Retries
        } else {
            return Ok(());
        };
        shelf.refused(ask.class, reason);
        Err(reason)
    }

    /// Counts a request that is refused for a reason of the whole process.
    pub(crate) fn turn_away(&self, seat: usize, class: Class, reason: Reason) {
        let shelf = self.shelf(seat);
        shelf.came(class);
        shelf.refused(class, reason);
    }

    /// Lets a request in that has knocked, or lets it wait; `who` makes whoever is told then.
    pub fn enter(&self, ask: &Ask, who: impl FnOnce(Ticket) -> W, woken: &mut Woken<W>) -> Entry {
        if ask.deadline <= ask.now {
            self.shelf(ask.seat).refused(ask.class, Reason::Deadline);
            return Entry::Refused(Reason::Deadline);
        }
        if ask.class == Class::Operators {
            let before = self.shared.in_flight.fetch_add(1, SeqCst);
            self.shelf(ask.seat).reached(before + 1);
            return Entry::Go;
        }
        let is_empty = self.shared.waiting.load(SeqCst) == 0;
        if is_empty && self.take_place(ask.class, ask.seat) {
            return Entry::Go;
        }
        self.wait(ask, who, woken)
    }

    /// Gives back a place whose work began at `began`.
    pub fn leave(&self, seat: usize, began: u64, now: u64, outcome: Outcome, woken: &mut Woken<W>) {
        self.shared.in_flight.fetch_sub(1, SeqCst);
        let shelf = self.shelf(seat);
        shelf.ended();
        let took = now.saturating_sub(began);
        let tells = match outcome {
            Outcome::Answered => true,
            Outcome::Uncounted => false,
            // It would have taken longer still; what is shorter than usual says nothing.
            Outcome::Abandoned => took > self.present_ns.load(Relaxed),
        };
        if tells {
            shelf.answered(took);
            if began >= self.probe_counts_from.load(Relaxed) {
                let mut core = self.lock();
                core.limit.probed(took, now);
                self.publish(&core);
            }
        }
        self.step_if_due(now, woken);
        if self.shared.waiting.load(SeqCst) > 0 {
            let mut core = self.lock();
            // A limit that fell below what is at work would let nobody in until that has ended, the best neither. So
            // some places are passed on: to those who stand back each second, to others all but each fourth.
            if self.shared.in_flight.load(SeqCst) >= self.limit() {
                core.given_back = core.given_back.wrapping_add(1);
                let kept = if core.queue.best().is_some_and(Class::stands_back) { 2 } else { 4 };
                if !core.given_back.is_multiple_of(kept) {
                    self.shared.in_flight.fetch_add(1, SeqCst);
                    self.give_place(&mut core, seat, now, woken);
                }
            }
            self.hand_out(&mut core, seat, now, woken);
        }
    }

    /// Takes out somebody who waits: their caller has gone, or their time is up, which counts as a refusal. Tells
    /// whether they still waited: if not, they were told, or are just being told.
    pub fn abandon(&self, seat: usize, ticket: Ticket, reason: Option<Reason>) -> bool {
        let mut core = self.lock();
        let waited = core.queue.abandon(ticket).is_some();
        self.publish_waiting(&core);
        if let (true, Some(reason)) = (waited, reason) {
            self.shelf(seat).refused(ticket.class(), reason);
        }
        waited
    }

    pub(crate) fn standing(&self) -> Standing {
        let core = self.lock();
        Standing {
            limit: self.limit.load(Relaxed),
            in_flight: self.shared.in_flight.load(Relaxed),
            waiting: self.shared.waiting.load(Relaxed),
            threshold: f64::from(self.level.load(Relaxed)) / f64::from(threshold::WHOLE),
            least: core.limit.least_ns().map(duration),
            present: duration(core.limit.present_ns()),
            totals: Totals::of(&self.shelves),
        }
    }

    /// The limit that holds now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    fn wait(&self, ask: &Ask, who: impl FnOnce(Ticket) -> W, woken: &mut Woken<W>) -> Entry {
        let mut core = self.lock();
        let Core { tuning, queue, .. } = &mut *core;
        let shelf = self.shelf(ask.seat);
        if queue.len() >= usize::from(tuning.queue.waiting_max.get()) {
            let Some((displaced, class)) = queue.displace(ask.class) else {
                shelf.refused(ask.class, Reason::QueueFull);
                core.binds = true;
                return Entry::Refused(Reason::QueueFull);
            };
            shelf.refused(class, Reason::QueueFull);
            woken.push((displaced, Turn::Refused(Reason::QueueFull)));
        }
        let mut ticket = None;
        queue.push(ask.class, ask.now, ask.deadline, |place| {
            ticket = Some(place);
            who(place)
        });
        // Told to others before places are looked at again: whoever leaves now sees it, or we see their place.
        self.publish_waiting(&core);
        self.hand_out(&mut core, ask.seat, ask.now, woken);
        let Core { tuning, queue, binds, .. } = &mut *core;
        *binds |= queue.len() > 0;
        while let Some((swept, class)) = queue.sweep(&tuning.queue, ask.now) {
            shelf.refused(class, Reason::WaitedTooLong);
            woken.push((swept, Turn::Refused(Reason::WaitedTooLong)));
        }
        self.publish_waiting(&core);
        let until = ask.now.saturating_add(core.tuning.queue.interval_ns()).min(ask.deadline);
        ticket.map_or(Entry::Refused(Reason::QueueFull), |ticket| Entry::Wait(ticket, until))
    }

    /// Gives free places to those who wait.
    fn hand_out(&self, core: &mut Core<W>, seat: usize, now: u64, woken: &mut Woken<W>) {
        while core.queue.best().is_some_and(|class| self.take_place(class, seat)) {
            self.give_place(core, seat, now, woken);
        }
        self.publish_waiting(core);
    }

    /// Gives a place that was taken to whose turn it is; whoever is late leaves it to the next.
    fn give_place(&self, core: &mut Core<W>, seat: usize, now: u64, woken: &mut Woken<W>) {
        loop {
            match core.queue.pop(&core.tuning.queue, now) {
                Some(Next::Go(who)) => return woken.push((who, Turn::Go)),
                Some(Next::Late(who, class)) => {
                    self.shelf(seat).refused(class, Reason::Deadline);
                    woken.push((who, Turn::Refused(Reason::Deadline)));
                }
                None => {
                    self.shared.in_flight.fetch_sub(1, SeqCst);
                    return;
                }
            }
        }
    }

    fn take_place(&self, class: Class, seat: usize) -> bool {
        let limit = if class.stands_back() { &self.probe_limit } else { &self.limit }.load(Relaxed);
        let take = |in_flight| (in_flight < limit).then_some(in_flight + 1);
        let taken = self.shared.in_flight.fetch_update(SeqCst, SeqCst, take);
        if let Ok(before) = taken {
            self.shelf(seat).reached(before + 1);
        }
        taken.is_ok()
    }

    fn take_retry(&self, ask: &Ask) -> bool {
        // Operators know why they ask again.
        let granted = ask.class == Class::Operators
            || self.retries_left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if granted {
            self.shelf(ask.seat).retried();
        }
        granted
    }

    fn step_if_due(&self, now: u64, woken: &mut Woken<W>) {
        if now < self.next_step.load(Relaxed) {
            return;
        }
        // Whoever else is at it does the same.
        let Ok(mut core) = self.core.try_lock() else { return };
        if now < self.next_step.load(Relaxed) {
            return;
        }
        self.next_step.store(now.saturating_add(STEP_NS), Relaxed);
        core.step(self, now);
        self.publish(&core);
        if core.queue.len() > 0 {
            self.hand_out(&mut core, 0, now, woken);
        }
    }

    /// Lets everybody see what the core has decided.
    fn publish(&self, core: &Core<W>) {
        self.limit.store(core.limit.value(&core.tuning.concurrency), Relaxed);
        self.probe_limit.store(core.limit.probe_value(&core.tuning.concurrency), Relaxed);
        self.probe_counts_from.store(core.limit.probe_counts_from(), Relaxed);
        self.present_ns.store(core.limit.present_ns(), Relaxed);
    }

    fn publish_waiting(&self, core: &Core<W>) {
        self.shared.waiting.store(u32::try_from(core.queue.len()).unwrap_or(u32::MAX), SeqCst);
    }

    fn shelf(&self, seat: usize) -> &Shelf {
        &self.shelves[seat % self.shelves.len()]
    }

    fn lock(&self) -> MutexGuard<'_, Core<W>> {
        // What is kept is whole whatever happened to a thread that held it.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Core<W> {
    fn step(&mut self, gate: &Gate<W>, now: u64) {
        let totals = Totals::of(&gate.shelves);
        let (before, passed_ns) = (self.stepped, now.saturating_sub(self.stepped_at));
        (self.stepped, self.stepped_at) = (totals, now);
        let came: [u64; Class::COUNT] = std::array::from_fn(|class| totals.came[class] - before.came[class]);
        let step = Step {
            passed_ns,
            came,
            served: totals.ended - before.ended,
            refused: totals.queue_refused() - before.queue_refused(),
        };
        let level = self.threshold.step(&step, self.tuning.memory_ns);
        gate.level.store(level, Relaxed);
        let retries = totals.retries - before.retries;
        let retries_came = totals.retries_came - before.retries_came;
        let first_tries = came.iter().sum::<u64>().saturating_sub(retries_came);
        self.budget.spent(u32::try_from(retries).unwrap_or(u32::MAX));
        let first_tries = u32::try_from(first_tries).unwrap_or(u32::MAX);
        self.budget.earn(&self.tuning.retries, first_tries, duration(passed_ns));
        gate.retries_left.store(self.budget.left(), Relaxed);
        self.look(gate, totals, now);
    }

    /// Looks at latencies, if there are enough.
    fn look(&mut self, gate: &Gate<W>, totals: Totals, now: u64) {
        let config = self.tuning.concurrency;
        let passed = now.saturating_sub(self.windowed_at);
        let answers = totals.answers - self.windowed.answers;
        let (least, long) =
            (u64::from(config.window_answers_min.get()), nanos(config.window_ms.get().into()));
        // Many answers say soon what few say late; and few are better than nothing.
        let many = least.max(self.limit.value(&config).into());
        if answers >= many || passed >= long && answers >= least || passed >= 10 * long {
            let peaks = gate.shelves.iter().map(Shelf::take_peak);
            let in_flight = gate.shared.in_flight.load(Relaxed);
            let seen = Seen {
                answers,
                sum_ns: totals.sum_ns - self.windowed.sum_ns,
                peak: peaks.max().unwrap_or(0).max(in_flight),
                binds: std::mem::take(&mut self.binds),
            };
            (self.windowed, self.windowed_at) = (totals, now);
            self.limit.window(&config, seen, now);
        }
        self.limit.tick(&config, gate.shared.in_flight.load(Relaxed), now);
    }
}
