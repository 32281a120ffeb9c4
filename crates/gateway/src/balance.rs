//! Which upstream of a pool takes a request, as arithmetic on what is known of each.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How the requests of a pool are dealt out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// To the one with the fewest requests in flight for its weight; those alike take turns.
    #[default]
    LeastConnections,
    /// Of two drawn at random, to the one that would answer sooner by its recent peaks.
    PeakEwma,
    /// In turns, each as often as its weight says.
    RoundRobin,
    /// The same caller, header or cookie to the same one, for as long as it is there.
    Hash,
}

/// What is known of an upstream that may take a request.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its place among all of its pool.
    pub place: usize,
    /// What hashing knows it by, whatever its place.
    pub identity: u64,
    pub weight: u32,
    pub in_flight: u32,
    /// What an answer costs lately, in microseconds.
    pub cost_us: u64,
}

/// What a choice may depend on beside the candidates.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// Anything that is not foreseen.
    pub dice: u64,
    /// One more with each request.
    pub turn: u64,
    /// A hash of whatever is to stay together.
    pub key: u64,
}

impl Balance {
    /// Chooses one of the candidates, by its index among them; nothing if there are none.
    #[must_use]
    pub fn choose(self, candidates: &[Candidate], draw: Draw) -> Option<usize> {
        match (self, candidates.len()) {
            (_, 0) => None,
            (_, 1) => Some(0),
            (Self::LeastConnections, count) => Some(least_connections(candidates, index(draw.turn, count))),
            (Self::PeakEwma, count) => Some(cheaper_of_two(candidates, draw.dice, count)),
            (Self::RoundRobin, _) => Some(in_turn(candidates, draw.turn)),
            (Self::Hash, _) => Some(highest_random_weight(candidates, draw.key)),
        }
    }
}

fn least_connections(candidates: &[Candidate], begin: usize) -> usize {
    // Compared crosswise, so that nothing is divided; each search begins elsewhere, so that equals take turns.
    let busier = |a: &Candidate, b: &Candidate| {
        u64::from(a.in_flight) * u64::from(b.weight.max(1))
            > u64::from(b.in_flight) * u64::from(a.weight.max(1))
    };
    let mut best = begin;
    for step in 1..candidates.len() {
        let next = (begin + step) % candidates.len();
        if busier(&candidates[best], &candidates[next]) {
            best = next;
        }
    }
    best
}

fn cheaper_of_two(candidates: &[Candidate], dice: u64, count: usize) -> usize {
    let first = index(dice & u64::from(u32::MAX), count);
    // Never the same twice: the second is drawn from the others.
    let second = (first + 1 + index(dice >> 32, count - 1)) % count;
    let load = |candidate: &Candidate| {
        let waiting = u128::from(candidate.in_flight) + 1;
        u128::from(candidate.cost_us.max(1)) * waiting
    };
    let (a, b) = (&candidates[first], &candidates[second]);
    let cheaper = load(a) * u128::from(b.weight.max(1)) <= load(b) * u128::from(a.weight.max(1));
    if cheaper { first } else { second }
}

/// Everybody's shares lie side by side on a circle, and each turn goes on by a step that has no divisor in common
/// with its length: every share comes up once in a round, and those of one candidate far apart.
fn in_turn(candidates: &[Candidate], turn: u64) -> usize {
    let length: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum();
    if length == 0 {
        return index(turn, candidates.len());
    }
    let mut step = (length * 618 / 1000).max(1);
    while common_divisor(step, length) > 1 {
        step += 1;
    }
    let mut at = u64::try_from(u128::from(turn) * u128::from(step) % u128::from(length)).unwrap_or_default();
    for (index, candidate) in candidates.iter().enumerate() {
        match at.checked_sub(u64::from(candidate.weight)) {
            Some(rest) => at = rest,
            None => return index,
        }
    }
    0
}

const fn common_divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Rendezvous hashing: each candidate throws its own dice for a key, weighted, and the highest takes it. When one
/// goes, only its keys move, and they spread over all that are left.
fn highest_random_weight(candidates: &[Candidate], key: u64) -> usize {
    let score = |candidate: &Candidate| {
        let thrown = xxh3_64_with_seed(&key.to_le_bytes(), candidate.identity) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (thrown as f64 + 0.5) / (1_u64 << 53) as f64;
        f64::from(candidate.weight.max(1)) / -unit.ln()
    };
    let scores = candidates.iter().map(score).enumerate();
    scores.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(index, _)| index)
}

/// A number as an index among `count`.
fn index(number: u64, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    usize::try_from(number % count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(place: usize, weight: u32, in_flight: u32, cost_us: u64) -> Candidate {
        Candidate { place, identity: place as u64 * 7919 + 1, weight, in_flight, cost_us }
    }

    fn draw(number: u64) -> Draw {
        Draw { dice: number.wrapping_mul(0x9E37_79B9_7F4A_7C15), turn: number, key: number }
    }

    #[test]
    fn the_fewest_in_flight_for_their_weight_win() {
        let candidates = [candidate(0, 1, 3, 0), candidate(1, 4, 8, 0), candidate(2, 1, 4, 0)];
        for turn in 0..6 {
            assert_eq!(Balance::LeastConnections.choose(&candidates, draw(turn)), Some(1));
        }
    }

    #[test]
    fn those_with_as_many_in_flight_take_turns() {
        let candidates = [0, 1, 2].map(|place| candidate(place, 1, 0, 0));
        let chosen = (0..6).map(|turn| Balance::LeastConnections.choose(&candidates, draw(turn)));
        assert_eq!(chosen.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2].map(Some));
    }

    #[test]
    fn the_slow_one_is_never_taken_when_two_are_compared() {
        let candidates = [candidate(0, 1, 0, 100), candidate(1, 1, 0, 90_000), candidate(2, 1, 0, 100)];
        for number in 0..1000 {
            assert_ne!(Balance::PeakEwma.choose(&candidates, draw(number)), Some(1));
        }
    }

    #[test]
    fn nobody_is_chosen_from_nobody() {
        for balance in [Balance::LeastConnections, Balance::PeakEwma, Balance::RoundRobin, Balance::Hash] {
            assert_eq!(balance.choose(&[], draw(1)), None);
        }
    }

    prop_compose! {
        fn several()(known in proptest::collection::vec((0_u32..20, 0_u32..100, 0_u64..1_000_000), 1..12))
            -> Vec<Candidate>
        {
            let known = known.into_iter().enumerate();
            known.map(|(place, (weight, busy, cost))| candidate(place, weight, busy, cost)).collect()
        }
    }

    proptest! {
        #[test]
        fn a_choice_is_always_one_of_those_there(candidates in several(), number in any::<u64>()) {
            for balance in [Balance::LeastConnections, Balance::PeakEwma, Balance::RoundRobin, Balance::Hash] {
                let chosen = balance.choose(&candidates, draw(number)).expect("there is one");
                prop_assert!(chosen < candidates.len());
            }
        }

        #[test]
        fn in_a_round_of_turns_each_has_exactly_its_weight(candidates in several(), begin in 0_u64..1_000_000) {
            let length: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum();
            prop_assume!(length > 0);
            let mut taken = vec![0; candidates.len()];
            for turn in begin..begin + length {
                taken[Balance::RoundRobin.choose(&candidates, draw(turn)).expect("there is one")] += 1;
            }
            let weights: Vec<_> = candidates.iter().map(|candidate| candidate.weight).collect();
            prop_assert_eq!(taken, if candidates.len() == 1 { vec![u32::try_from(length).expect("small")] } else { weights });
        }

        #[test]
        fn nobody_with_fewer_in_flight_is_passed_over(candidates in several(), number in any::<u64>()) {
            let chosen = Balance::LeastConnections.choose(&candidates, draw(number)).expect("there is one");
            let load = |candidate: &Candidate| f64::from(candidate.in_flight) / f64::from(candidate.weight.max(1));
            let least = candidates.iter().map(load).fold(f64::MAX, f64::min);
            prop_assert!(load(&candidates[chosen]) <= least + 1e-9);
        }

        #[test]
        fn when_one_goes_only_its_own_keys_move(candidates in several(), gone in any::<prop::sample::Index>(), key in any::<u64>()) {
            prop_assume!(candidates.len() > 1);
            let before = &candidates[Balance::Hash.choose(&candidates, draw(key)).expect("there is one")];
            let mut left = candidates.clone();
            let gone = left.remove(gone.index(candidates.len()));
            let after = &left[Balance::Hash.choose(&left, draw(key)).expect("there is one")];
            prop_assert!(before.place == gone.place || before.place == after.place);
        }
    }

    #[test]
    fn keys_spread_by_weight() {
        let candidates = [candidate(0, 1, 0, 0), candidate(1, 3, 0, 0)];
        let to_second =
            (0..20_000).filter(|key| Balance::Hash.choose(&candidates, draw(*key)) == Some(1)).count();
        assert!((14_500..15_500).contains(&to_second), "{to_second}");
    }
}
