//! Schulze's method: whoever has a stronger path of victories over everybody else than they have back.
//!
//! The strength of a victory is the number of ballots that prefer the winner ("winning votes"). Whoever a ballot does not
//! rank comes after all it ranks, and equally.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::{lots::Lots, profile::Profile, stv::CountError};

/// The count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Schulze {
    /// How many ballots prefer the first of two to the second.
    pub preferred: Vec<Vec<u64>>,
    /// The strength of the strongest path from the first of two to the second.
    pub strongest: Vec<Vec<u64>>,
    /// The winner first.
    pub order: Vec<usize>,
    /// Candidates whom nobody beats. Of several, lots decided.
    pub unbeaten: Vec<usize>,
}

/// Counts.
pub fn count_schulze(profile: &Profile, lots: &Lots) -> Result<Schulze, CountError> {
    count_schulze_pairs(preferred(profile), lots)
}

/// Counts from how many ballots prefer the first of two to the second, as some elections publish it.
pub fn count_schulze_pairs(preferred: Vec<Vec<u64>>, lots: &Lots) -> Result<Schulze, CountError> {
    let candidates = preferred.len();
    if lots.candidates() != candidates || preferred.iter().any(|row| row.len() != candidates) {
        return Err(CountError::Lots);
    }
    let strongest = strongest(&preferred);
    let beats = |one: usize, other: usize| strongest[one][other] > strongest[other][one];
    // The relation is transitive (Schulze 2011, section 4.1): who beats another also beats more others.
    let victories = |one: usize| (0..candidates).filter(|other| beats(one, *other)).count();
    let defeats = |one: usize| (0..candidates).filter(|other| beats(*other, one)).count();
    let mut order: Vec<usize> = (0..candidates).collect();
    order.sort_by_key(|one| (defeats(*one), Reverse(victories(*one)), lots.place(*one)));
    let unbeaten = (0..candidates).filter(|one| defeats(*one) == 0).collect();
    Ok(Schulze { preferred, strongest, order, unbeaten })
}

fn preferred(profile: &Profile) -> Vec<Vec<u64>> {
    let candidates = profile.candidates();
    let mut preferred = vec![vec![0; candidates]; candidates];
    for (ranking, count) in profile.rankings() {
        let mut after = vec![true; candidates];
        for group in ranking {
            group.iter().for_each(|one| after[*one] = false);
            for one in group {
                let others = (0..candidates).filter(|other| after[*other]);
                others.for_each(|other| preferred[*one][other] += count);
            }
        }
    }
    preferred
}

/// Floyd and Warshall's algorithm, for the widest paths.
fn strongest(preferred: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let candidates = preferred.len();
    let victory = |one: usize, other: usize| {
        let (for_one, for_other) = (preferred[one][other], preferred[other][one]);
        if for_one > for_other { for_one } else { 0 }
    };
    let row = |one| (0..candidates).map(|other| victory(one, other)).collect();
    let mut strongest: Vec<Vec<u64>> = (0..candidates).map(row).collect();
    for between in 0..candidates {
        for from in (0..candidates).filter(|from| *from != between) {
            for to in (0..candidates).filter(|to| *to != between && *to != from) {
                let around = strongest[from][between].min(strongest[between][to]);
                strongest[from][to] = strongest[from][to].max(around);
            }
        }
    }
    strongest
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn count(profile: &Profile) -> Schulze {
        let lots = Lots::new(profile.candidates(), (0..profile.candidates()).collect()).unwrap();
        count_schulze(profile, &lots).unwrap()
    }

    fn add(profile: &mut Profile, order: &[usize], ballots: u64) {
        profile.add(order.iter().map(|candidate| vec![*candidate]).collect(), ballots).unwrap();
    }

    /// Burlington, Vermont, 2009: Kiss, Montroll, Wright.
    pub(crate) fn burlington() -> Profile {
        let mut profile = Profile::new(3).unwrap();
        for (order, ballots) in [
            (&[1, 0, 2][..], 1332),
            (&[1, 2, 0], 767),
            (&[1], 455),
            (&[0, 1, 2], 2043),
            (&[0, 2, 1], 371),
            (&[0], 568),
            (&[2, 1, 0], 1513),
            (&[2, 0, 1], 495),
            (&[2], 1289),
        ] {
            add(&mut profile, order, ballots);
        }
        profile
    }

    /// The first example of Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent
    /// single-winner election method" (2011): 45 ballots, and the strengths as printed there.
    #[test]
    fn the_published_example_comes_out_as_printed() {
        let mut profile = Profile::new(5).unwrap();
        for (order, ballots) in [
            ([0, 2, 1, 4, 3], 5),
            ([0, 3, 4, 2, 1], 5),
            ([1, 4, 3, 0, 2], 8),
            ([2, 0, 1, 4, 3], 3),
            ([2, 0, 4, 1, 3], 7),
            ([2, 1, 0, 3, 4], 2),
            ([3, 2, 4, 1, 0], 7),
            ([4, 1, 0, 3, 2], 8),
        ] {
            add(&mut profile, &order, ballots);
        }
        let counted = count(&profile);
        let strongest = [
            [0, 28, 28, 30, 24],
            [25, 0, 28, 33, 24],
            [25, 29, 0, 29, 24],
            [25, 28, 28, 0, 24],
            [25, 28, 28, 31, 0],
        ];
        assert_eq!(counted.strongest, strongest.map(|row| row.to_vec()));
        assert_eq!(counted.order, [4, 0, 2, 1, 3]);
        assert_eq!(counted.unbeaten, [4]);
    }

    /// Whom most preferred to each other one did not win under instant runoff: 4,067 to 3,477 and 4,597 to 3,668 were
    /// published.
    #[test]
    fn burlington_would_have_elected_another() {
        let counted = count(&burlington());
        assert_eq!((counted.preferred[1][0], counted.preferred[0][1]), (4067, 3477));
        assert_eq!((counted.preferred[1][2], counted.preferred[2][1]), (4597, 3668));
        assert_eq!(counted.order, [1, 0, 2]);
    }

    /// The project leader of Debian, 2003: Zadka, Garbee, Robinson, Michlmayr, none of the above. 488 votes, and four of
    /// them decided.
    #[test]
    fn the_election_of_debian_in_2003_comes_out_as_it_did() {
        let preferred = [
            [0, 34, 66, 38, 228],
            [428, 0, 238, 224, 449],
            [385, 221, 0, 226, 405],
            [397, 228, 237, 0, 424],
            [202, 29, 65, 39, 0],
        ];
        let preferred: Vec<_> = preferred.iter().map(|row| row.to_vec()).collect();
        let lots = Lots::new(5, vec![4, 0, 2, 1, 3]).unwrap();
        let counted = count_schulze_pairs(preferred, &lots).unwrap();
        assert_eq!((counted.order, counted.unbeaten), (vec![3, 1, 2, 0, 4], vec![3]));
        assert_eq!(counted.strongest[3][1], 228);
        let odd = count_schulze_pairs(vec![vec![0; 5], vec![0; 4]], &Lots::new(2, vec![0, 1]).unwrap());
        assert_eq!(odd, Err(CountError::Lots));
    }

    #[test]
    fn equal_ranks_prefer_nobody_and_the_unranked_come_last() {
        let mut profile = Profile::new(3).unwrap();
        profile.add(vec![vec![0, 1]], 2).unwrap();
        profile.add(vec![vec![2]], 1).unwrap();
        let counted = count(&profile);
        assert_eq!(counted.preferred, [vec![0, 0, 2], vec![0, 0, 2], vec![1, 1, 0]]);
        assert_eq!((counted.order, counted.unbeaten), (vec![0, 1, 2], vec![0, 1]));
    }
}
