//! Who has used how much: sixteen bytes a key, in sets of four that fit a cache line.
//!
//! A key may lie in one of two sets. A newcomer takes a place that is free or whose key has used nothing that
//! still counts; nobody who has is ever put out. When both sets are full of such, the table grows, up to its
//! bound; then newcomers share one place, so that a flood of them is limited as one.

/// One place: the key's hash, and what it has used. A free one has hash nought.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    key: u64,
    used: u64,
}

/// A cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Set([Place; WAYS]);

const WAYS: usize = 4;

/// Where a key's use is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot {
    Place {
        set: usize,
        way: usize,
    },
    /// The place that newcomers without one share.
    Crowd,
}

/// How many keys may move so that one finds a place.
const MOVES: usize = 3;

/// A part of the table, behind a lock of its own.
#[derive(Debug)]
pub(crate) struct Table {
    sets: Box<[Set]>,
    sets_max: usize,
    /// What newcomers without a place have used together.
    crowd: u64,
    pub(crate) crowded: u64,
}

impl Table {
    /// One that grows up to room for `keys_max` keys.
    pub(crate) fn new(keys_max: usize) -> Self {
        let sets_max = keys_max.div_ceil(WAYS).max(1);
        Self { sets: vec![Set::default(); sets_max.min(4)].into(), sets_max, crowd: 0, crowded: 0 }
    }

    /// Where the key's use is kept; `idle` says what is as good as nothing. It stays there until another is asked
    /// for.
    pub(crate) fn spot(&mut self, key: u64, idle: impl Fn(u64) -> bool + Copy) -> Spot {
        // Nought stands for nobody.
        let key = key.max(1);
        loop {
            if let Some((set, way)) = self.find(key).or_else(|| self.make_place(key, idle)) {
                let place = &mut self.sets[set].0[way];
                if place.key != key {
                    *place = Place { key, used: 0 };
                }
                return Spot::Place { set, way };
            }
            if !self.grow(idle) {
                self.crowded += 1;
                return Spot::Crowd;
            }
        }
    }

    /// What is kept of the key, to be changed, if it has a place of its own.
    pub(crate) fn kept(&mut self, key: u64) -> Option<&mut u64> {
        let (set, way) = self.find(key.max(1))?;
        Some(&mut self.sets[set].0[way].used)
    }

    /// What is kept there, to be changed.
    pub(crate) fn at(&mut self, spot: Spot) -> &mut u64 {
        match spot {
            Spot::Place { set, way } => &mut self.sets[set].0[way].used,
            Spot::Crowd => &mut self.crowd,
        }
    }

    /// Where the sets lie in memory, and how many there are.
    pub(crate) fn lies(&self) -> (usize, usize) {
        (self.sets.as_ptr().addr(), self.sets.len())
    }

    fn find(&self, key: u64) -> Option<(usize, usize)> {
        self.homes(key).into_iter().find_map(|set| {
            let way = self.sets[set].0.iter().position(|place| place.key == key)?;
            Some((set, way))
        })
    }

    fn find_free(&self, key: u64, idle: impl Fn(u64) -> bool) -> Option<(usize, usize)> {
        let at = |set: usize, wanted: &dyn Fn(&Place) -> bool| {
            Some((set, self.sets[set].0.iter().position(wanted)?))
        };
        // The first of the two whenever it can be, so that most are found with one look into memory.
        let homes = self.homes(key);
        let free = homes.into_iter().find_map(|set| at(set, &|place| place.key == 0));
        free.or_else(|| homes.into_iter().find_map(|set| at(set, &|place| idle(place.used))))
    }

    /// A place for a newcomer: a free one, or one that somebody leaves for the other set where they may lie.
    fn make_place(&mut self, key: u64, idle: impl Fn(u64) -> bool + Copy) -> Option<(usize, usize)> {
        let free = self.find_free(key, idle);
        free.or_else(|| {
            self.homes(key).into_iter().find_map(|set| Some((set, self.vacate(set, MOVES, idle)?)))
        })
    }

    /// Moves somebody out of a full set, and if need be others out of their way; tells which place is free now.
    fn vacate(&mut self, set: usize, moves: usize, idle: impl Fn(u64) -> bool + Copy) -> Option<usize> {
        (0..WAYS).find(|way| {
            let moved = self.sets[set].0[*way];
            let free = self.find_free(moved.key, idle).or_else(|| {
                let other = self.homes(moved.key).into_iter().find(|home| *home != set)?;
                let moves = moves.checked_sub(1).filter(|moves| *moves > 0)?;
                Some((other, self.vacate(other, moves, idle)?))
            });
            if let Some((other, way)) = free {
                self.sets[other].0[way] = moved;
            }
            free.is_some()
        })
    }

    fn homes(&self, key: u64) -> [usize; 2] {
        homes(key, self.sets.len())
    }

    /// Makes more room, if it may: half as much again, without those who have used nothing that counts.
    fn grow(&mut self, idle: impl Fn(u64) -> bool + Copy) -> bool {
        if self.sets.len() >= self.sets_max {
            return false;
        }
        let mut length = self.sets.len();
        let old = std::mem::take(&mut self.sets);
        let kept: Vec<Place> =
            old.iter().flat_map(|set| set.0).filter(|place| place.key != 0 && !idle(place.used)).collect();
        loop {
            length = (length + length / 2 + 1).min(self.sets_max);
            self.sets = vec![Set::default(); length].into();
            let placed = kept.iter().all(|place| match self.make_place(place.key, |_| false) {
                Some((set, way)) => {
                    self.sets[set].0[way] = *place;
                    true
                }
                None => false,
            });
            if placed {
                return true;
            }
            if length == self.sets_max {
                // Where they were, all of them had room.
                self.sets = old;
                self.sets_max = self.sets.len();
                return false;
            }
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }
}

/// Where in memory a key may lie, in a part that has so many sets from there on.
pub(crate) fn home_addresses(key: u64, (begin, sets): (usize, usize)) -> [usize; 2] {
    homes(key.max(1), sets).map(|set| begin.wrapping_add(set.wrapping_mul(size_of::<Set>())))
}

/// The two of so many sets where a key may lie.
#[expect(clippy::cast_possible_truncation, reason = "a product's upper half is below the number of sets")]
fn homes(key: u64, sets: usize) -> [usize; 2] {
    let of = |hash: u64| ((u128::from(hash) * sets as u128) >> 64) as usize;
    // An odd constant (the golden ratio's digits) spreads the same hash differently.
    [of(key), of(key.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(table: &mut Table, key: u64, idle: impl Fn(u64) -> bool + Copy) -> &mut u64 {
        let spot = table.spot(hash(key), idle);
        table.at(spot)
    }

    fn hash(number: u64) -> u64 {
        // SplitMix64: any good mixing will do.
        let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    fn nobody_who_has_used_something_is_put_out_by_a_flood() {
        let mut table = Table::new(2000);
        let busy = |used: u64| used == 0;
        (0..1000).for_each(|key| *place(&mut table, key, busy) = key + 1);
        (100_000..130_000).for_each(|key| *place(&mut table, key, busy) = 7);
        assert!((0..1000).all(|key| *place(&mut table, key, busy) == key + 1));
        assert!(table.crowded > 0);
    }

    #[test]
    fn places_of_the_idle_are_taken_first() {
        let mut table = Table::new(1000);
        (0..20_000).for_each(|key| *place(&mut table, key, |_| true) = 1);
        assert_eq!(table.crowded, 0);
    }

    #[test]
    fn a_full_table_has_hardly_a_free_place() {
        let mut table = Table::new(10_000);
        let held = (0..10_000).take_while(|key| {
            *place(&mut table, *key, |used| used == 0) = 1;
            table.crowded == 0
        });
        let held = held.count();
        assert!(held > 8500, "the first key without a place was number {held}");
    }
}
