//! How a route's requests are split among pools, and how the split moves from one to another.

use std::collections::BTreeMap;

/// Shares of pools, on their way from one split to another. Times are in milliseconds since any one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    pools: Box<[Share]>,
    begun_ms: u64,
    over_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    pool: Box<str>,
    from: u32,
    to: u32,
}

impl Weights {
    /// A split that stays as it is.
    #[must_use]
    pub fn fixed(pools: &BTreeMap<String, u32>) -> Self {
        let share = |(pool, weight): (&String, &u32)| Share {
            pool: pool.as_str().into(),
            from: *weight,
            to: *weight,
        };
        Self { pools: pools.iter().map(share).collect(), begun_ms: 0, over_ms: 0 }
    }

    /// From what it is at `now_ms` to `target`, evenly over `over_ms`.
    #[must_use]
    pub fn moved(&self, target: &BTreeMap<String, u32>, now_ms: u64, over_ms: u64) -> Self {
        let now = self.at(now_ms);
        // Scaled alike, so that shares and not sums are what moves.
        let (now_sum, target_sum) =
            (now.values().sum::<u64>(), target.values().map(|to| u64::from(*to)).sum());
        let mut pools: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (pool, weight) in &now {
            pools.entry(pool).or_default().0 = share_of(*weight, now_sum);
        }
        for (pool, weight) in target {
            pools.entry(pool).or_default().1 = share_of(u64::from(*weight), target_sum);
        }
        let share = |(pool, (from, to)): (&str, (u64, u64))| Share {
            pool: pool.into(),
            from: u32::try_from(from).unwrap_or(u32::MAX),
            to: u32::try_from(to).unwrap_or(u32::MAX),
        };
        // Who neither has a share nor gets one is no part of it any more.
        let pools = pools.into_iter().filter(|(_, way)| *way != (0, 0)).map(share).collect();
        Self { pools, begun_ms: now_ms, over_ms }
    }

    /// What is left of the way: the weights now, those at its end, and how long it takes until then.
    #[must_use]
    pub fn rest(&self, now_ms: u64) -> (BTreeMap<String, u32>, BTreeMap<String, u32>, u64) {
        let now = |(pool, weight): (&str, u64)| (pool.to_owned(), u32::try_from(weight).unwrap_or(u32::MAX));
        let from = self.at(now_ms).into_iter().map(now).collect();
        let to = self.pools.iter().map(|share| (share.pool.to_string(), share.to)).collect();
        let left_ms = (self.begun_ms + self.over_ms).saturating_sub(now_ms);
        (from, to, left_ms)
    }

    /// The pools that have or will have a share.
    pub fn pools(&self, now_ms: u64) -> impl Iterator<Item = &str> {
        let has = move |share: &&Share| share.to > 0 || self.weight(share, now_ms) > 0;
        self.pools.iter().filter(has).map(|share| &*share.pool)
    }

    /// The weights of all pools now.
    #[must_use]
    pub fn at(&self, now_ms: u64) -> BTreeMap<&str, u64> {
        self.pools.iter().map(|share| (&*share.pool, self.weight(share, now_ms))).collect()
    }

    /// The pool that takes a request, by any number; nothing if none has a weight.
    #[must_use]
    pub fn choose(&self, now_ms: u64, dice: u64) -> Option<&str> {
        if let [only] = &*self.pools {
            return (only.to > 0).then_some(&only.pool);
        }
        let sum: u64 = self.pools.iter().map(|share| self.weight(share, now_ms)).sum();
        let mut at = dice.checked_rem(sum)?;
        for share in &self.pools {
            match at.checked_sub(self.weight(share, now_ms)) {
                Some(rest) => at = rest,
                None => return Some(&share.pool),
            }
        }
        None
    }

    fn weight(&self, share: &Share, now_ms: u64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.begun_ms).min(self.over_ms);
        let (from, to) = (u128::from(share.from), u128::from(share.to));
        if self.over_ms == 0 {
            return to.try_into().unwrap_or(u64::MAX);
        }
        let left = u128::from(self.over_ms - passed_ms);
        let weight = (from * left + to * u128::from(passed_ms)) / u128::from(self.over_ms);
        weight.try_into().unwrap_or(u64::MAX)
    }
}

/// A weight in millionths of all.
fn share_of(weight: u64, sum: u64) -> u64 {
    (weight * 1_000_000).checked_div(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(blue: u32, green: u32) -> BTreeMap<String, u32> {
        BTreeMap::from([("blue".to_owned(), blue), ("green".to_owned(), green)])
    }

    #[test]
    fn requests_are_split_by_weight() {
        let weights = Weights::fixed(&split(9, 1));
        let green = (0..1000).filter(|dice| weights.choose(0, *dice) == Some("green")).count();
        assert_eq!(green, 100);
    }

    #[test]
    fn a_pool_without_weight_gets_nothing() {
        assert_eq!(Weights::fixed(&split(0, 0)).choose(0, 7), None);
        assert!((0..100).all(|dice| Weights::fixed(&split(0, 5)).choose(0, dice) == Some("green")));
    }

    #[test]
    fn a_split_moves_evenly_and_stays_where_it_was_sent() {
        let weights = Weights::fixed(&split(1, 0)).moved(&split(0, 100), 1_000, 10_000);
        assert_eq!(weights.at(1_000), BTreeMap::from([("blue", 1_000_000), ("green", 0)]));
        assert_eq!(weights.at(6_000), BTreeMap::from([("blue", 500_000), ("green", 500_000)]));
        assert_eq!(weights.at(99_000), BTreeMap::from([("blue", 0), ("green", 1_000_000)]));
    }

    #[test]
    fn a_move_that_is_changed_goes_on_from_where_it_is() {
        let begun = Weights::fixed(&split(1, 0)).moved(&split(0, 1), 0, 10_000);
        let back = begun.moved(&split(1, 0), 5_000, 1_000);
        assert_eq!(back.at(5_000), begun.at(5_000));
        assert_eq!(back.at(6_000), BTreeMap::from([("blue", 1_000_000), ("green", 0)]));
    }

    #[test]
    fn a_pool_may_join_on_the_way() {
        let joined = Weights::fixed(&BTreeMap::from([("old".to_owned(), 3)])).moved(&split(1, 1), 0, 0);
        assert_eq!(joined.at(0), BTreeMap::from([("blue", 500_000), ("green", 500_000), ("old", 0)]));
    }

    #[test]
    fn a_pool_that_has_had_its_share_is_named_no_more() {
        let moved = Weights::fixed(&split(1, 0)).moved(&split(0, 1), 0, 1_000);
        assert!(moved.pools(500).eq(["blue", "green"]) && moved.pools(1_000).eq(["green"]));
        let on = moved.moved(&BTreeMap::from([("teal".to_owned(), 1)]), 2_000, 0);
        assert_eq!(on.at(2_000), BTreeMap::from([("green", 0), ("teal", 1_000_000)]), "blue is forgotten");
    }

    proptest! {
        #[test]
        fn while_it_moves_no_share_leaves_its_bounds(
            from in (0_u32..1000, 1_u32..1000), to in (0_u32..1000, 1_u32..1000), now_ms in 0_u64..20_000,
        ) {
            let weights = Weights::fixed(&split(from.0, from.1)).moved(&split(to.0, to.1), 5_000, 10_000);
            let share = |weights: &Weights, at| {
                let at = weights.at(at);
                (at["green"] * 1_000_000) / (at["blue"] + at["green"])
            };
            let (begin, end, now) = (share(&weights, 0), share(&weights, 20_000), share(&weights, now_ms));
            prop_assert!(now + 3 >= begin.min(end) && now <= begin.max(end) + 3);
            prop_assert!(weights.choose(now_ms, u64::from(from.0)).is_some());
        }
    }
}
