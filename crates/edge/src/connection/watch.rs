//! What a connection is doing and since when, so that one sweep a second can end those that take too long.
//!
//! A connection writes down its phase with plain stores of a coarse time; no timer is set and no clock is
//! read for a request.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::Context,
    time::Duration,
};

use futures_util::task::AtomicWaker;

use super::untaken::Untaken;
use crate::{EdgeConfig, config::millis, gate::Place};

/// How long a caller whose body we refused may go on sending before the connection is cut.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Whoever takes fewer bytes of our answers in the time that they may leave them unread takes nothing.
const TAKEN_BYTES_MIN: u32 = 16 << 10;
/// The time as the sweep last saw it, in milliseconds since the thread began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coarse(Arc<AtomicU64>);

impl Coarse {
    pub(crate) fn set(&self, since_start: Duration) {
        self.0.store(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Nothing has been read yet.
    Fresh,
    /// A request's header section is arriving.
    Head,
    /// At least one request is being answered.
    Busy,
    /// Between requests.
    Idle,
    /// It was told to finish while idle.
    Closing,
    /// Its caller still sends what we will not read.
    Lingering,
}

impl Phase {
    const ALL: [Self; 6] = [Self::Fresh, Self::Head, Self::Busy, Self::Idle, Self::Closing, Self::Lingering];
}

/// What a connection was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    Go,
    /// Answer one more request, and say with it that the connection ends.
    Last,
    /// Answer what was asked, take no more, close.
    Finish,
    /// Tell the caller that the request took too long, and end.
    Expire,
    /// End now.
    Cut,
}

impl Order {
    const ALL: [Self; 5] = [Self::Go, Self::Last, Self::Finish, Self::Expire, Self::Cut];
}

/// One connection, as its thread's sweep sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    now: Coarse,
    phase: AtomicU8,
    since_ms: AtomicU64,
    requests: AtomicU32,
    /// When writing began to wait for the caller, plus one; zero if it does not wait.
    stalled_ms: AtomicU64,
    /// What was written since then.
    stalled_bytes: AtomicU32,
    /// The answers over HTTP/2.
    untaken: Mutex<Untaken>,
    order: AtomicU8,
    listening: AtomicBool,
    waker: AtomicWaker,
    http2: AtomicBool,
    /// HTTP/2 frames that were read since others had their turn.
    turn_frames: AtomicU32,
    flooded: AtomicBool,
}

impl Watch {
    fn new(now: Coarse) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Fresh as u8),
            since_ms: AtomicU64::new(now.get()),
            now,
            requests: AtomicU32::new(0),
            stalled_ms: AtomicU64::new(0),
            stalled_bytes: AtomicU32::new(0),
            untaken: Mutex::default(),
            order: AtomicU8::new(Order::Go as u8),
            listening: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            http2: AtomicBool::new(false),
            turn_frames: AtomicU32::new(0),
            flooded: AtomicBool::new(false),
        }
    }

    /// The order given, and who to wake when there is another.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> Order {
        // A task's waker stays the same, so it is kept once and not at every poll.
        if !self.listening.swap(true, Relaxed) {
            self.waker.register(cx.waker());
        }
        self.ordered()
    }

    pub(crate) fn ordered(&self) -> Order {
        Order::ALL[usize::from(self.order.load(Relaxed))]
    }

    pub(crate) fn order(&self, order: Order) {
        self.order.store(order as u8, Relaxed);
        // Waking gives the waker away: whoever is woken leaves another for the next order.
        self.listening.store(false, Relaxed);
        self.waker.wake();
    }

    pub(crate) fn speaks_http2(&self, http2: bool) {
        self.http2.store(http2, Relaxed);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// The time as it was last looked at, in milliseconds since the thread began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now.get()
    }

    /// Others had their turn.
    pub(crate) fn begin_turn(&self) {
        self.turn_frames.store(0, Relaxed);
    }

    pub(crate) fn read_frames(&self, frames: u32) {
        // Its own thread alone counts, so nothing is lost between the two.
        self.turn_frames.store(self.read_in_turn().saturating_add(frames), Relaxed);
    }

    pub(crate) fn read_in_turn(&self) -> u32 {
        self.turn_frames.load(Relaxed)
    }

    /// The caller floods the connection: it ends now.
    pub(crate) fn flood(&self) {
        self.flooded.store(true, Relaxed);
        self.order(Order::Cut);
    }

    pub(crate) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// Half a request came in.
    pub(crate) fn heard(&self) {
        // HTTP/2 has frames that are not requests: only time without one counts there.
        if matches!(self.phase(), Phase::Fresh | Phase::Idle) && !self.is_http2() {
            self.enter(Phase::Head);
        }
    }

    /// A request was read and answered on the spot.
    pub(crate) fn answered_at_once(&self) {
        if !self.is_answering() {
            self.enter(Phase::Idle);
        }
    }

    /// A request was read and is being answered, until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Relaxed);
        self.enter(Phase::Busy);
        Busy(self.clone())
    }

    /// Is a request being answered that was not answered on the spot?
    fn is_answering(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    /// What is there to be written waits for the caller, or has all been written.
    pub(crate) fn stalled(&self, stalled: bool) {
        let waits = self.stalled_ms.load(Relaxed) > 0;
        if stalled != waits {
            self.stalled_ms.store(if stalled { self.now.get() + 1 } else { 0 }, Relaxed);
            self.stalled_bytes.store(0, Relaxed);
        }
    }

    /// Of what waits for the caller so many bytes were taken.
    pub(crate) fn wrote(&self, bytes: usize) {
        if self.stalled_ms.load(Relaxed) == 0 {
            return;
        }
        let before = self.stalled_bytes.load(Relaxed);
        let written = before.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.stalled_bytes.store(written, Relaxed);
        if written >= TAKEN_BYTES_MIN {
            self.stalled(false);
        }
    }

    /// Only its own thread asks, so nobody ever waits here.
    fn untaken<T>(&self, look: impl FnOnce(&mut Untaken, u64) -> T) -> T {
        look(&mut self.untaken.lock().unwrap_or_else(PoisonError::into_inner), self.now.get())
    }

    /// Does the caller take none of our answers?
    fn is_untaken(&self, write_stall_ms_max: u64) -> bool {
        let now = self.now.get();
        let stalled = self.stalled_ms.load(Relaxed);
        (stalled > 0 && now.saturating_sub(stalled) > write_stall_ms_max)
            || self.untaken(|untaken, now_ms| untaken.is_stalled(write_stall_ms_max, now_ms))
    }

    /// All is said, and the caller may still be sending.
    pub(crate) fn lingers(&self) {
        self.enter(Phase::Lingering);
    }

    fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Relaxed))]
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.since_ms.store(self.now.get(), Relaxed);
    }

    /// Gives the order that the time calls for, if any.
    fn judge(&self, limits: &EdgeConfig) {
        if self.is_untaken(limits.write_stall_ms_max.get().into()) {
            return self.order(Order::Cut);
        }
        let now = self.now.get();
        let phase = self.phase();
        let limit = match phase {
            Phase::Fresh | Phase::Head | Phase::Closing => millis(limits.header_read_ms_max),
            Phase::Idle => millis(limits.idle_ms_max),
            Phase::Lingering => LINGER_MAX,
            // The layers keep the time of requests.
            Phase::Busy => return,
        };
        if now.saturating_sub(self.since_ms.load(Relaxed)) <= millis_of(limit) {
            return;
        }
        match phase {
            Phase::Head => self.order(Order::Expire),
            Phase::Idle => {
                self.enter(Phase::Closing);
                self.order(Order::Finish);
            }
            Phase::Fresh | Phase::Closing | Phase::Lingering | Phase::Busy => self.order(Order::Cut),
        }
    }
}

fn millis_of(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Relaxed) == 1 {
            self.0.enter(Phase::Idle);
        }
    }
}

impl Busy {
    /// Its answer has a body, which goes out as the caller grants it room.
    pub(crate) fn taking(self) -> Taking {
        let place = self.0.untaken(Untaken::enter);
        Taking { busy: self, place }
    }
}

/// A body that goes out over HTTP/2, until it is dropped.
#[derive(Debug)]
pub(crate) struct Taking {
    busy: Busy,
    place: usize,
}

impl Taking {
    /// There is room for what comes next.
    pub(crate) fn taken(&self) {
        self.busy.0.untaken(|untaken, now_ms| untaken.taken(self.place, now_ms));
    }

    /// A piece of so many bytes was given, which takes room.
    pub(crate) fn waits(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.busy.0.untaken(|untaken, now_ms| untaken.waits(self.place, bytes, now_ms));
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.busy.0.untaken(|untaken, _| untaken.leave(self.place));
    }
}

/// The connections of one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watches {
    now: Coarse,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    watches: HashMap<u64, Arc<Watch>>,
}

/// A connection's place among those of its thread, and among all, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    number: u64,
    watch: Arc<Watch>,
    watches: Watches,
    _place: Place,
}

impl Entry {
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.watches.with(|open| open.watches.remove(&self.number));
    }
}

impl Watches {
    pub(crate) fn enter(&self, place: Place) -> Entry {
        let watch = Arc::new(Watch::new(self.now.clone()));
        let number = self.with(|open| {
            open.next += 1;
            open.watches.insert(open.next, watch.clone());
            open.next
        });
        Entry { number, watch, watches: self.clone(), _place: place }
    }

    /// Ends the connections that take too long, as of `since_start`.
    pub(crate) fn sweep(&self, since_start: Duration, limits: &EdgeConfig) {
        self.now.set(since_start);
        self.with(|open| open.watches.values().for_each(|watch| watch.judge(limits)));
    }

    pub(crate) fn order(&self, order: Order) {
        self.with(|open| open.watches.values().for_each(|watch| watch.order(order)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.with(|open| open.watches.is_empty())
    }

    /// Only its own thread asks, so nobody ever waits here.
    fn with<T>(&self, look: impl FnOnce(&mut Open) -> T) -> T {
        look(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prepare: impl FnOnce(&Watch), after_ms: u64, expected: Order) {
        let now = Coarse::default();
        let watch = Watch::new(now.clone());
        prepare(&watch);
        now.set(Duration::from_millis(after_ms));
        watch.judge(&EdgeConfig::default());
        assert_eq!(watch.ordered(), expected);
    }

    #[test]
    fn a_caller_who_says_nothing_is_cut() {
        check(|_| (), 10_001, Order::Cut);
        check(|_| (), 10_000, Order::Go);
    }

    #[test]
    fn a_caller_who_says_half_a_request_is_told() {
        check(|watch| watch.heard(), 10_001, Order::Expire);
    }

    #[test]
    fn a_caller_between_requests_has_more_time() {
        check(Watch::answered_at_once, 75_000, Order::Go);
        check(Watch::answered_at_once, 75_001, Order::Finish);
    }

    #[test]
    fn a_caller_who_does_not_read_is_cut() {
        check(|watch| watch.stalled(true), 30_002, Order::Cut);
    }

    /// A caller of HTTP/2 or 1 whose answer is under way; does so after every second, for a minute.
    #[track_caller]
    fn check_reader(reads: impl Fn(&Arc<Watch>, &Taking), expected: Order) {
        let now = Coarse::default();
        let watch = Arc::new(Watch::new(now.clone()));
        let taking = watch.begin().taking();
        taking.taken();
        for second in 1..=60 {
            now.set(Duration::from_secs(second));
            reads(&watch, &taking);
            watch.judge(&EdgeConfig::default());
        }
        assert_eq!(watch.ordered(), expected);
    }

    #[test]
    fn a_caller_who_reads_a_byte_now_and_then_is_cut_and_one_on_a_slow_line_is_not() {
        let reads = |bytes: usize| {
            move |watch: &Arc<Watch>, _: &Taking| {
                watch.stalled(true);
                watch.wrote(bytes);
            }
        };
        check_reader(reads(1), Order::Cut);
        check_reader(reads(1 << 10), Order::Go);
    }

    #[test]
    fn a_caller_of_http_2_who_grants_no_room_is_cut_and_one_who_waits_for_us_is_not() {
        let waits = |watch: &Arc<Watch>, taking: &Taking| {
            if watch.now_ms() == 1000 {
                taking.waits(1);
            }
        };
        check_reader(waits, Order::Cut);
        check_reader(|_, _| (), Order::Go);
        check_reader(
            |_, taking| {
                taking.taken();
                taking.waits(1);
            },
            Order::Go,
        );
    }
}
