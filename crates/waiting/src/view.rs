//! How a room stands as this node sees it, and what follows from that for one who asks: arithmetic, without a journey.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use crate::{Lots, Outlook, Serving, Terms, Token, Word};

/// A pass ends with one of so many stretches, each a quarter of how long it is good without use.
pub(crate) const STRETCHES: u64 = 5;

/// How long the pace is taken before it is believed.
const PACE_MS: u64 = 10_000;

/// Lengths of stretches that are still counted after the terms changed.
const FORMER_MAX: usize = 4;

/// Places that were given to nobody, and that are remembered so that nobody waits for them.
const LEFT_OUT_MAX: usize = 100_000;

/// Where somebody who waits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// 1 for whoever is next; nothing before the opening, when places are not drawn yet.
    pub place: Option<u64>,
    /// How many wait, of all.
    pub waiting: u64,
    /// How long it will take; nothing if nobody can say.
    pub wait_ms: Option<u64>,
    /// How much of the way is done.
    pub done_permille: u32,
    /// How long until the opening, if it is not open.
    pub opens_in_ms: Option<u64>,
    /// When to ask again.
    pub ask_again_ms: u64,
}

#[derive(Debug)]
pub(crate) struct View {
    pub(crate) terms: Terms,
    pub(crate) word: Word,
    pub(crate) issued: u64,
    pub(crate) serving: Serving,
    pub(crate) settled: u64,
    /// Who came before the opening, in their order; nothing until it is open.
    pub(crate) lots: Option<Lots>,
    /// Inside, on all nodes, when that was last counted, and those who came late since.
    pub(crate) inside: u64,
    /// Places below are not expected any more: they are let in when there is room.
    pub(crate) expected_from: u64,
    /// Places below are over.
    pub(crate) good_from: u64,
    /// Places that this node gave to nobody, at most [`LEFT_OUT_MAX`]; numbers before the opening.
    left_out: BTreeSet<u64>,
    /// Passes that this node knows of, by number, and when they end.
    passes: HashMap<u64, u64>,
    /// What this node counted and has not told: passes that end with a stretch, by its length and its index.
    pub(crate) endings: BTreeMap<(u64, u64), i64>,
    /// Lengths that stretches had under terms before these, and when the last pass that was counted in them ends: who came
    /// in under those terms is still inside.
    former: Vec<(u64, u64)>,
    pub(crate) came: u64,
    pub(crate) let_in: u64,
    /// When it was last looked how far it had come, and what the pace was, in people in 1,000 seconds.
    paced: (u64, u64),
    pace_milli: Option<u64>,
}

/// What a place is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    Pass(Token),
    Wait(Standing),
    /// Its turn came and went.
    Over,
}

impl View {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            word: Word::default(),
            issued: 0,
            serving: Serving::unpack(0, 0),
            settled: 0,
            lots: terms.opens_at.is_none().then(|| Lots::new([0; 32], 0)),
            inside: 0,
            expected_from: 0,
            good_from: 0,
            left_out: BTreeSet::new(),
            passes: HashMap::new(),
            endings: BTreeMap::new(),
            former: Vec::new(),
            came: 0,
            let_in: 0,
            paced: (0, 0),
            pace_milli: None,
        }
    }

    pub(crate) const fn stretch_ms(&self) -> u64 {
        let quarter = self.terms.idle_ms / 4;
        if quarter == 0 { 1 } else { quarter }
    }

    /// Goes by these terms from now on.
    pub(crate) fn set(&mut self, terms: Terms, now_ms: u64) {
        let before = self.stretch_ms();
        self.terms = terms;
        let length = self.stretch_ms();
        if length == before {
            return;
        }
        self.former.push((before, pass_ends(now_ms, before)));
        self.former.retain(|(former, until)| *former != length && now_ms < *until);
        let most = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..most);
    }

    /// The lengths of the stretches in which somebody who is inside may be counted.
    pub(crate) fn lengths(&self, now_ms: u64) -> Vec<u64> {
        let former = self.former.iter().filter(|(_, until)| now_ms < *until).map(|(length, _)| *length);
        std::iter::once(self.stretch_ms()).chain(former).collect()
    }

    /// In which stretch a pass that ends at `until` is counted; none if it was counted longer ago than is remembered. One
    /// that ends with stretches of two lengths is in either: they end together.
    fn stretch_of(&self, until: u64, now_ms: u64) -> Option<(u64, u64)> {
        let has = |length: &u64| until.is_multiple_of(*length) && until <= pass_ends(now_ms, *length);
        let length = self.lengths(now_ms).into_iter().find(has)?;
        Some((length, until / length))
    }

    /// Is a pass that ends at `until` among those that are added up? One that a process before this one gave out on other
    /// terms is not.
    fn is_counted(&self, until: u64, now_ms: u64) -> bool {
        // The clock of whoever gave it out may be a little ahead.
        let (stretch, ahead) = (self.stretch_ms(), pass_ends(now_ms, self.stretch_ms()) + self.stretch_ms());
        self.stretch_of(until, now_ms).is_some() || (until.is_multiple_of(stretch) && until <= ahead)
    }

    pub(crate) fn rate_milli(&self) -> u64 {
        self.word.rate_milli.unwrap_or(self.terms.rate_milli).into()
    }

    /// Is nobody let in for a while? Then nobody loses their turn either.
    pub(crate) fn is_paused(&self) -> bool {
        self.word.closed.is_some() || self.rate_milli() == 0
    }

    pub(crate) fn outlook(&self, now_ms: u64) -> Outlook {
        Outlook {
            now_ms,
            rate_milli: self.rate_milli(),
            capacity: self.terms.capacity,
            inside: self.inside,
            issued: self.issued,
            settled: self.settled,
        }
    }

    /// People who wait: drawn, and not let in.
    pub(crate) fn waiting(&self) -> u64 {
        self.issued.saturating_sub(self.serving.upto)
    }

    /// What was signed was so: a process that begins again, and can ask nobody, learns from those who come back how far it
    /// had got.
    pub(crate) fn learn(&mut self, token: Token, now_ms: u64) {
        let place = |number| self.lots.as_ref().map_or(number, |lots| lots.place(number));
        let (number, upto) = match token {
            Token::Place { number, from } => (number, from),
            Token::Pass { number, .. } => (number, place(number) + 1),
        };
        // One that was counted in stretches of a length that nobody remembers is counted anew when it is used.
        if let Token::Pass { number, until } = token
            && let Some(ends) = self.stretch_of(until, now_ms)
            && until > now_ms
            && self.passes.len() < self.terms.passes_max
            && !self.passes.contains_key(&number)
        {
            self.passes.insert(number, until);
            *self.endings.entry(ends).or_default() += 1;
        }
        self.issued = self.issued.max(number + 1);
        if upto > self.serving.upto {
            self.serving.upto = upto;
            // Who was let in before is inside, or will not come.
            self.settled = self.settled.max(upto);
        }
    }

    /// What a place is worth now; whoever is let in is counted.
    pub(crate) fn worth(&mut self, number: u64, from: u64, now_ms: u64) -> Worth {
        let Some(place) = self.lots.as_ref().map(|lots| lots.place(number)) else {
            return Worth::Wait(self.standing(None, number, from, now_ms));
        };
        if place >= self.serving.upto {
            return Worth::Wait(self.standing(Some(place), number, from, now_ms));
        }
        let known = self.passes.get(&number).is_some_and(|until| now_ms < *until);
        if known {
            return Worth::Pass(self.count(number, None, now_ms));
        }
        if place < self.good_from {
            return Worth::Over;
        }
        if self.is_paused() {
            return Worth::Wait(self.standing(Some(place), number, from, now_ms));
        }
        if place < self.expected_from {
            if self.inside >= self.terms.capacity {
                return Worth::Wait(self.standing(Some(place), number, from, now_ms));
            }
            self.inside += 1;
        } else {
            self.came += 1;
        }
        self.let_in += 1;
        Worth::Pass(self.count(number, None, now_ms))
    }

    /// Counts the use of a pass that ends at `until`, if its bearer brought one; tells the pass from now on.
    pub(crate) fn count(&mut self, number: u64, until: Option<u64>, now_ms: u64) -> Token {
        let stretch = self.stretch_ms();
        let target = pass_ends(now_ms, stretch);
        let known = self.passes.get(&number).copied();
        let told = until.filter(|until| self.is_counted(*until, now_ms));
        let token = |ends: u64| Token::Pass { number, until: until.map_or(ends, |until| until.max(ends)) };
        let counted = known.max(told);
        if let Some(counted) = counted
            && counted >= target
        {
            return token(counted);
        }
        if self.passes.len() >= self.terms.passes_max {
            self.passes.retain(|_, until| now_ms < *until);
        }
        let is_full = self.passes.len() >= self.terms.passes_max;
        if is_full && counted.is_none() && until.is_some() {
            // Nobody could remember that it was counted, so every use of it would count.
            return token(target);
        }
        let before = counted.filter(|ends| *ends > now_ms).and_then(|ends| self.stretch_of(ends, now_ms));
        if let Some(before) = before {
            *self.endings.entry(before).or_default() -= 1;
        }
        *self.endings.entry((stretch, target / stretch)).or_default() += 1;
        if !is_full {
            self.passes.insert(number, target);
        }
        token(target)
    }

    /// From now on places are known.
    pub(crate) fn open(&mut self, lots: Lots) {
        self.left_out =
            std::mem::take(&mut self.left_out).into_iter().map(|number| lots.place(number)).collect();
        self.lots = Some(lots);
    }

    /// Nobody has these numbers: their turns are not waited for.
    pub(crate) fn leave_out(&mut self, numbers: Range<u64>) {
        for number in numbers {
            if self.left_out.len() < LEFT_OUT_MAX {
                let place = self.lots.as_ref().map_or(number, |lots| lots.place(number));
                self.left_out.insert(place);
            }
        }
    }

    /// How many of those whose turn came since this was last asked do not exist.
    pub(crate) fn left_out(&mut self) -> u64 {
        if self.lots.is_none() {
            return 0;
        }
        let later = self.left_out.split_off(&self.serving.upto);
        let due = std::mem::replace(&mut self.left_out, later);
        due.range(self.expected_from..).count() as u64
    }

    /// Forgets passes that are over, and takes the pace.
    pub(crate) fn tend(&mut self, now_ms: u64) {
        let (then_ms, then) = self.paced;
        let passed_ms = now_ms.saturating_sub(then_ms);
        if passed_ms < PACE_MS {
            return;
        }
        let pace = self.serving.upto.saturating_sub(then).saturating_mul(1_000_000) / passed_ms;
        // While nobody waits the door stands open, and how many come says nothing of how many could.
        let measured = then_ms != 0 && self.waiting() > 0;
        let before = self.pace_milli.unwrap_or(self.rate_milli());
        self.pace_milli = measured.then_some((3 * before + pace) / 4);
        self.paced = (now_ms, self.serving.upto);
        self.passes.retain(|_, until| now_ms < *until);
    }

    fn standing(&self, place: Option<u64>, number: u64, from: u64, now_ms: u64) -> Standing {
        let upto = self.serving.upto;
        let ahead = place.map(|place| place.saturating_sub(upto));
        let opens_in_ms = match (place, self.terms.opens_at) {
            (None, Some(opens_at)) => Some(opens_at.millis().saturating_sub(now_ms)),
            (None, None) | (Some(_), _) => None,
        };
        let rate = self.rate_milli();
        let pace = self.pace_milli.unwrap_or(rate).min(rate);
        // At a hundredth of the rate, whoever is told a time is told nothing.
        let pace = if pace < rate / 100 { 0 } else { pace };
        let takes = |ahead: u64| (ahead + 1).saturating_mul(1_000_000).checked_div(pace);
        let wait_ms = ahead.and_then(takes);
        let done_permille = match (place, ahead) {
            (Some(place), Some(ahead)) if place > from => {
                let way = place - from;
                u32::try_from((way.saturating_sub(ahead)).saturating_mul(1000) / way).unwrap_or(1000)
            }
            (Some(_) | None, _) => 0,
        };
        let Terms { ask_ms_min: least, ask_ms_max: most, .. } = self.terms;
        let about = match (opens_in_ms, wait_ms) {
            // Who came before the opening learn their places all at once: they ask again over some seconds.
            (Some(opens), _) => opens.saturating_add(least).min(most),
            (None, Some(wait)) => (wait / 8).clamp(least, most),
            (None, None) => most,
        };
        Standing {
            place: ahead.map(|ahead| ahead + 1),
            waiting: self.waiting(),
            wait_ms,
            done_permille,
            opens_in_ms,
            ask_again_ms: spread(about, number, now_ms),
        }
    }
}

/// When a pass ends that is used now.
pub(crate) const fn pass_ends(now_ms: u64, stretch_ms: u64) -> u64 {
    (now_ms / stretch_ms + STRETCHES) * stretch_ms
}

/// Up to a quarter more, so that those who asked together do not ask together again.
const fn spread(about_ms: u64, number: u64, now_ms: u64) -> u64 {
    // Any good mixing will do (SplitMix64's constants).
    let mixed = (number ^ now_ms.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    about_ms + (mixed >> 32) % (about_ms / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;

    const NOW: u64 = 1_700_000_000_000;

    fn view(capacity: u64) -> View {
        let terms = Terms { capacity, rate_milli: 10_000, ..Terms::default() };
        View::new(terms)
    }

    fn place(view: &mut View, number: u64, now_ms: u64) -> Worth {
        view.worth(number, 0, now_ms)
    }

    #[test]
    fn a_place_is_worth_one_pass_however_often_it_is_shown() {
        let mut view = view(10);
        (view.issued, view.serving.upto) = (5, 5);
        let first = place(&mut view, 3, NOW);
        assert!(matches!(first, Worth::Pass(Token::Pass { number: 3, .. })));
        assert!((0..9).all(|_| place(&mut view, 3, NOW) == first));
        assert_eq!((view.came, view.endings.values().sum::<i64>()), (1, 1));
    }

    #[test]
    fn a_pass_in_use_is_counted_once_wherever_it_ends() {
        let mut view = view(10);
        view.serving.upto = 5;
        let stretch = view.stretch_ms();
        let mut now = NOW;
        let Worth::Pass(Token::Pass { mut until, .. }) = place(&mut view, 3, now) else { panic!("let in") };
        for _ in 0..20 {
            now += stretch;
            let Token::Pass { until: next, .. } = view.count(3, Some(until), now) else { panic!("a pass") };
            assert!(next > until);
            until = next;
        }
        let ending: Vec<_> = view.endings.iter().filter(|(_, count)| **count != 0).collect();
        assert_eq!(ending, [(&(stretch, until / stretch), &1)]);
        assert!(until >= now + view.terms.idle_ms);
    }

    #[test]
    fn whoever_comes_late_comes_in_when_there_is_room_and_not_for_ever() {
        let mut view = view(10);
        (view.issued, view.serving.upto, view.expected_from, view.good_from) = (50, 40, 30, 20);
        view.inside = 10;
        assert!(matches!(place(&mut view, 25, NOW), Worth::Wait(Standing { place: Some(1), .. })));
        view.inside = 9;
        assert!(matches!(place(&mut view, 25, NOW), Worth::Pass(_)));
        assert_eq!((view.inside, view.came), (10, 0), "it is not expected any more");
        assert_eq!(place(&mut view, 15, NOW), Worth::Over);
    }

    #[test]
    fn whoever_is_far_away_asks_less_often() {
        let mut view = view(10);
        view.issued = 100_000;
        let ask = |number: u64, view: &mut View| match place(view, number, NOW) {
            Worth::Wait(standing) => standing.ask_again_ms,
            worth @ (Worth::Pass(_) | Worth::Over) => panic!("{worth:?}"),
        };
        let (near, far) = (ask(1, &mut view), ask(90_000, &mut view));
        assert!((2000..=2500).contains(&near), "{near}");
        assert!((15_000..=18_750).contains(&far), "{far}");
    }

    #[test]
    fn before_the_opening_nobody_has_a_place_and_everybody_asks_at_about_that_time() {
        let mut view = view(10);
        view.lots = None;
        view.terms.opens_at = Some(Timestamp::from_millis(NOW + 3000));
        view.issued = 7;
        let Worth::Wait(standing) = place(&mut view, 3, NOW) else { panic!("it is not open") };
        assert_eq!((standing.place, standing.opens_in_ms, standing.waiting), (None, Some(3000), 7));
        assert!((5000..=6250).contains(&standing.ask_again_ms), "{standing:?}");
    }

    #[test]
    fn how_long_it_takes_follows_the_pace() {
        let mut view = view(10);
        view.issued = 1000;
        let wait = |view: &mut View| match place(view, 99, NOW) {
            Worth::Wait(standing) => standing.wait_ms,
            worth @ (Worth::Pass(_) | Worth::Over) => panic!("{worth:?}"),
        };
        assert_eq!(wait(&mut view), Some(10_000), "as the rate says");
        view.tend(NOW);
        view.serving.upto = 50;
        view.tend(NOW + 10_000);
        assert_eq!(wait(&mut view), Some(5714), "fifty people, a little more slowly");
        (1..20).for_each(|ten| view.tend(NOW + 10_000 + ten * 10_000));
        assert_eq!(wait(&mut view), None, "nobody can say");
    }
}
