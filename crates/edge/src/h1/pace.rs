//! When a caller who sends little at a time is read again.
//!
//! A thousand callers who each say a byte now and then, all at once, would have a thousand tasks woken before the honest
//! request between them. So whoever has sent several small pieces of one head, or of one body, is read only after a
//! pause: what they say gathers in the kernel, and wakes nobody. While there are many such callers on a thread, the first
//! small piece is enough.

use std::{
    cell::Cell,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

/// Small pieces of one head or body that are read as they come: whoever sends a head in two or three is not held up.
const PROMPT_READS: u8 = 4;
/// Whoever sends as much at once is not one of them, however slow their line is.
const SMALL_BYTES_MAX: usize = 512;
/// So many heads and bodies of a thread that have come in part are a crowd.
const CROWD_MIN: u32 = 64;
const PAUSE_MS_MIN: u64 = 10;
const PAUSE_MS_MAX: u64 = 640;
/// While there is no crowd, whoever streams in small pieces is hardly held up.
const PAUSE_ALONE_MS_MAX: u64 = 40;

thread_local!(static PARTIAL: Cell<u32> = const { Cell::new(0) });

/// One of the thread's heads and bodies that have come in part.
#[derive(Debug)]
struct Partial;

impl Partial {
    fn new() -> Self {
        PARTIAL.set(PARTIAL.get() + 1);
        Self
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        PARTIAL.set(PARTIAL.get().saturating_sub(1));
    }
}

/// Of so many that have come in part, how many of the short pauses at the beginning are passed over: with twice as many,
/// pauses are twice as long, so that a thread has no more to read.
fn passed_over(partial: u32) -> u8 {
    (partial / CROWD_MIN).checked_ilog2().map_or(0, |doubled| u8::try_from(doubled + 1).unwrap_or(u8::MAX))
}

fn is_crowd() -> bool {
    PARTIAL.get() >= CROWD_MIN
}

/// How one head or body has come so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Small pieces that were read.
    small: u8,
    /// There are any.
    partial: Option<Partial>,
    /// Pauses that were made.
    pauses: u8,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Another head or body begins.
    pub(super) fn restart(&mut self) {
        if self.small > 0 {
            *self = Self::default();
        }
    }

    /// Are pauses made before it is read?
    pub(super) fn is_slow(&self) -> bool {
        self.small >= if is_crowd() { 1 } else { PROMPT_READS }
    }

    /// So many bytes were read at once.
    pub(super) fn read(&mut self, bytes: usize) {
        if bytes > SMALL_BYTES_MAX {
            *self = Self::default();
        } else {
            self.small = self.small.saturating_add(1);
            self.partial.get_or_insert_with(Partial::new);
        }
    }

    /// Has the time of a pause gone by that was not noticed yet?
    #[cfg(test)]
    pub(super) fn is_over(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.is_elapsed())
    }

    /// Waits for the end of a pause; each is longer than the one before it, up to a bound.
    pub(super) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| {
            self.pauses = self.pauses.max(passed_over(PARTIAL.get()));
            let most_ms = if is_crowd() { PAUSE_MS_MAX } else { PAUSE_ALONE_MS_MAX };
            Box::pin(tokio::time::sleep(pause(self.pauses, most_ms, spread())))
        });
        let over = pause.as_mut().poll(cx);
        if over.is_ready() {
            self.pause = None;
            self.pauses = self.pauses.saturating_add(1);
        }
        over
    }
}

/// The pause after so many others, of at most so many milliseconds: of its time, between a half and all.
fn pause(before: u8, most_ms: u64, part: u8) -> Duration {
    let most = PAUSE_MS_MIN.saturating_mul(1 << before.min(16)).min(most_ms);
    Duration::from_millis(most / 2 + most * u64::from(part) / 512)
}

/// Numbers that lie evenly, whatever the number of connections that ask at once.
fn spread() -> u8 {
    thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
    // By the golden ratio: each falls into the largest gap that those before it left.
    let next = NEXT.get().wrapping_add(0x9E37_79B9);
    NEXT.set(next);
    next.to_be_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_in_a_few_pieces_is_read_as_it_comes() {
        let mut pace = Pace::default();
        (1..PROMPT_READS).for_each(|_| pace.read(1));
        assert!(!pace.is_slow());
        pace.restart();
        (1..PROMPT_READS).for_each(|_| pace.read(1));
        assert!(!pace.is_slow(), "each head is looked at by itself");
    }

    #[test]
    fn whoever_sends_byte_by_byte_is_read_after_pauses_until_they_send_much() {
        let mut pace = Pace::default();
        (0..PROMPT_READS).for_each(|_| pace.read(1));
        assert!(pace.is_slow());
        pace.read(SMALL_BYTES_MAX + 1);
        assert!(!pace.is_slow());
    }

    #[test]
    fn in_a_crowd_the_first_small_piece_is_enough() {
        let mut crowd: Vec<_> = (0..CROWD_MIN).map(|_| Pace::default()).collect();
        for pace in &mut crowd {
            assert!(!pace.is_slow());
            pace.read(1);
        }
        assert!(crowd.iter().all(Pace::is_slow));
        let mut whole = Pace::default();
        whole.read(1);
        whole.restart();
        assert!(!whole.is_slow(), "a head that came whole does not wait");
        crowd.pop();
        assert!(crowd.iter().all(|pace| !pace.is_slow()));
    }

    #[test]
    fn the_larger_the_crowd_the_longer_its_pauses() {
        let pauses = [0, 63, 64, 127, 128, 1024, u32::MAX].map(passed_over);
        assert_eq!(pauses, [0, 0, 1, 1, 2, 5, 26]);
    }

    #[test]
    fn pauses_that_begin_together_end_apart() {
        let mut parts: Vec<_> = (0..64).map(|_| spread()).collect();
        parts.sort_unstable();
        assert!(parts.windows(2).all(|pair| pair[1] - pair[0] <= 12), "{parts:?}");
    }

    proptest! {
        #[test]
        fn pauses_grow_up_to_a_bound(before: u8, part: u8) {
            for most_ms in [PAUSE_MS_MAX, PAUSE_ALONE_MS_MAX] {
                let (this, next) = (pause(before, most_ms, part), pause(before.saturating_add(1), most_ms, part));
                prop_assert!(this <= next);
                let bounds = Duration::from_millis(PAUSE_MS_MIN / 2)..=Duration::from_millis(most_ms);
                prop_assert!(bounds.contains(&this));
            }
        }
    }
}
