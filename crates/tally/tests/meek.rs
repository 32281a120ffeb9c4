//! Meek's method, beside another implementation of it: stv-rs, which follows Droop.py.

use proptest::prelude::*;
use stv_rs::{
    arithmetic::{FixedDecimal9, Integer64},
    cli::Parallel,
    meek::stv_droop,
    types::{Ballot, Candidate, Election},
};
use tally::{Lots, Meek, MeekStep, Profile, count_meek};

const CANDIDATES: usize = 6;

/// Orders, and how many gave each.
type Ballots = Vec<(Vec<usize>, u64)>;

fn own(ballots: &Ballots, seats: usize) -> Meek {
    let mut profile = Profile::new(CANDIDATES).expect("few candidates");
    for (order, count) in ballots {
        let ranks = order.iter().map(|candidate| vec![*candidate]).collect();
        profile.add(ranks, *count).expect("candidates that there are");
    }
    let lots = Lots::new(CANDIDATES, (0..CANDIDATES).collect()).expect("each of them once");
    count_meek(&profile, seats, &lots).expect("strict ranks")
}

fn theirs(ballots: &Ballots, seats: usize) -> Vec<usize> {
    let candidates: Vec<_> =
        (0..CANDIDATES).map(|number| Candidate::new(format!("c{number}"), false)).collect();
    let ballots: Vec<_> = ballots
        .iter()
        .map(|(order, count)| {
            let count = usize::try_from(*count).expect("a small count");
            Ballot::new(count, order.iter().map(|candidate| [*candidate]))
        })
        .collect();
    let election =
        Election::builder().title("peer").num_seats(seats).candidates(candidates).ballots(ballots).build();
    let mut told = Vec::new();
    let counted = stv_droop::<Integer64, FixedDecimal9>(
        &mut told,
        &election,
        "peer",
        6,
        Parallel::No,
        None,
        false,
        false,
        false,
    );
    counted.expect("it writes to memory").elected
}

/// Did chance or a hair decide? Then two who round otherwise may differ.
fn is_close(counted: &Meek) -> bool {
    const HAIR: u64 = 10_000;
    counted.rounds.iter().any(|round| {
        let near = |one: u64, other: u64| one.abs_diff(other) <= HAIR;
        match &round.step {
            MeekStep::Defeated { candidate, by_lot } => {
                let lowest = round.votes[*candidate];
                let others =
                    round.votes.iter().enumerate().filter(|(other, votes)| other != candidate && **votes > 0);
                *by_lot || others.map(|(_, votes)| *votes).any(|votes| near(votes, lowest))
            }
            MeekStep::Elected(_) | MeekStep::Remaining(_) => {
                round.votes.iter().any(|votes| near(*votes, round.quota))
            }
        }
    })
}

fn ballots() -> impl Strategy<Value = Ballots> {
    let order = Just((0..CANDIDATES).collect::<Vec<_>>()).prop_shuffle();
    let ballot = (order, 1..=CANDIDATES, 1_u64..500).prop_map(|(mut order, length, count)| {
        order.truncate(length);
        (order, count)
    });
    proptest::collection::vec(ballot, 3..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_global_rejects: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn another_implementation_elects_the_same(ballots in ballots(), seats in 1_usize..5) {
        let counted = own(&ballots, seats);
        prop_assume!(!is_close(&counted));
        // It panics where nobody is left to be defeated.
        let theirs = std::panic::catch_unwind(|| theirs(&ballots, seats));
        prop_assume!(theirs.is_ok());
        let (mut own, mut theirs) = (counted.elected, theirs.unwrap_or_default());
        own.sort_unstable();
        theirs.sort_unstable();
        prop_assert_eq!(own, theirs);
    }
}
