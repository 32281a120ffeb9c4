//! One thread's share of connections that are held, in a table of descriptors of its own.

use std::{
    collections::VecDeque,
    mem::MaybeUninit,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use clock::{Clock, Stopwatch};
use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::Timespec,
};
use rustls::ClientConfig;

use super::{
    Hold, Kept,
    line::{Line, State},
};
use crate::record::Outcome;

/// Connections of one thread that are being opened at once: more would only wait in the target's queue.
const OPENING_MAX: usize = 128;
const EVENTS: usize = 512;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What all threads see.
#[derive(Debug, Default)]
pub(super) struct Together {
    pub(super) open: AtomicUsize,
    pub(super) over: AtomicBool,
}

/// Which of all connections a thread opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// The number of its first one, which chooses the address that it comes from.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) asked_per_s: f64,
}

pub(super) struct Holder<'h> {
    hold: &'h Hold,
    share: Share,
    together: &'h Together,
    tls: Option<Arc<ClientConfig>>,
    request: Vec<u8>,
    epoll: OwnedFd,
    lines: Vec<Option<Line>>,
    /// Those that wait for an answer, in the order in which they began to, each with the state that tells whether it
    /// still does.
    waiting: VecDeque<(Duration, usize, State)>,
    opening: usize,
    kept: Kept,
    stopwatch: Stopwatch,
}

impl<'h> Holder<'h> {
    pub(super) fn new(hold: &'h Hold, share: Share, together: &'h Together) -> anyhow::Result<Self> {
        let tls = hold.target.trust.as_ref().map(|trust| {
            let mut config = ClientConfig::clone(trust);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        Ok(Self {
            hold,
            share,
            together,
            tls,
            request: format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", hold.path, hold.target.host).into_bytes(),
            epoll: epoll::create(CreateFlags::CLOEXEC).context("cannot wait for sockets")?,
            lines: Vec::with_capacity(share.count),
            waiting: VecDeque::new(),
            opening: 0,
            kept: Kept::default(),
            stopwatch: Clock::System.stopwatch(),
        })
    }

    /// Opens all of them, or learns which the target does not take.
    pub(super) fn open(&mut self) -> anyhow::Result<()> {
        while (self.lines.len() < self.share.count || self.opening > 0) && !self.is_over() {
            while self.opening < OPENING_MAX && self.lines.len() < self.share.count {
                self.begin();
            }
            self.wait(LOOK_EVERY)?;
            self.give_up();
        }
        Ok(())
    }

    /// Holds them until it is over, and asks something on one of them now and then.
    pub(super) fn hold(mut self) -> anyhow::Result<Kept> {
        let (began, mut asked, mut at) = (self.stopwatch.elapsed(), 0_u32, 0);
        while !self.is_over() {
            let now = self.stopwatch.elapsed();
            let due = began + Duration::from_secs_f64(f64::from(asked) / self.share.asked_per_s.max(1e-6));
            if due <= now {
                asked += 1;
                self.kept.record.taken_up(due, now);
                self.ask_next(&mut at, due);
                continue;
            }
            self.wait((due - now).min(LOOK_EVERY))?;
            self.give_up();
        }
        Ok(self.kept)
    }

    fn is_over(&self) -> bool {
        self.together.over.load(Ordering::Relaxed)
    }

    fn begin(&mut self) {
        let number = self.share.first + self.lines.len();
        let from: Option<Ipv4Addr> =
            number.checked_rem(self.hold.from.len()).map(|which| self.hold.from[which]);
        let at = self.lines.len();
        let opened = Line::open(&self.hold.target, self.tls.as_ref(), from).and_then(|mut line| {
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &line.stream, EventData::new_u64(at as u64), interest)?;
            line.send(&self.request)?;
            Ok(line)
        });
        match opened {
            Ok(line) => {
                self.opening += 1;
                self.waiting.push_back((self.stopwatch.elapsed(), at, State::Opening));
                self.lines.push(Some(line));
            }
            Err(error) => {
                self.kept.refused += 1;
                self.kept.example(|| format!("{error:#}"));
                self.lines.push(None);
            }
        }
    }

    /// Asks on the next one that is free.
    fn ask_next(&mut self, at: &mut usize, due: Duration) {
        for _ in 0..self.lines.len() {
            *at = (*at + 1) % self.lines.len();
            let Some(line) = &mut self.lines[*at] else { continue };
            if line.state != State::Idle {
                continue;
            }
            line.state = State::Asked(due);
            let sent = line.send(&self.request);
            self.waiting.push_back((self.stopwatch.elapsed(), *at, State::Asked(due)));
            if let Err(error) = sent {
                self.lose(*at, &error.to_string());
            }
            return;
        }
    }

    fn wait(&mut self, most: Duration) -> anyhow::Result<()> {
        let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
        let timeout = Timespec { tv_sec: 0, tv_nsec: most.subsec_nanos().max(1_000_000).into() };
        let happened = match epoll::wait(&self.epoll, &mut events[..], Some(&timeout)) {
            Ok((happened, _)) => happened,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error).context("cannot wait for sockets"),
        };
        for event in happened.iter() {
            let (flags, data) = (event.flags, event.data.u64());
            self.happened(usize::try_from(data)?, flags);
        }
        Ok(())
    }

    fn happened(&mut self, at: usize, flags: EventFlags) {
        let Some(line) = self.lines.get_mut(at).and_then(Option::as_mut) else { return };
        let mut lost = None;
        if flags.intersects(EventFlags::OUT | EventFlags::ERR | EventFlags::HUP)
            && let Err(error) = line.writable()
        {
            lost = Some(error.to_string());
        }
        if lost.is_none() && flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
            match line.fill() {
                Ok(true) => {}
                Ok(false) => lost = Some("the target closed it".to_owned()),
                Err(error) => lost = Some(error.to_string()),
            }
            // What came before the end is still an answer.
            match line.answer() {
                Ok(Some((status, closes))) => {
                    self.answered(at, status);
                    if closes {
                        lost.get_or_insert_with(|| "the target said that it closes it".to_owned());
                    }
                }
                Ok(None) => {}
                Err(why) => lost = Some(why.to_owned()),
            }
        }
        if let Some(why) = lost {
            self.lose(at, &why);
        }
    }

    fn answered(&mut self, at: usize, status: u16) {
        let Some(line) = &mut self.lines[at] else { return };
        let state = std::mem::replace(&mut line.state, State::Idle);
        match (state, status) {
            (State::Opening, 200) => {
                self.opening -= 1;
                self.kept.opened += 1;
                self.together.open.fetch_add(1, Ordering::Relaxed);
            }
            (State::Opening, status) => {
                line.state = State::Opening;
                self.kept.limited += u64::from(status == 429);
                self.lose(at, &format!("the first request got {status}"));
            }
            (State::Idle, status) => {
                self.kept.example(|| format!("{status}, which nobody asked for"));
            }
            (State::Asked(due), status) => {
                let outcome = match status {
                    200 => Outcome::Good,
                    status => Outcome::of_unexpected(status),
                };
                self.ended(due, outcome);
            }
        }
    }

    fn ended(&mut self, due: Duration, outcome: Outcome) {
        self.kept.record.ended(due, self.stopwatch.elapsed(), outcome, self.hold.patience);
    }

    /// It is no more: it was never taken, or is taken no longer.
    fn lose(&mut self, at: usize, why: &str) {
        let Some(line) = self.lines[at].take() else { return };
        self.kept.example(|| why.to_owned());
        if line.state == State::Opening {
            self.opening -= 1;
            self.kept.refused += 1;
            return;
        }
        self.kept.dropped += 1;
        self.together.open.fetch_sub(1, Ordering::Relaxed);
        if let State::Asked(due) = line.state {
            self.ended(due, Outcome::Unknown);
        }
    }

    /// Waits no longer for what has not come in time.
    fn give_up(&mut self) {
        let Some(since) = self.stopwatch.elapsed().checked_sub(self.hold.patience) else { return };
        while let Some((_, at, state)) = self.waiting.pop_front_if(|(began, ..)| *began < since) {
            if self.lines[at].as_ref().is_some_and(|line| line.state == state) {
                self.lose(at, "no answer came in time");
            }
        }
    }
}
