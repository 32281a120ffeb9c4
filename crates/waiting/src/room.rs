//! A waiting room: the shell around its arithmetic.

use std::{
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use clock::{Clock, Timestamp};
use limiter::Shared;
use serde::Serialize;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{
    Bearer, Keys, Lots, Reason, Serving, Standing, Token, Word,
    desk::{Desk, Key},
    persons::Persons,
    view::{STRETCHES, View, Worth, pass_ends},
};

/// How long a node gives out the numbers of a block: who comes later elsewhere is not before it for longer.
const BLOCK_MS: u64 = 50;
/// Numbers of one block.
const BLOCK_MAX: u64 = 1024;
/// How much larger a block may be than what was drawn of the one before.
const GROWTH: u64 = 4;

/// How a room is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// People inside at once.
    pub capacity: u64,
    /// People let in in 1,000 seconds.
    pub rate_milli: u32,
    /// How long a pass is good without use.
    pub idle_ms: u64,
    /// How long whoever's turn it is is expected, and room kept for them.
    pub turn_ms: u64,
    pub opens_at: Option<Timestamp>,
    pub ask_ms_min: u64,
    pub ask_ms_max: u64,
    /// Passes that a node knows of; those beyond are counted each time they are made longer.
    pub passes_max: usize,
    /// About how many nodes there are: while nobody can be asked, each lets in its part.
    pub nodes: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            rate_milli: 50_000,
            idle_ms: 600_000,
            turn_ms: 30_000,
            opens_at: None,
            ask_ms_min: 2000,
            ask_ms_max: 15_000,
            passes_max: 1_000_000,
            nodes: 1,
        }
    }
}

/// What is to be done about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It may go on, and its bearer keeps this from now on, if anything.
    Pass { keep: Option<Token> },
    /// Its bearer keeps this, and waits.
    Wait { keep: Token, standing: Standing },
    /// There is nothing to wait for.
    Closed(Reason),
    /// A number has to be drawn first ([`Room::arrive`]).
    Draw,
}

/// How a room stands, for operators.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomState {
    pub open: bool,
    pub closed: Option<Reason>,
    pub capacity: u64,
    /// People let in a second, at most.
    pub rate: f64,
    /// Numbers that were drawn, of all nodes.
    pub issued: u64,
    /// Up to which number people are let in.
    pub serving: u64,
    pub waiting: u64,
    /// People inside, of all nodes.
    pub inside: u64,
    /// People whose turn it is and who have not come yet.
    pub expected: u64,
    /// Let in by this node, since its start.
    pub let_in: u64,
    /// Nobody answers where nodes count together.
    pub alone: bool,
}

/// Numbers that this node may give out.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    next: u64,
    end: u64,
    until_ms: u64,
    /// How many were drawn of the last one.
    drawn: u64,
}

impl Block {
    /// How many are likely to come while the next one lasts: as many as came while this one did.
    fn likely(&self, now_ms: u64) -> u64 {
        let over_ms = now_ms.saturating_sub(self.until_ms);
        if over_ms > BLOCK_MS {
            return 0;
        }
        let lasted_ms = (now_ms + BLOCK_MS).saturating_sub(self.until_ms).clamp(1, BLOCK_MS);
        (self.drawn * BLOCK_MS / lasted_ms).min(self.drawn * GROWTH)
    }
}

/// One room on one node.
#[derive(Debug)]
pub struct Room {
    keys: Keys,
    desk: Desk,
    view: Mutex<View>,
    block: Mutex<Block>,
    persons: Mutex<Persons>,
    /// Whoever leases a block does so for all who wait for one.
    leasing: Arc<AsyncMutex<()>>,
    /// How many wait for one now.
    queueing: AtomicU64,
    tending: AsyncMutex<()>,
    /// A quarter of how long a pass is good without use, for those who look at nothing else.
    stretch_ms: AtomicU64,
    /// Until then passes come back that a process before this one gave out.
    learns_until_ms: u64,
}

/// Somebody who waits for a block, and may go before it comes.
#[derive(Debug)]
struct Queueing<'a>(&'a AtomicU64);

impl<'a> Queueing<'a> {
    fn up(queueing: &'a AtomicU64) -> Self {
        queueing.fetch_add(1, Relaxed);
        Self(queueing)
    }
}

impl Drop for Queueing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A number on its way to whoever drew it: if they have gone meanwhile it is left out.
#[derive(Debug)]
struct Drawn {
    number: u64,
    from: Option<Arc<Room>>,
}

impl Drawn {
    fn take(mut self) -> u64 {
        self.from = None;
        self.number
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if let Some(room) = &self.from {
            room.view().leave_out(self.number..self.number + 1);
        }
    }
}

impl Room {
    /// Of this name, which nodes that share `shared` know it by.
    #[must_use]
    pub fn new(name: &str, terms: Terms, keys: Keys, clock: Clock, shared: Option<Shared>) -> Self {
        let view = View::new(terms);
        let desk = Desk::new(name, clock, shared);
        let learns_ms = if desk.is_alone() { 2 * terms.idle_ms } else { 0 };
        Self {
            keys,
            stretch_ms: AtomicU64::new(view.stretch_ms()),
            learns_until_ms: desk.now_ms() + learns_ms,
            desk,
            view: Mutex::new(view),
            block: Mutex::default(),
            persons: Mutex::default(),
            leasing: Arc::default(),
            queueing: AtomicU64::new(0),
            tending: AsyncMutex::default(),
        }
    }

    /// Runs it on these terms from now on. Nobody loses a place, and a room that is open stays open.
    pub fn set(&self, terms: Terms) {
        let mut view = self.view();
        if terms.opens_at.is_none() && view.lots.is_none() {
            // Those who came before are served as they came.
            view.open(Lots::new([0; 32], 0));
        }
        view.set(terms, self.desk.now_ms());
        self.stretch_ms.store(view.stretch_ms(), Relaxed);
    }

    /// What a text says that its bearer kept.
    #[must_use]
    pub fn read(&self, text: &[u8], bearer: Bearer<'_>) -> Option<Token> {
        self.keys.read(text, bearer)
    }

    /// The text that its bearer keeps.
    #[must_use]
    pub fn sign(&self, token: Token, bearer: Bearer<'_>) -> String {
        self.keys.sign(token, bearer)
    }

    /// What is to be done about a request with this token, without asking anybody.
    #[must_use]
    pub fn look(&self, token: Option<Token>) -> Step {
        let now_ms = self.desk.now_ms();
        // Those who are inside and were seen a while ago wait for nobody.
        let stretch_ms = self.stretch_ms.load(Relaxed);
        let target_ms = pass_ends(now_ms, stretch_ms);
        // What ends later than that was given out on other terms.
        let fresh_ms = target_ms..=target_ms + stretch_ms;
        if let Some(Token::Pass { until, .. }) = token
            && fresh_ms.contains(&until)
            && now_ms >= self.learns_until_ms
        {
            return Step::Pass { keep: None };
        }
        let mut view = self.view();
        if let Some(token) = token.filter(|_| self.desk.is_alone()) {
            view.learn(token, now_ms);
            self.desk.change_here(Key::Issued, |issued| issued.max(view.issued));
        }
        if let Some(Token::Pass { number, until }) = token
            && now_ms < until
        {
            let now = view.count(number, Some(until), now_ms);
            return Step::Pass { keep: (Some(now) != token).then_some(now) };
        }
        if let Some(reason) = view.word.closed {
            return Step::Closed(reason);
        }
        let Some(Token::Place { number, from }) = token else { return Step::Draw };
        match view.worth(number, from, now_ms) {
            Worth::Pass(pass) => Step::Pass { keep: Some(pass) },
            Worth::Wait(standing) => Step::Wait { keep: Token::Place { number, from }, standing },
            Worth::Over => Step::Draw,
        }
    }

    /// Draws a number for somebody who has none, and tells what comes of it. A person who is known has one number,
    /// wherever they come from.
    pub async fn arrive(self: &Arc<Self>, person: Option<&[u8]>) -> Step {
        let person = person.map(|person| self.keys.person(person));
        let number = match person {
            Some(person) => self.number_of(person).await,
            None => self.draw().await,
        };
        let from = self.view().serving.upto;
        match self.look(Some(Token::Place { number, from })) {
            // A number that was just drawn is over only if its person's turn was long ago: they begin again.
            Step::Draw => {
                let drawn = self.draw().await;
                let number = match person {
                    Some(person) => self.settle_on(person, drawn, number).await,
                    None => drawn,
                };
                self.look(Some(Token::Place { number, from }))
            }
            step @ (Step::Pass { .. } | Step::Wait { .. } | Step::Closed(_)) => step,
        }
    }

    /// Says something about it to all nodes.
    pub async fn say(&self, change: impl Fn(Word) -> Word) -> Word {
        let said = self.desk.change(Key::Word, |word| change(Word::unpack(word)).pack()).await;
        let word = Word::unpack(said);
        self.view().word = word;
        word
    }

    /// Hears what others did, tells what was done here, and lets in whom the terms allow. To be called some four times a
    /// second.
    pub async fn tend(&self) {
        let Ok(_one_at_a_time) = self.tending.try_lock() else { return };
        let word = self.desk.change(Key::Word, |word| word).await;
        let known = self.view().issued;
        let issued = self.desk.change(Key::Issued, |issued| issued.max(known)).await;
        {
            let mut view = self.view();
            view.word = Word::unpack(word);
            view.issued = view.issued.max(issued);
        }
        self.leave_out_the_rest();
        self.open_if_due().await;
        // Whoever comes in is inside before they are settled: told, and heard, in any other order, they would for a moment be
        // neither inside nor expected, and somebody else would be let in for them.
        let came = self.tell().await;
        self.settle(came).await;
        self.count_inside().await;
        self.advance().await;
        self.desk.sweep();
        let now_ms = self.desk.now_ms();
        self.view().tend(now_ms);
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> RoomState {
        let now_ms = self.desk.now_ms();
        let view = self.view();
        #[expect(clippy::cast_precision_loss, reason = "rates are small numbers")]
        let rate = view.rate_milli() as f64 / 1000.0;
        RoomState {
            open: view.lots.is_some(),
            closed: view.word.closed,
            capacity: view.terms.capacity,
            rate,
            issued: view.issued,
            serving: view.serving.upto,
            waiting: view.waiting(),
            inside: view.inside,
            expected: view.serving.expected(&view.outlook(now_ms)),
            let_in: view.let_in,
            alone: self.desk.is_away(),
        }
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn number_of(self: &Arc<Self>, person: u128) -> u64 {
        let known = self.persons.lock().unwrap_or_else(PoisonError::into_inner).number_of(person);
        if let Some(number) = known {
            return number;
        }
        let drawn = self.draw().await;
        self.settle_on(person, drawn, u64::MAX).await
    }

    /// The number that a person has on all nodes: this one, if they had none, or had one that is over.
    async fn settle_on(self: &Arc<Self>, person: u128, drawn: u64, over: u64) -> u64 {
        let room = self.clone();
        self.to_the_end(async move {
            let kept = |before: u64| if before == 0 || before - 1 == over { drawn + 1 } else { before };
            let number = room.desk.change(Key::Person(person), kept).await.saturating_sub(1);
            if number != drawn {
                room.view().leave_out(drawn..drawn + 1);
            }
            room.remember(person, number);
            number
        })
        .await
    }

    fn remember(&self, person: u128, number: u64) {
        self.persons.lock().unwrap_or_else(PoisonError::into_inner).remember(person, number);
    }

    /// A number that nobody else has.
    async fn draw(self: &Arc<Self>) -> u64 {
        if let Some(number) = self.draw_from_block() {
            return number;
        }
        let _queueing = Queueing::up(&self.queueing);
        let leasing = self.leasing.clone().lock_owned().await;
        match self.draw_from_block() {
            Some(number) => number,
            None => self.to_the_end(self.clone().lease(leasing)).await.take(),
        }
    }

    /// Does to the end what others hear of, whether or not whoever asked for it stays: half of it would be done there and
    /// not known here.
    async fn to_the_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        if self.desk.is_alone() {
            // Nobody is asked, so nothing is waited for.
            return work.await;
        }
        match tokio::spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The process ends, and nobody is answered any more.
                Err(_ended) => std::future::pending().await,
            },
        }
    }

    fn draw_from_block(&self) -> Option<u64> {
        let mut block = self.block();
        if block.next >= block.end || self.desk.now_ms() >= block.until_ms {
            return None;
        }
        block.next += 1;
        block.drawn += 1;
        Some(block.next - 1)
    }

    /// Takes a block for those who wait for one, and for those who are likely to come as long as it lasts; one number of it
    /// is taken.
    async fn lease(self: Arc<Self>, _leasing: OwnedMutexGuard<()>) -> Drawn {
        let soon = {
            let block = self.block();
            block.likely(self.desk.now_ms())
        };
        // A number that nobody draws is a turn that nobody takes: where nobody is asked, none is taken in store.
        let size =
            if self.desk.is_alone() { 1 } else { self.queueing.load(Relaxed).max(soon).clamp(1, BLOCK_MAX) };
        let known = self.view().issued;
        let leased = self.desk.change(Key::Issued, |issued| issued.max(known) + size).await;
        let first = leased - size;
        {
            let mut view = self.view();
            view.issued = view.issued.max(leased);
        }
        let until_ms = self.desk.now_ms() + BLOCK_MS;
        let next = Block { next: first + 1, end: leased, until_ms, drawn: 1 };
        let before = std::mem::replace(&mut *self.block(), next);
        self.view().leave_out(before.next..before.end);
        Drawn { number: first, from: Some(self) }
    }

    /// Opens the room when it is time: whoever had drawn a number until then takes part in the lots.
    async fn open_if_due(&self) {
        let (issued, due) = {
            let view = self.view();
            let Some(opens_at) = view.terms.opens_at.filter(|_| view.lots.is_none()) else { return };
            (view.issued, view.word.opened || self.desk.now_ms() >= opens_at.millis())
        };
        let opened = self
            .desk
            .change(Key::Opened, |opened| if opened == 0 && due { issued + 1 } else { opened })
            .await;
        if let Some(before) = opened.checked_sub(1) {
            self.view().open(Lots::new(self.keys.lots(), before));
        }
    }

    /// Tells all nodes which passes end when, and answers how many came whose passes these are. What cannot be told is
    /// kept until it can.
    async fn tell(&self) -> u64 {
        let (endings, came) = {
            let mut view = self.view();
            (std::mem::take(&mut view.endings), std::mem::take(&mut view.came))
        };
        for ((length_ms, index), count) in endings {
            let told = count == 0 || {
                let key = Key::Ending { length_ms, index };
                self.desk.change_shared(key, |before| before.wrapping_add_signed(count)).await.is_some()
            };
            if !told {
                *self.view().endings.entry((length_ms, index)).or_default() += count;
            }
        }
        came
    }

    /// Adds up the passes that have not ended, on all nodes.
    async fn count_inside(&self) {
        let now_ms = self.desk.now_ms();
        let lengths = self.view().lengths(now_ms);
        let mut inside = 0;
        for &length_ms in &lengths {
            let now = now_ms / length_ms;
            for index in now + 1..=now + STRETCHES {
                let ending = self.desk.change(Key::Ending { length_ms, index }, |count| count).await;
                inside += ending.cast_signed();
            }
        }
        let mut view = self.view();
        // What is not told yet, because nobody answers, or because it was counted just now.
        let goes_on = |(length_ms, index): (u64, u64)| now_ms < index * length_ms;
        let untold: i64 =
            view.endings.iter().filter(|(ends, _)| goes_on(**ends)).map(|(_, count)| count).sum();
        view.inside = u64::try_from(inside + untold).unwrap_or_default();
    }

    /// Numbers of a block that is over are drawn by nobody.
    fn leave_out_the_rest(&self) {
        let rest = {
            let mut block = self.block();
            let is_over = self.desk.now_ms() >= block.until_ms;
            let rest = block.next..block.end;
            if is_over {
                block.next = block.end;
            }
            is_over.then_some(rest)
        };
        if let Some(rest) = rest {
            self.view().leave_out(rest);
        }
    }

    /// Tells that so many came, and gives up those who did not for too long.
    async fn settle(&self, came: u64) {
        let (turn_ms, idle_ms, is_paused) = {
            let view = self.view();
            (view.terms.turn_ms, view.terms.idle_ms.max(view.terms.turn_ms), view.is_paused())
        };
        let (expected_from, good_from) = if is_paused {
            (0, 0)
        } else {
            (self.served_before(turn_ms).await, self.served_before(idle_ms).await)
        };
        let (gone, known) = {
            let mut view = self.view();
            view.expected_from = view.expected_from.max(expected_from);
            view.good_from = view.good_from.max(good_from);
            (came + view.left_out(), view.settled)
        };
        let to = |settled: u64| settled.max(known) + gone;
        let settled = self.desk.change(Key::Settled, |settled| to(settled).max(expected_from)).await;
        let mut view = self.view();
        view.settled = view.settled.max(settled);
    }

    /// Up to which number people had been let in one to two such lengths ago.
    async fn served_before(&self, length_ms: u64) -> u64 {
        let index = self.desk.now_ms() / length_ms;
        let served = {
            let view = self.view();
            view.serving.upto.min(view.issued)
        };
        let mark = |index| Key::Mark { length_ms, index };
        self.desk.change(mark(index), |mark| if mark == 0 { served + 1 } else { mark }).await;
        let Some(before) = index.checked_sub(1) else { return 0 };
        self.desk.change(mark(before), |mark| mark).await.saturating_sub(1)
    }

    async fn advance(&self) {
        let (outlook, known, is_open) = {
            let view = self.view();
            let mut outlook = view.outlook(self.desk.now_ms());
            if self.desk.is_away() {
                outlook.rate_milli /= u64::from(view.terms.nodes.max(1));
            }
            (outlook, view.serving, view.lots.is_some() && view.word.closed.is_none())
        };
        let further = |packed: u64| {
            let found = Serving::unpack(packed, outlook.now_ms);
            let furthest = if found.upto < known.upto { known } else { found };
            let next = if is_open { furthest.advance(&outlook) } else { furthest };
            // Where nobody is let in, what is due is worth telling only if it is not to be made up for.
            if next.upto == found.upto && outlook.rate_milli > 0 { packed } else { next.pack() }
        };
        let serving = self.desk.change(Key::Serving, further).await;
        let mut view = self.view();
        let heard = Serving::unpack(serving, outlook.now_ms);
        if heard.upto >= view.serving.upto {
            view.serving = heard;
        }
    }
}

#[cfg(test)]
mod tests;
