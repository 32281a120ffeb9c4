//! One thread of the generator: whom it expects, its connections, and one loop over all that happens to them.

use std::{collections::VecDeque, fmt::Write as _, mem::MaybeUninit, os::fd::OwnedFd, time::Duration};

use anyhow::Context;
use clock::Stopwatch;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    },
};

use super::{
    Arrivals, Live, Load, Outcome, Record, Shape,
    connection::{Connection, Read1, Visit},
};
use crate::{
    history::{Historian, may_have_happened},
    journey::{Source, Step},
};

/// How often those who have waited too long are looked for, and how long the loop sleeps at most.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const EVENTS: usize = 256;
/// How many connections more are tried at each look, after the target refused some.
const CONNECTIONS_AGAIN: usize = 16;
/// The timer among the events.
const TIMER: u64 = u64::MAX;

struct Engine<'l> {
    load: &'l Load,
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Option<Connection>>,
    connections_max: usize,
    /// How many are opened at present: fewer than may be once the target has refused some.
    connections_tried: usize,
    /// Places without a connection, and connections that take another request.
    empty: Vec<usize>,
    ready: Vec<usize>,
    /// Who has come and found no connection free.
    queued: VecDeque<Visit>,
    /// Who has come and has not ended.
    inside: usize,
    number: u64,
    name: String,
    dice: StdRng,
    weights: Vec<u32>,
    record: Record,
    historian: Historian,
    stopwatch: &'l Stopwatch,
    now: Duration,
    /// Until when callers of a closed loop come again.
    again_until: Option<Duration>,
    told: (u64, u64, u64),
    /// The connection whose answers are being taken.
    taking: Option<usize>,
}

/// Runs the share of one thread, `number` of the load's; tells how busy it was too.
pub(super) fn run(
    load: &Load,
    number: usize,
    live: &Live,
    stopwatch: &Stopwatch,
) -> anyhow::Result<(Record, f64)> {
    let mut engine = Engine::new(load, number, stopwatch)?;
    let began = engine.now;
    engine.go(number, live)?;
    engine.historian.finish()?;
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    let cpu = Duration::new(u64::try_from(cpu.tv_sec)?, u32::try_from(cpu.tv_nsec)?);
    let wall = stopwatch.elapsed().saturating_sub(began);
    Ok((engine.record, cpu.as_secs_f64() / wall.as_secs_f64().max(1e-9)))
}

impl<'l> Engine<'l> {
    fn new(load: &'l Load, number: usize, stopwatch: &'l Stopwatch) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("cannot wait for sockets")?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN | EventFlags::ET)?;
        let connections_max = (load.connections_max / load.threads).max(1);
        let again_until = match load.shape {
            Shape::Closed { seconds } => Some(Duration::from_secs_f64(seconds)),
            Shape::Open { .. } => None,
        };
        Ok(Self {
            load,
            epoll,
            timer,
            connections: Vec::new(),
            connections_max,
            connections_tried: connections_max,
            empty: Vec::new(),
            ready: Vec::new(),
            queued: VecDeque::new(),
            inside: 0,
            number: 0,
            name: format!("{}-{number}-", load.names),
            dice: StdRng::seed_from_u64(load.seed ^ 0x9e37_79b9 ^ ((number as u64) << 40)),
            weights: load.journeys.iter().map(|(_, weight)| *weight).collect(),
            record: Record::default(),
            historian: Historian::open(load, number)?,
            stopwatch,
            now: stopwatch.elapsed(),
            again_until,
            told: (0, 0, 0),
            taking: None,
        })
    }

    fn go(&mut self, number: usize, live: &Live) -> anyhow::Result<()> {
        let mut arrivals = match &self.load.shape {
            Shape::Open { phases, spacing } => {
                Arrivals::new(phases, *spacing, self.load.seed, number, self.load.threads)
            }
            Shape::Closed { .. } => Arrivals::new(&[], super::Spacing::Constant, 0, 0, 1),
        };
        let mut next = arrivals.next();
        for _ in 0..self.again_until.map_or(0, |_| self.connections_max * self.load.depth) {
            self.come(self.now);
        }
        let mut look_at = self.now + LOOK_EVERY;
        let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        loop {
            self.now = self.stopwatch.elapsed();
            while let Some(at) = next.filter(|at| *at <= self.now) {
                self.record.taken_up(at, self.now);
                self.come(at);
                next = arrivals.next();
            }
            if self.now >= look_at {
                self.give_up();
                self.try_more_connections();
                self.tell(live);
                look_at = self.now + LOOK_EVERY;
                if live.is_stopped() {
                    next = None;
                    self.again_until = self.again_until.map(|_| Duration::ZERO);
                }
            }
            if next.is_none() && self.inside == 0 {
                break;
            }
            let until = next.map_or(look_at, |at| at.min(look_at));
            self.wait(until, &mut events)?;
        }
        self.tell(live);
        Ok(())
    }

    /// Sleeps until something happens, at most until then.
    fn wait(&mut self, until: Duration, events: &mut [MaybeUninit<Event>; EVENTS]) -> anyhow::Result<()> {
        let left = until.saturating_sub(self.stopwatch.elapsed());
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = if left.is_zero() { Some(&now) } else { None };
        if timeout.is_none() {
            // The timer is finer than what epoll itself can be told.
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs())?,
                tv_nsec: left.subsec_nanos().max(1).into(),
            };
            let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        }
        let happened = match epoll::wait(&self.epoll, &mut events[..], timeout) {
            Ok((happened, _)) => happened,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error).context("cannot wait for sockets"),
        };
        self.now = self.stopwatch.elapsed();
        for event in happened.iter() {
            let (flags, data) = (event.flags, event.data.u64());
            if data != TIMER {
                self.happened(usize::try_from(data)?, flags);
            }
        }
        Ok(())
    }

    /// Somebody comes who was meant to at `intended`.
    fn come(&mut self, intended: Duration) {
        let all = self.weights.iter().sum::<u32>().max(1);
        let mut drawn = if self.weights.len() > 1 { self.dice.random_range(0..all) } else { 0 };
        let mut journey = 0;
        while self.weights.get(journey).is_some_and(|weight| drawn >= *weight) {
            drawn -= self.weights[journey];
            journey += 1;
        }
        self.number += 1;
        self.inside += 1;
        let visit = Visit {
            journey,
            step: 0,
            intended,
            number: self.number,
            drawn: self.dice.random_range(0..usize::MAX),
            kept: Vec::new(),
        };
        self.place(visit);
    }

    /// Sends somebody's request on a connection that takes one, or has them wait.
    fn place(&mut self, visit: Visit) {
        while let Some(at) = self.ready.last().copied() {
            let Some(connection) = &mut self.connections[at] else {
                self.ready.pop();
                continue;
            };
            if connection.waiting.len() + 1 >= self.load.depth {
                connection.listed = false;
                self.ready.pop();
            }
            return self.ask(at, visit);
        }
        if !self.may_connect() {
            self.queued.push_back(visit);
            return;
        }
        match self.connect() {
            Ok(at) => self.ask(at, visit),
            Err(error) => self.end_with(&visit, Outcome::Unknown, || format!("cannot connect: {error}")),
        }
    }

    fn open(&self) -> usize {
        self.connections.len() - self.empty.len()
    }

    fn may_connect(&self) -> bool {
        self.open() < self.connections_tried
    }

    /// The target refused a connection: those that are open must do for a while, or every caller would be lost on one that
    /// is refused too.
    fn refused(&mut self) {
        self.connections_tried = self.open().saturating_sub(1).clamp(1, self.connections_tried);
    }

    fn try_more_connections(&mut self) {
        self.connections_tried = (self.connections_tried + CONNECTIONS_AGAIN).min(self.connections_max);
        self.seat_queued();
    }

    /// Opens connections for whoever waits, as far as they may be.
    fn seat_queued(&mut self) {
        while self.may_connect()
            && let Some(visit) = self.queued.pop_front()
        {
            self.place(visit);
        }
    }

    fn connect(&mut self) -> std::io::Result<usize> {
        let from = &self.load.from;
        let number = usize::try_from(self.number).unwrap_or_default();
        let from = number.checked_rem(from.len()).map(|at| from[at]);
        let mut connection = Connection::open(self.load.target.address, from)?;
        let at = self.empty.pop().unwrap_or(self.connections.len());
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &connection.stream, EventData::new_u64(at as u64), interest)?;
        if self.load.depth > 1 {
            connection.listed = true;
            self.ready.push(at);
        }
        if at == self.connections.len() {
            self.connections.push(None);
        }
        self.connections[at] = Some(connection);
        Ok(at)
    }

    fn ask(&mut self, at: usize, visit: Visit) {
        let Some(connection) = &mut self.connections[at] else { return };
        let journey = &self.load.journeys[visit.journey].0;
        let base = self.name.len();
        write!(self.name, "{}", visit.number).expect("a string takes any text");
        let person = self.load.people.one(journey.people, visit.drawn);
        let source = Source { person, fresh: &self.name, election: &self.load.election, kept: &visit.kept };
        journey.steps[visit.step].write(&self.load.target.host, &source, connection.out());
        self.name.truncate(base);
        self.record.requests += 1;
        connection.waiting.push_back(visit);
        // What is asked while answers are taken goes out together behind them.
        if self.taking != Some(at) && connection.flush().is_err() {
            self.lose(at);
        }
    }

    fn happened(&mut self, at: usize, flags: EventFlags) {
        let Some(connection) = self.connections.get_mut(at).and_then(Option::as_mut) else { return };
        let mut alive = true;
        if flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP) {
            alive = connection.writable().is_ok();
        }
        if alive && flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
            alive = connection.fill().unwrap_or(false);
            // What came before the end is still an answer.
            alive &= self.take_answers(at) && !flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
        }
        if !alive {
            if self.connections[at].as_ref().is_some_and(|connection| !connection.has_answered()) {
                self.refused();
            }
            self.lose(at);
        }
    }

    /// Takes every answer that has come whole, and sends what is asked next; false if the connection is of no more use.
    fn take_answers(&mut self, at: usize) -> bool {
        self.taking = Some(at);
        let alive = self.take_each(at);
        self.taking = None;
        alive && self.connections[at].as_mut().is_none_or(|connection| connection.flush().is_ok())
    }

    fn take_each(&mut self, at: usize) -> bool {
        loop {
            let Some(connection) = &mut self.connections[at] else { return true };
            let read = match connection.answer() {
                Ok(Some(read)) => read,
                Ok(None) => return true,
                Err(why) => {
                    self.record.example(|| why.to_owned());
                    return false;
                }
            };
            let Some(visit) = connection.waiting.pop_front() else { return false };
            let closes = read.closes;
            let used = read.used;
            let goes_on = self.answered(at, visit, &read);
            if let Some(connection) = &mut self.connections[at] {
                connection.consume(used);
            }
            if closes {
                self.lose(at);
                if let Some(visit) = goes_on {
                    self.place(visit);
                }
                return true;
            }
            match goes_on {
                Some(visit) => self.ask(at, visit),
                None => self.take_next(at),
            }
        }
    }

    /// A connection has room for another request.
    fn take_next(&mut self, at: usize) {
        if let Some(visit) = self.queued.pop_front() {
            return self.ask(at, visit);
        }
        if self.again_until.is_some_and(|until| self.now < until) {
            self.list(at);
            return self.come(self.now);
        }
        self.list(at);
    }

    fn list(&mut self, at: usize) {
        if let Some(connection) = self.connections[at].as_mut().filter(|connection| !connection.listed) {
            connection.listed = true;
            self.ready.push(at);
        }
    }

    /// Judges an answer; tells who goes on with another request.
    fn answered(&mut self, at: usize, mut visit: Visit, read: &Read1) -> Option<Visit> {
        let connection = self.connections[at].as_ref()?;
        let body = read.joined.as_deref().unwrap_or_else(|| connection.bytes(read.body));
        let journey = &self.load.journeys[visit.journey].0;
        let step: &Step = &journey.steps[visit.step];
        let person = self.load.people.one(journey.people, visit.drawn);
        let mut outcome = match read.status {
            status if step.expect.contains(&status) => Outcome::Good,
            status => Outcome::of_unexpected(status),
        };
        if outcome == Outcome::Good && (step.acknowledges.is_some() || !step.keep.is_empty()) {
            let kept = self.historian.acknowledge(step, person, body, self.now, &mut visit.kept);
            if kept.is_none() {
                outcome = Outcome::Wrong;
            }
        }
        if let Some(command) = step.acknowledges.as_deref()
            && may_have_happened(read.status, body)
        {
            self.historian.unknown(command, self.now);
        }
        if outcome == Outcome::Wrong {
            let text = || {
                let start = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
                format!("{} {} gave {}: {start}", step.method, journey.name, read.status)
            };
            self.record.example(text);
        }
        visit.step += 1;
        if outcome == Outcome::Good && visit.step < journey.steps.len() {
            return Some(visit);
        }
        self.inside -= 1;
        self.record.ended(visit.intended, self.now, outcome, self.load.patience);
        None
    }

    /// Ends somebody's journey without an answer.
    fn end_with(&mut self, visit: &Visit, outcome: Outcome, why: impl FnOnce() -> String) {
        let journey = &self.load.journeys[visit.journey].0;
        if let Some(command) = journey.steps[visit.step].acknowledges.as_deref() {
            self.historian.unknown(command, self.now);
        }
        self.inside -= 1;
        self.record.ended(visit.intended, self.now, outcome, self.load.patience);
        self.record.example(why);
    }

    /// A connection is gone: nobody knows what became of those who wait on it.
    fn lose(&mut self, at: usize) {
        let Some(connection) = self.connections[at].take() else { return };
        if connection.listed {
            self.ready.retain(|ready| *ready != at);
        }
        self.empty.push(at);
        for visit in connection.waiting {
            self.end_with(&visit, Outcome::Unknown, || "the connection was lost".to_owned());
        }
        self.seat_queued();
    }

    /// Ends the journeys of those who have waited too long; whoever was never asked for got no answer either.
    fn give_up(&mut self) {
        let Some(since) = self.now.checked_sub(self.load.patience) else { return };
        while let Some(visit) = self.queued.pop_front_if(|visit| visit.intended < since) {
            self.inside -= 1;
            self.record.ended(visit.intended, self.now, Outcome::Unknown, self.load.patience);
            self.record.example(|| "no connection was free in time".to_owned());
        }
        for at in 0..self.connections.len() {
            let late = self.connections[at].as_ref().is_some_and(|connection| {
                connection.waiting.front().is_some_and(|visit| visit.intended < since)
            });
            if late {
                self.lose(at);
            }
        }
    }

    fn tell(&mut self, live: &Live) {
        let counts = &self.record.counts;
        let all = (counts.offered, counts.good, counts.offered - counts.good);
        live.add(all.0 - self.told.0, all.1 - self.told.1, all.2 - self.told.2);
        self.told = all;
    }
}
