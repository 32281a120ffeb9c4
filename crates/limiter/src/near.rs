//! Memory asked for before it is needed, so that whoever needs it waits for several reads at once.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::table::{Table, home_addresses};

/// Where a table's sets lay when it was last looked: known without its lock. What has become old makes the next look
/// slower, and nothing else.
#[derive(Debug)]
pub(crate) struct Whereabouts {
    begin: AtomicUsize,
    sets: AtomicUsize,
}

impl Whereabouts {
    pub(crate) fn of(table: &Table) -> Self {
        let (begin, sets) = table.lies();
        Self { begin: begin.into(), sets: sets.into() }
    }

    /// Notes whether the table has moved. To be called by whoever holds its lock.
    pub(crate) fn follow(&self, table: &Table) {
        let (begin, sets) = table.lies();
        if self.begin.load(Relaxed) != begin {
            self.begin.store(begin, Relaxed);
            self.sets.store(sets, Relaxed);
        }
    }

    /// Has the memory where a key may lie brought near, and waits for nothing.
    pub(crate) fn ask_for(&self, key: u64) {
        let lies = (self.begin.load(Relaxed), self.sets.load(Relaxed));
        home_addresses(key, lies).into_iter().for_each(ask_for);
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "there is no other way to say it")]
fn ask_for(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    let address = std::ptr::without_provenance(address);
    // SAFETY: this is a hint. It reads nothing that a program could see, and no address makes it fault.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

/// Other processors find what they need a little later.
#[cfg(not(target_arch = "x86_64"))]
const fn ask_for(_address: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_asked_for_where_the_key_lies_even_after_the_table_grew() {
        let mut table = Table::new(10_000);
        let whereabouts = Whereabouts::of(&table);
        for number in 1..2_000_u64 {
            let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let spot = table.spot(key, |used| used == 0);
            let address = std::ptr::from_mut(table.at(spot)).addr();
            *table.at(spot) = number;
            whereabouts.follow(&table);
            let lies = (whereabouts.begin.load(Relaxed), whereabouts.sets.load(Relaxed));
            let asked_for = home_addresses(key, lies);
            assert!(asked_for.iter().any(|set| (*set..*set + 64).contains(&address)), "key {number}");
        }
    }
}
