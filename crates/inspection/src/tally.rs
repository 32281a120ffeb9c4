//! What was found in one request so far.

use crate::{Bound, Class, Classes, Inspector, Place, normal::normal, plain};

/// Values of a head, without those that are plain, that are read as SQL, which takes longer than all else: so many of
/// which no rule speaks, and so many others.
const READ_MAX: usize = 256;

/// What is not looked for, or not looked at, in a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exempt<'a> {
    pub classes: Classes,
    /// Names of fields, parameters and members whose values are never looked at, in any letters.
    pub names: &'a [String],
    /// More of them.
    pub names_here: &'a [String],
}

impl Exempt<'_> {
    /// Are values of this name nobody's to look at?
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        let is = |private: &String| private.as_bytes().eq_ignore_ascii_case(name);
        self.names.iter().any(is) || self.names_here.iter().any(is)
    }
}

/// A request that carries an attack, as far as rules can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion<'a> {
    pub score: u32,
    /// What most of it speaks for.
    pub class: Class,
    /// The rule that spoke first.
    pub rule: &'a str,
}

/// What stands before and behind the first sign of equality.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let at = pair.iter().position(|byte| *byte == b'=');
    at.map_or((pair, [].as_slice()), |at| (&pair[..at], &pair[at + 1..]))
}

/// Adds up what the rules say of each value of a request; each of them counts once there. An attack stands in one value:
/// signs in many of them are what long honest texts have.
#[derive(Debug)]
pub struct Tally<'a> {
    pub(crate) inspector: &'a Inspector,
    exempt: Exempt<'a>,
    counted: Vec<bool>,
    scores: [u32; Class::ALL.len()],
    first: Option<usize>,
    /// Of the value that most spoke against.
    worst: Option<Suspicion<'a>>,
    /// Of a body: heads are bounded by whoever reads them.
    values_left: usize,
    /// Values of a head that are still read as SQL: those of which no rule speaks, and the others.
    read_left: [usize; 2],
    /// Beyond which there was more that nobody looked at.
    pub(crate) beyond: Option<Bound>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(inspector: &'a Inspector, exempt: Exempt<'a>) -> Self {
        Self {
            inspector,
            exempt,
            counted: vec![false; inspector.rules.len()],
            scores: [0; Class::ALL.len()],
            first: None,
            worst: None,
            values_left: inspector.bounds.values_max.get(),
            read_left: [READ_MAX; 2],
            beyond: None,
        }
    }

    /// Looks at a value and at its name. `form` takes `+` as a space.
    pub fn pair(&mut self, place: Place, name: &[u8], value: &[u8], form: bool) {
        self.value(place, name, form);
        if !self.is_private(name) {
            self.value(place, value, form);
        }
    }

    /// Are values of this name nobody's to look at?
    pub(crate) fn is_private(&self, name: &[u8]) -> bool {
        self.exempt.has(name)
    }

    /// Looks at a value. One that is plain, or has nothing in it, is seen through at once: only others count.
    pub fn value(&mut self, place: Place, value: &[u8], form: bool) {
        if place != Place::Path && place != Place::Agent && plain::is_plain_value(value) {
            return;
        }
        if place == Place::Body {
            let Some(values_left) = self.values_left.checked_sub(1) else {
                self.beyond.get_or_insert(Bound::Values);
                return;
            };
            self.values_left = values_left;
        }
        let normal = normal(value, form);
        let inspector = self.inspector;
        self.counted.fill(false);
        (self.scores, self.first) = ([0; Class::ALL.len()], None);
        inspector.matches(place, &normal.folded, |rule| self.count(rule));
        if let Some(bare) = &normal.bare {
            inspector.matches(place, bare, |rule| self.count(rule));
        }
        if matches!(place, Place::Query | Place::Field | Place::Body) {
            let read = place == Place::Body || self.may_read();
            inspector.read_tokens(&normal.decoded, read, |rule| self.count(rule));
        }
        let found = self.of_value();
        if found.map(|found| found.score) > self.worst.map(|worst| worst.score) {
            self.worst = found;
        }
    }

    /// Is this value of a head to be read as SQL? Thousands of them would keep a processor busy for long.
    fn may_read(&mut self) -> bool {
        let left = &mut self.read_left[usize::from(self.first.is_some())];
        let may = *left > 0;
        *left = left.saturating_sub(1);
        may
    }

    /// Looks at the cookies of a field.
    pub fn cookies(&mut self, value: &[u8]) {
        for cookie in value.split(|byte| *byte == b';') {
            let (name, value) = split(cookie.trim_ascii());
            self.pair(Place::Field, name, value, false);
        }
    }

    /// Looks at what a query or a form says, pair by pair.
    pub fn pairs(&mut self, place: Place, text: &[u8]) {
        for pair in text.split(|byte| *byte == b'&') {
            let (name, value) = split(pair);
            self.pair(place, name, value, true);
        }
    }

    fn count(&mut self, rule: usize) {
        let found = &self.inspector.rules[rule];
        if self.counted[rule] || self.exempt.classes.has(found.class) {
            return;
        }
        self.counted[rule] = true;
        self.first.get_or_insert(rule);
        let score = &mut self.scores[found.class as usize];
        *score = score.saturating_add(found.score);
    }

    /// What it comes to, if anything spoke for an attack.
    #[must_use]
    pub const fn suspicion(&self) -> Option<Suspicion<'a>> {
        self.worst
    }

    /// What kept it from looking at all of a body, if anything did.
    #[must_use]
    pub const fn beyond(&self) -> Option<Bound> {
        self.beyond
    }

    fn of_value(&self) -> Option<Suspicion<'a>> {
        let first = self.first?;
        let score = self.scores.iter().fold(0, |sum: u32, score| sum.saturating_add(*score));
        let class = Class::ALL.into_iter().max_by_key(|class| self.scores[*class as usize])?;
        Some(Suspicion { score, class, rule: &self.inspector.rules[first].name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(query: &str) -> Option<u32> {
        let inspector = Inspector::standard();
        let tally = inspector.begin("/", Some(query), Exempt::default())?;
        tally.suspicion().map(|suspicion| suspicion.score)
    }

    #[test]
    fn what_is_not_read_any_more_in_a_long_head_is_taken_for_what_it_may_be() {
        let (attack, many) = ("q=1+or+1%3D1", 1000);
        for dull in ["(b)&", "a='&", "a=(b)&", "&", "a=1&"] {
            let query = format!("{}{attack}", dull.repeat(many));
            assert!(score(&query) >= Some(5), "behind {dull}");
        }
        let (few, more) = ("a=(b)&".repeat(200), "a=(b)&".repeat(400));
        assert_eq!(score(&few), None);
        assert_eq!(score(&more), Some(4), "not all of it was read: alone that refuses nothing");
        let honest = format!("{more}q=it's");
        assert!(score(&honest) < Some(5), "what a rule speaks of is read for longer");
    }
}
