//! Both rules, against a published count, by hand, and by what every transferable vote must do.

use proptest::prelude::*;

use super::*;
use crate::{lots::Lots, profile::Profile};

fn profile(candidates: usize, ballots: &[(&[usize], u64)]) -> Profile {
    let mut profile = Profile::new(candidates).unwrap();
    for (order, count) in ballots {
        profile.add(order.iter().map(|candidate| vec![*candidate]).collect(), *count).unwrap();
    }
    profile
}

fn lots(candidates: usize) -> Lots {
    Lots::new(candidates, (0..candidates).collect()).unwrap()
}

fn scottish(profile: &Profile, seats: usize) -> Scottish {
    count_scottish(profile, seats, &lots(profile.candidates())).unwrap()
}

fn meek(profile: &Profile, seats: usize) -> Meek {
    count_meek(profile, seats, &lots(profile.candidates())).unwrap()
}

/// The ward Tain and Easter Ross of the Highland Council in 2017, as far as its count went through the ballots: whom each
/// of 3,484 papers was with, one after the other.
fn tain_and_easter_ross() -> Profile {
    profile(
        6,
        &[
            (&[0], 111),
            (&[0, 1], 5),
            (&[0, 1, 2], 4),
            (&[0, 1, 2, 5], 1),
            (&[0, 1, 5], 6),
            (&[0, 2], 79),
            (&[0, 2, 5], 54),
            (&[0, 3], 48),
            (&[0, 3, 1, 5], 4),
            (&[0, 3, 2], 27),
            (&[0, 3, 2, 5], 29),
            (&[0, 3, 5], 38),
            (&[0, 5], 152),
            (&[1], 337),
            (&[1, 2], 115),
            (&[1, 2, 5], 154),
            (&[1, 5], 225),
            (&[2], 167),
            (&[2, 5], 402),
            (&[3], 63),
            (&[3, 1], 32),
            (&[3, 1, 2], 16),
            (&[3, 1, 2, 5], 16),
            (&[3, 1, 5], 33),
            (&[3, 2], 124),
            (&[3, 2, 5], 202),
            (&[3, 5], 222),
            (&[4], 20),
            (&[4, 0], 7),
            (&[4, 0, 1], 6),
            (&[4, 0, 1, 5], 1),
            (&[4, 0, 2, 5], 2),
            (&[4, 0, 3], 4),
            (&[4, 0, 3, 2, 5], 2),
            (&[4, 0, 5], 3),
            (&[4, 1], 7),
            (&[4, 1, 2], 1),
            (&[4, 1, 2, 5], 1),
            (&[4, 1, 5], 7),
            (&[4, 2], 3),
            (&[4, 2, 5], 15),
            (&[4, 3], 12),
            (&[4, 3, 1], 6),
            (&[4, 3, 1, 2], 1),
            (&[4, 3, 1, 2, 5], 1),
            (&[4, 3, 1, 5], 1),
            (&[4, 3, 2], 9),
            (&[4, 3, 2, 5], 6),
            (&[4, 3, 5], 7),
            (&[4, 5], 17),
            (&[5], 679),
        ],
    )
}

/// Stage by stage as the council published it, there rounded to whole votes from the second transfer on.
#[test]
fn the_election_of_tain_and_easter_ross_in_2017_comes_out_as_it_did() {
    let counted = scottish(&tain_and_easter_ross(), 3);
    assert_eq!(counted.quota, 872);
    let told: Vec<(Step, [u64; 6])> = vec![
        (Step::FirstPreferences, [558, 831, 569, 708, 139, 679]),
        (Step::Exclusion(4), [583, 847, 587, 751, 0, 696]),
        (Step::Exclusion(0), [0, 870, 722, 903, 0, 851]),
        (Step::SurplusOf(3), [0, 874, 736, 872, 0, 860]),
        (Step::SurplusOf(1), [0, 872, 736, 872, 0, 861]),
        (Step::Exclusion(2), [0, 872, 0, 872, 0, 1342]),
    ];
    let rounded = |units: &u64| (units + SCOTTISH_UNITS / 2) / SCOTTISH_UNITS;
    let counted_as =
        counted.stages.iter().map(|stage| (stage.step, stage.votes.iter().map(rounded).collect()));
    let expected = told.into_iter().map(|(step, votes)| (step, votes.to_vec()));
    assert_eq!(counted_as.collect::<Vec<(Step, Vec<u64>)>>(), expected.collect::<Vec<_>>());
    assert_eq!(counted.elected, [3, 1, 5]);
    // 31 of 903 votes are surplus: each of 110 papers passes on with 0.03433.
    assert_eq!(counted.stages[3].votes[1], 870 * SCOTTISH_UNITS + 110 * 3433);
    // Those that came with a whole vote pass on with 0.00203, those that came with 0.03433 with 0.00006.
    assert_eq!(counted.stages[4].votes[5] - counted.stages[3].votes[5], 239 * 203 + 38 * 6);
}

#[test]
fn a_tie_goes_by_the_last_stage_in_which_they_differed_and_then_by_lot() {
    let counted = scottish(&profile(4, &[(&[0], 10), (&[1], 6), (&[2], 5), (&[3, 2], 1)]), 1);
    assert_eq!(counted.stages[1].step, Step::Exclusion(3));
    assert_eq!(counted.stages[1].votes[1..3], [6 * SCOTTISH_UNITS; 2]);
    assert_eq!((counted.stages[2].step, counted.stages[2].by_lot), (Step::Exclusion(2), false));
    let counted = scottish(&profile(3, &[(&[0], 10), (&[1], 5), (&[2], 5)]), 1);
    // Nobody has the quota of eleven; the lots are in the candidates' order, and the unluckier goes.
    assert_eq!((counted.stages[1].step, counted.stages[1].by_lot), (Step::Exclusion(2), true));
}

#[test]
fn as_many_as_there_are_seats_are_elected_without_a_transfer() {
    let counted = scottish(&profile(3, &[(&[0, 1], 9), (&[1], 1)]), 3);
    assert_eq!(counted.elected, [0, 1, 2]);
    assert_eq!(counted.stages.last().map(|stage| stage.step), Some(Step::Remaining));
    assert_eq!(scottish(&profile(2, &[]), 5).elected, [0, 1]);
}

#[test]
fn a_paper_without_a_preference_does_not_count_for_the_quota() {
    assert_eq!(scottish(&profile(3, &[(&[0], 9), (&[], 100)]), 2).quota, 4);
}

/// Two seats and ten ballots, worked out by hand. Candidate 0 has eight of them and needs a third of ten: they keep as
/// much of each as leaves them the quota, and all the rest passes to candidate 1.
#[test]
fn meek_keeps_the_quota_and_passes_on_the_rest() {
    let counted = meek(&profile(3, &[(&[0, 1], 8), (&[2], 2)]), 2);
    assert_eq!(counted.rounds[0].step, MeekStep::Elected(vec![0]));
    assert_eq!(counted.rounds[0].votes, [8 * MEEK_UNITS, 0, 2 * MEEK_UNITS]);
    assert_eq!(counted.rounds[0].quota, 3_333_333_334);
    let round = &counted.rounds[1];
    assert_eq!(round.step, MeekStep::Elected(vec![1]));
    // 3.333333334 by 8, rounded up to nine decimals.
    assert_eq!(round.kept, [416_666_667, MEEK_UNITS, MEEK_UNITS]);
    assert_eq!(round.votes, [3_333_333_336, 4_666_666_664, 2 * MEEK_UNITS]);
    assert_eq!(counted.elected, [0, 1]);
}

/// Where Meek differs: a vote passes through those who are elected already, who keep their part of it like of any other.
#[test]
fn meek_passes_votes_through_those_who_are_elected() {
    let profile = profile(4, &[(&[0], 40), (&[1], 14), (&[3], 20), (&[2, 0, 1], 12)]);
    let counted = meek(&profile, 2);
    assert_eq!(counted.rounds[0].step, MeekStep::Elected(vec![0]));
    assert_eq!(counted.rounds[1].step, MeekStep::Defeated { candidate: 2, by_lot: false });
    let passed_on = counted.rounds[2].votes[1] - 14 * MEEK_UNITS;
    assert_eq!(passed_on, 12 * (MEEK_UNITS - counted.rounds[2].kept[0]));
    assert!(passed_on > 0);
    // Candidate 0 comes to keep 46/116 of each vote: 52 · 46/116 = (86 − 40 · 70/116) / 3. The 12 · 70/116 that pass on
    // bring candidate 1 to 21.24, and the quota is 20.62.
    assert_eq!(counted.elected, [0, 1]);
    // Under the Scottish rule all of it goes past candidate 0.
    let past = scottish(&profile, 2);
    assert_eq!(past.stages.iter().map(|stage| stage.votes[1]).max(), Some(26 * SCOTTISH_UNITS));
}

#[test]
fn what_the_rules_do_not_know_is_refused() {
    let mut equal = Profile::new(2).unwrap();
    equal.add(vec![vec![0, 1]], 1).unwrap();
    assert_eq!(count_scottish(&equal, 1, &lots(2)), Err(CountError::EqualRanks));
    assert_eq!(count_meek(&equal, 1, &lots(2)), Err(CountError::EqualRanks));
    let strict = profile(2, &[(&[0], 1)]);
    assert_eq!(count_scottish(&strict, 0, &lots(2)), Err(CountError::Seats));
    assert_eq!(count_scottish(&strict, usize::MAX, &lots(2)), Err(CountError::Seats));
    assert_eq!(count_meek(&strict, 0, &lots(2)), Err(CountError::Seats));
    assert_eq!(count_scottish(&strict, 1, &lots(3)), Err(CountError::Lots));
    assert_eq!(count_meek(&strict, 1, &lots(1)), Err(CountError::Lots));
}

#[test]
fn the_whole_count_is_data() {
    let counted = scottish(&tain_and_easter_ross(), 3);
    let text = serde_json::to_string(&counted).unwrap();
    assert_eq!(serde_json::from_str::<Scottish>(&text).unwrap(), counted);
    let counted = meek(&tain_and_easter_ross(), 3);
    let text = serde_json::to_string(&counted).unwrap();
    assert_eq!(serde_json::from_str::<Meek>(&text).unwrap(), counted);
}

fn ballots(candidates: usize) -> impl Strategy<Value = Vec<(Vec<usize>, u64)>> {
    let order = Just((0..candidates).collect::<Vec<_>>()).prop_shuffle();
    let ballot = (order, 0..=candidates, 1_u64..50);
    let ballot = ballot.prop_map(|(mut order, length, count)| {
        order.truncate(length);
        (order, count)
    });
    proptest::collection::vec(ballot, 1..12)
}

fn of(candidates: usize, ballots: &[(Vec<usize>, u64)]) -> Profile {
    let ballots: Vec<_> = ballots.iter().map(|(order, count)| (order.as_slice(), *count)).collect();
    profile(candidates, &ballots)
}

proptest! {
    #[test]
    fn no_vote_comes_from_nowhere_or_gets_lost(ballots in ballots(6), seats in 1_usize..8) {
        let profile = of(6, &ballots);
        let counted = scottish(&profile, seats);
        let valid: u64 = ballots.iter().filter(|(order, _)| !order.is_empty()).map(|(_, count)| count).sum();
        for stage in &counted.stages {
            prop_assert_eq!(stage.votes.iter().sum::<u64>() + stage.lost, valid * SCOTTISH_UNITS);
        }
        let counted_meek = meek(&profile, seats);
        for round in &counted_meek.rounds {
            prop_assert!(round.votes.iter().sum::<u64>() <= profile.ballots() * MEEK_UNITS);
        }
        for mut elected in [counted.elected, counted_meek.elected] {
            elected.sort_unstable();
            elected.dedup();
            prop_assert_eq!(elected.len(), seats.min(6));
        }
    }

    /// What transferable votes are for: whoever has the ballots for so many quotas, in whatever order, has the seats.
    #[test]
    fn a_coalition_has_the_seats_of_its_quotas(others in ballots(6), own in ballots(3), seats in 1_usize..5) {
        // Candidates 0, 1 and 2 before all others on the coalition's ballots; nobody else ranks them.
        let own = own.iter().map(|(order, count)| {
            let rest = (0..3).filter(|candidate| !order.contains(candidate));
            (order.iter().copied().chain(rest).collect::<Vec<_>>(), *count)
        });
        let others = others.iter().map(|(order, count)| {
            (order.iter().copied().filter(|candidate| *candidate > 2).collect::<Vec<_>>(), *count)
        });
        let own: Vec<_> = own.collect();
        let others: Vec<_> = others.filter(|(order, _)| !order.is_empty()).collect();
        let strength: u64 = own.iter().map(|(_, count)| count).sum();
        let all: u64 = strength + others.iter().map(|(_, count)| count).sum::<u64>();
        let quota = all / (seats as u64 + 1) + 1;
        // One vote less than they have, for what roundings lose.
        let due = usize::try_from((strength - 1) / quota).unwrap().min(3).min(seats);
        let profile = of(6, &[own, others].concat());
        for elected in [scottish(&profile, seats).elected, meek(&profile, seats).elected] {
            prop_assert!(elected.iter().filter(|candidate| **candidate < 3).count() >= due);
        }
    }
}
