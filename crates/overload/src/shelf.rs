//! What one thread counts of one route: no line of memory here is written by two threads.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::{Class, Reason};

/// Aligned so that no two threads write to the same cache line (two lines are fetched together).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Shelf {
    came: [AtomicU64; Class::COUNT],
    refused: [[AtomicU64; Reason::COUNT]; Class::COUNT],
    retries_came: AtomicU64,
    retries: AtomicU64,
    ended: AtomicU64,
    answers: AtomicU64,
    sum_ns: AtomicU64,
    peak: AtomicU32,
}

/// What all threads have counted of a route since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    pub(crate) came: [u64; Class::COUNT],
    pub(crate) refused: [[u64; Reason::COUNT]; Class::COUNT],
    /// Requests of those that came and said that they were retries.
    pub(crate) retries_came: u64,
    /// And of these, those that took of the budget.
    pub(crate) retries: u64,
    pub(crate) ended: u64,
    pub(crate) answers: u64,
    pub(crate) sum_ns: u64,
}

impl Shelf {
    pub(crate) fn came(&self, class: Class) {
        self.came[class.place()].fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, class: Class, reason: Reason) {
        self.refused[class.place()][reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn retry_came(&self) {
        self.retries_came.fetch_add(1, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.ended.fetch_add(1, Relaxed);
    }

    pub(crate) fn answered(&self, took_ns: u64) {
        self.answers.fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(took_ns, Relaxed);
    }

    /// So many were at work at once.
    pub(crate) fn reached(&self, in_flight: u32) {
        if self.peak.load(Relaxed) < in_flight {
            self.peak.store(in_flight, Relaxed);
        }
    }

    /// The most at once since this was last asked.
    pub(crate) fn take_peak(&self) -> u32 {
        self.peak.swap(0, Relaxed)
    }
}

impl Totals {
    pub(crate) fn of(shelves: &[Shelf]) -> Self {
        let mut totals = Self::default();
        for shelf in shelves {
            let read = |sum: &mut u64, count: &AtomicU64| *sum += count.load(Relaxed);
            totals.came.iter_mut().zip(&shelf.came).for_each(|(sum, count)| read(sum, count));
            let (sums, counts) = (totals.refused.as_flattened_mut(), shelf.refused.as_flattened());
            sums.iter_mut().zip(counts).for_each(|(sum, count)| read(sum, count));
            read(&mut totals.retries_came, &shelf.retries_came);
            read(&mut totals.retries, &shelf.retries);
            read(&mut totals.ended, &shelf.ended);
            read(&mut totals.answers, &shelf.answers);
            read(&mut totals.sum_ns, &shelf.sum_ns);
        }
        totals
    }

    /// Requests that the queue refused, for whatever reason that has to do with its length.
    pub(crate) fn queue_refused(&self) -> u64 {
        let of = |reasons: &[u64; Reason::COUNT]| {
            reasons[Reason::QueueFull as usize] + reasons[Reason::WaitedTooLong as usize]
        };
        self.refused.iter().map(of).sum()
    }

    /// Requests of a class that were not refused, those that still wait among them.
    pub(crate) fn admitted(&self, class: Class) -> u64 {
        let refused: u64 = self.refused[class.place()].iter().sum();
        self.came[class.place()].saturating_sub(refused)
    }
}
