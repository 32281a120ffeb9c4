//! An order by lot that nobody has to remember: a keyed permutation of the numbers drawn before the opening.

/// Rounds of the Feistel network: four make it a strong pseudorandom permutation (Luby and Rackoff), and two more cost
/// nothing that counts.
const ROUNDS: u8 = 6;

/// Every number below a count, in an order that only whoever has the key can know.
#[derive(Debug, Clone)]
pub struct Lots {
    key: [u8; 32],
    count: u64,
    half_bits: u32,
}

impl Lots {
    /// Of the numbers below `count`, which is below 2^60.
    #[must_use]
    pub const fn new(key: [u8; 32], count: u64) -> Self {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        let half_bits = if bits < 2 { 1 } else { bits.div_ceil(2) };
        Self { key, count, half_bits }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Which place `number` has: each has one, and each place one number. What is not among them stays where it is.
    #[must_use]
    pub fn place(&self, number: u64) -> u64 {
        if number >= self.count {
            return number;
        }
        // The network permutes a power of four that is less than four times as large: whoever lands outside goes on from
        // there, and comes back inside in the end, as all of them lie on circles.
        let mut place = self.permute(number);
        while place >= self.count {
            place = self.permute(place);
        }
        place
    }

    fn permute(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.mix(round, right) & mask));
        }
        left << self.half_bits | right
    }

    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut message = [0; 9];
        message[0] = round;
        message[1..].copy_from_slice(&half.to_le_bytes());
        let hash = blake3::keyed_hash(&self.key, &message);
        hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everybody_has_one_place_and_every_place_somebody(key in any::<[u8; 32]>(), count in 0_u64..3000) {
            let lots = Lots::new(key, count);
            let mut places: Vec<u64> = (0..count).map(|number| lots.place(number)).collect();
            places.sort_unstable();
            prop_assert!(places.into_iter().eq(0..count));
        }

        #[test]
        fn whoever_came_later_stays_where_they_are(key in any::<[u8; 32]>(), count in 0_u64..1 << 40, late in 0_u64..1 << 20) {
            let number = count + late;
            prop_assert_eq!(Lots::new(key, count).place(number), number);
        }

        #[test]
        fn large_crowds_stay_within_their_places(key in any::<[u8; 32]>(), count in 1_u64..1 << 36, at in any::<u64>()) {
            prop_assert!(Lots::new(key, count).place(at % count) < count);
        }
    }

    #[test]
    fn coming_first_before_the_opening_is_no_advantage() {
        let firsts = (0..=255).filter(|seed| Lots::new([*seed; 32], 1000).place(0) < 500).count();
        assert!((80..176).contains(&firsts), "the first was in the first half {firsts} times of 256");
    }
}
