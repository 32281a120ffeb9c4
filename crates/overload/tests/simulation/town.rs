//! Callers who come at their own pace, a gate, and a server behind it, all in virtual time and on one seed.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
};

use overload::{Ask, Class, Entry, Gate, Outcome, OverloadConfig, Ticket, Tuning, Turn, Woken};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1000 * MS;

/// How the server works.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    /// So many at once, each for about so long; the rest wait inside, first come first served.
    Workers { count: usize, service_ns: u64 },
    /// All that have come since the last commit share the next, as a ledger does. It takes so long, and so much more
    /// for each.
    GroupCommit { sync_ns: u64, each_ns: u64 },
}

/// Who stands before the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Gate,
    /// Nobody: an endless line, first come first served.
    Nothing,
}

/// Callers of one class, who come so often between two times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) class: Class,
    pub(crate) per_second: f64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// A request, as it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) class: Class,
    pub(crate) came: u64,
    /// When it was answered with what it wanted.
    pub(crate) served: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Comes(usize),
    /// Their time in the queue is up.
    WaitedOut(usize),
    WorkEnds(usize),
    CommitEnds,
}

pub(crate) struct Town {
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    dice: u64,
    server: Server,
    before: Before,
    pub(crate) gate: Gate<usize>,
    pub(crate) stories: Vec<Story>,
    tickets: HashMap<usize, Ticket>,
    began: HashMap<usize, u64>,
    /// Inside the server.
    line: VecDeque<usize>,
    busy: usize,
    committing: Vec<usize>,
    patience_ns: u64,
}

impl Town {
    pub(crate) fn new(server: Server, before: Before, seed: u64) -> Self {
        let tuning = Tuning::from(&OverloadConfig::default());
        Self {
            now: 0,
            events: BinaryHeap::new(),
            order: 0,
            dice: seed,
            server,
            before,
            gate: Gate::new(tuning, 2, 0),
            stories: Vec::new(),
            tickets: HashMap::new(),
            began: HashMap::new(),
            line: VecDeque::new(),
            busy: 0,
            committing: Vec::new(),
            patience_ns: SECOND,
        }
    }

    /// Lets these come, and runs until nothing happens any more.
    pub(crate) fn run(mut self, streams: &[Stream]) -> Self {
        for stream in streams {
            let mut at = stream.from;
            loop {
                at += self.exponential(1e9 / stream.per_second);
                if at >= stream.to {
                    break;
                }
                self.stories.push(Story { class: stream.class, came: at, served: None });
                self.schedule(at, Event::Comes(self.stories.len() - 1));
            }
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = at;
            self.happen(event);
        }
        self
    }

    /// Requests that came between two times, of a class, and the share of them that was answered before their
    /// callers gave up.
    pub(crate) fn answered(&self, class: Class, from: u64, to: u64) -> (usize, f64) {
        let in_time = |story: &&Story| story.served.is_some_and(|at| at <= story.came + self.patience_ns);
        let came =
            self.stories.iter().filter(|story| story.class == class && (from..to).contains(&story.came));
        let count = came.clone().count();
        let answered = came.filter(in_time).count();
        (count, float(answered) / float(count.max(1)))
    }

    /// Answers in a second that came in time, between two times.
    pub(crate) fn goodput(&self, from: u64, to: u64) -> f64 {
        let good = self.stories.iter().filter(|story| {
            story.served.is_some_and(|at| at <= story.came + self.patience_ns && (from..to).contains(&at))
        });
        float(good.count()) * 1e9 / float(usize::try_from(to - from).expect("it is short"))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Comes(who) if self.before == Before::Nothing => self.begin(who),
            Event::Comes(who) => self.knock(who),
            Event::WaitedOut(who) => {
                if let Some(ticket) = self.tickets.remove(&who) {
                    self.gate.abandon(who % 2, ticket, Some(overload::Reason::WaitedTooLong));
                }
            }
            Event::WorkEnds(who) => {
                self.busy -= 1;
                self.end(who);
                self.work();
            }
            Event::CommitEnds => {
                std::mem::take(&mut self.committing).into_iter().for_each(|who| self.end(who));
                self.work();
            }
        }
    }

    fn knock(&mut self, who: usize) {
        let story = self.stories[who];
        let ask =
            Ask { class: story.class, seat: who % 2, now: self.now, deadline: story.came + self.patience_ns };
        let mut woken = Woken::new();
        let lot = self.roll().to_be_bytes()[0];
        if self.gate.knock(&ask, false, lot, &mut woken).is_ok() {
            match self.gate.enter(&ask, |_| who, &mut woken) {
                Entry::Go => self.begin(who),
                Entry::Wait(ticket, until) => {
                    self.tickets.insert(who, ticket);
                    self.schedule(until, Event::WaitedOut(who));
                }
                Entry::Refused(_) => {}
            }
        }
        self.wake(woken);
    }

    fn wake(&mut self, woken: Woken<usize>) {
        for (who, turn) in woken {
            self.tickets.remove(&who);
            if turn == Turn::Go {
                self.begin(who);
            }
        }
    }

    fn begin(&mut self, who: usize) {
        self.began.insert(who, self.now);
        self.line.push_back(who);
        self.work();
    }

    fn work(&mut self) {
        match self.server {
            Server::Workers { count, service_ns } => {
                while self.busy < count
                    && let Some(who) = self.line.pop_front()
                {
                    self.busy += 1;
                    // From half to one and a half of the mean.
                    let took = service_ns / 2 + self.roll() % service_ns;
                    self.schedule(self.now + took, Event::WorkEnds(who));
                }
            }
            Server::GroupCommit { sync_ns, each_ns }
                if self.committing.is_empty() && !self.line.is_empty() =>
            {
                self.committing = self.line.drain(..).collect();
                let batch = u64::try_from(self.committing.len()).expect("it is counted");
                self.schedule(self.now + sync_ns + each_ns * batch, Event::CommitEnds);
            }
            Server::GroupCommit { .. } => {}
        }
    }

    fn end(&mut self, who: usize) {
        self.stories[who].served = Some(self.now);
        let began = self.began.remove(&who).expect("it began");
        if self.before == Before::Gate {
            let mut woken = Woken::new();
            self.gate.leave(who % 2, began, self.now, Outcome::Answered, &mut woken);
            self.wake(woken);
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "waits are short and positive"
    )]
    fn exponential(&mut self, mean: f64) -> u64 {
        let even = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - even).ln() * mean) as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a simulation are small")]
fn float(count: usize) -> f64 {
    count as f64
}
