//! Which classes are refused at the door, so that the better ones find a queue that is short.
//!
//! While the queue refuses, so much is let in as was served lately and a little more, best class first; the class on
//! the boundary is let in by a share. It follows what comes and what is served directly, not by trial, so it
//! is right after a few steps, and lets everybody in again as soon as less comes. The little more keeps the
//! queue refusing a few for as long as the flood lasts: that is how its end is noticed.

use crate::Class;

/// One class refused whole.
pub(crate) const WHOLE: u32 = 256;

/// What happened in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) passed_ns: u64,
    /// Requests that came, by class, refused ones too.
    pub(crate) came: [u64; Class::COUNT],
    /// Requests whose work ended.
    pub(crate) served: u64,
    /// Requests that the queue refused.
    pub(crate) refused: u64,
}

/// How far from below classes are refused.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Threshold {
    /// Smoothed, by the nanosecond.
    came: [f64; Class::COUNT],
    served: f64,
    /// The share of time in which the queue refused somebody.
    strained: f64,
    level: f64,
}

/// More is let in than was served lately, by this factor.
const MORE: f64 = 1.15;
/// The queue refuses in at least this share of steps, or the route is not overloaded.
const STRAINED_MIN: f64 = 0.05;
/// So many are let in within what is remembered, however few were served: work that takes longer than that must
/// not lock everybody out.
const LET_IN_MIN: f64 = 2.0;

impl Threshold {
    /// Learns what happened in a step. Tells the level: how many classes are refused, from below, in parts of
    /// [`WHOLE`].
    pub(crate) fn step(&mut self, step: &Step, memory_ns: u64) -> u32 {
        let passed = float(step.passed_ns).max(1.0);
        let memory = float(memory_ns).max(1.0);
        let takes = 1.0 - (-passed / memory).exp();
        let follow = |rate: &mut f64, count: u64| *rate += (float(count) / passed - *rate) * takes;
        self.came.iter_mut().zip(step.came).for_each(|(rate, count)| follow(rate, count));
        follow(&mut self.served, step.served);
        self.strained += (f64::from(u8::from(step.refused > 0)) - self.strained) * takes;
        self.level = match self.strained >= STRAINED_MIN {
            true => self.wanted(LET_IN_MIN / memory),
            // Without overload it only has to end softly, lest all come back in one moment.
            false => self.level / 2.0,
        };
        self.level()
    }

    fn wanted(&self, least: f64) -> f64 {
        let mut left = (self.served * MORE).max(least);
        for class in Class::ALL {
            let came = self.came[class.place()];
            // Operators are few, and must get in to end it.
            if came > left && class != Class::Operators {
                let refused_whole = f64::from(u32::try_from(Class::COUNT - 1 - class.place()).unwrap_or(0));
                return refused_whole + 1.0 - left / came;
            }
            left = (left - came).max(0.0);
        }
        0.0
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a level is nought to four")]
    fn level(&self) -> u32 {
        (self.level * f64::from(WHOLE)).round().clamp(0.0, 4.0 * f64::from(WHOLE)) as u32
    }
}

/// Does this level refuse a request of this class, whose lot, drawn evenly, is `lot` of [`WHOLE`]?
pub(crate) fn refuses(level: u32, class: Class, lot: u8) -> bool {
    let below = u32::try_from(Class::COUNT - 1 - class.place()).unwrap_or(0) * WHOLE;
    class != Class::Operators && level > below + u32::from(lot)
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a step are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP_NS: u64 = 20_000_000;
    const MEMORY_NS: u64 = 200_000_000;

    fn step(came: [u64; Class::COUNT], served: u64, refused: u64) -> Step {
        Step { passed_ns: STEP_NS, came, served, refused }
    }

    fn after(threshold: &mut Threshold, steps: u32, step: &Step) -> u32 {
        (0..steps).fold(0, |_, _| threshold.step(step, MEMORY_NS))
    }

    #[test]
    fn a_flood_of_the_lowest_is_refused_within_a_few_steps_and_nobody_else() {
        let mut threshold = Threshold::default();
        let level = after(&mut threshold, 5, &step([0, 1, 5, 4, 120], 10, 120));
        assert!((WHOLE * 9 / 10..=WHOLE).contains(&level), "{level}");
        assert!(refuses(level, Class::Crawlers, 100) && !refuses(level, Class::Anonymous, 0));
    }

    #[test]
    fn when_the_better_classes_are_too_many_the_worse_get_nothing() {
        let level = after(&mut Threshold::default(), 50, &step([0, 1, 20, 50, 120], 10, 50));
        assert!(refuses(level, Class::Anonymous, 255));
        assert!(refuses(level, Class::SignedIn, 0) && !refuses(level, Class::SignedIn, 250));
        assert!(!refuses(level, Class::Emergency, 0));
    }

    #[test]
    fn everybody_is_let_in_again_within_a_second_after_a_flood() {
        let mut threshold = Threshold::default();
        after(&mut threshold, 50, &step([0, 0, 0, 500, 0], 10, 100));
        assert_eq!(after(&mut threshold, 50, &step([0, 0, 0, 8, 0], 8, 0)), 0);
    }

    #[test]
    fn operators_are_never_refused() {
        let level = after(&mut Threshold::default(), 50, &step([1000; Class::COUNT], 0, 1000));
        assert!(!refuses(level, Class::Operators, 0));
    }

    proptest! {
        #[test]
        fn no_class_is_refused_while_a_worse_one_passes(level in 0_u32..=4 * WHOLE, lot: u8, other: u8) {
            for (better, worse) in Class::ALL.into_iter().zip(Class::ALL.into_iter().skip(1)) {
                prop_assert!(!refuses(level, better, lot) || refuses(level, worse, other));
            }
        }

        #[test]
        fn the_level_keeps_its_bounds(
            steps in prop::collection::vec((0_u64..1 << 40, prop::array::uniform5(0_u64..1 << 30), 0_u64..1 << 30, 0_u64..1 << 30), 1..100),
        ) {
            let mut threshold = Threshold::default();
            for (passed_ns, came, served, refused) in steps {
                let level = threshold.step(&Step { passed_ns, came, served, refused }, MEMORY_NS);
                prop_assert!(level <= 4 * WHOLE);
            }
        }
    }
}
