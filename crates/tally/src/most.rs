//! Plurality, approval and score: whoever has the most is elected.

use serde::{Deserialize, Serialize};

use crate::lots::Lots;

/// Who has how many, and who is elected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Most {
    /// Votes, approvals or points, by candidate.
    pub counts: Vec<u64>,
    /// The most first.
    pub elected: Vec<usize>,
    /// Candidates with equal counts of whom not all are elected: lots decided among them.
    pub tied: Vec<usize>,
}

/// The counts of votes for one each.
#[must_use]
pub fn pluralities(candidates: usize, votes: impl IntoIterator<Item = Option<usize>>) -> Vec<u64> {
    add_up(candidates, votes.into_iter().flatten().map(|candidate| (candidate, 1)))
}

/// The counts of approvals, one list of marks a ballot.
#[must_use]
pub fn approvals(candidates: usize, ballots: impl IntoIterator<Item = Vec<bool>>) -> Vec<u64> {
    let marks = ballots.into_iter().flat_map(|marks| marks.into_iter().enumerate());
    add_up(candidates, marks.filter(|(_, marked)| *marked).map(|(candidate, _)| (candidate, 1)))
}

/// The sums of scores, one list a ballot. No score counts as zero.
#[must_use]
pub fn scores(candidates: usize, ballots: impl IntoIterator<Item = Vec<Option<u8>>>) -> Vec<u64> {
    let marks = ballots.into_iter().flat_map(|marks| marks.into_iter().enumerate());
    add_up(candidates, marks.filter_map(|(candidate, score)| Some((candidate, u64::from(score?)))))
}

fn add_up(candidates: usize, points: impl Iterator<Item = (usize, u64)>) -> Vec<u64> {
    let mut counts = vec![0; candidates];
    for (candidate, points) in points {
        if let Some(count) = counts.get_mut(candidate) {
            *count += points;
        }
    }
    counts
}

/// The `seats` candidates who have the most.
#[must_use]
pub fn count_most(counts: Vec<u64>, seats: usize, lots: &Lots) -> Most {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|candidate| (std::cmp::Reverse(counts[*candidate]), lots.place(*candidate)));
    let seats = seats.min(order.len());
    let (elected, others) = order.split_at(seats);
    let tied = match (elected.last(), others.first()) {
        (Some(last), Some(next)) if counts[*last] == counts[*next] => {
            (0..counts.len()).filter(|candidate| counts[*candidate] == counts[*last]).collect()
        }
        _ => Vec::new(),
    };
    Most { elected: elected.to_vec(), tied, counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(order: &[usize]) -> Lots {
        Lots::new(order.len(), order.to_vec()).unwrap()
    }

    #[test]
    fn whoever_has_the_most_is_elected() {
        let counts = pluralities(3, [Some(1), Some(1), None, Some(2), Some(9)]);
        let most = count_most(counts, 1, &lots(&[0, 1, 2]));
        assert_eq!(most, Most { counts: vec![0, 2, 1], elected: vec![1], tied: vec![] });
    }

    #[test]
    fn lots_decide_among_equals_and_it_is_said_so() {
        let most = count_most(vec![5, 3, 3, 3], 2, &lots(&[2, 3, 1, 0]));
        assert_eq!((most.elected, most.tied), (vec![0, 2], vec![1, 2, 3]));
        let all = count_most(vec![5, 3, 3, 3], 4, &lots(&[2, 3, 1, 0]));
        assert_eq!((all.elected, all.tied), (vec![0, 2, 3, 1], vec![]));
    }

    #[test]
    fn approvals_and_scores_are_added_up() {
        assert_eq!(approvals(2, [vec![true, true], vec![false, true]]), [1, 2]);
        assert_eq!(scores(3, [vec![Some(5), None, Some(0)], vec![Some(2), Some(3), None]]), [7, 3, 0]);
    }
}
