//! What a count makes of ballots, names and weights.

use super::*;
use crate::definition::{Choice, FormOf};

fn question(form: FormOf, count: Method, write_in_bytes_max: u8) -> Question {
    let option =
        |id: &str| Choice { option_id: id.to_owned(), title: [("en".to_owned(), id.to_owned())].into() };
    Question {
        contest_id: "mayor".to_owned(),
        title: [("en".to_owned(), "Mayor".to_owned())].into(),
        form,
        count,
        seats: 1,
        write_in_bytes_max,
        options: vec![option("ada"), option("bob")],
    }
}

fn for_one(place: u8, name: Option<&str>) -> Option<Answer> {
    Some(Answer { marks: Marks::Plurality(Some(place)), write_in: name.map(str::to_owned) })
}

#[test]
fn weights_count_and_written_names_are_candidates_of_their_own() {
    let question = question(FormOf::Plurality {}, Method::Most, 40);
    let heavy = [for_one(2, Some("Zoe")), None];
    let light = [for_one(0, None), for_one(1, None), for_one(2, Some("Eve"))];
    let blank = [Some(Answer { marks: Marks::Plurality(None), write_in: None })];
    let votes = [
        Votes { weight: 3, answers: &heavy },
        Votes { weight: 1, answers: &light },
        Votes { weight: 2, answers: &blank },
    ];
    let result = count(&question, 0, &votes, &[7; 32]).expect("it counts");
    assert_eq!((result.ballots, result.blank, result.invalid), (11, 2, 3));
    assert_eq!(result.candidates[2..], [Candidate::WriteIn("Eve".into()), Candidate::WriteIn("Zoe".into())]);
    assert_eq!(result.elected, [3]);
    let Log::Most(most) = result.log else { panic!("it is not counted so") };
    assert_eq!(most.counts, [1, 1, 1, 3]);
}

#[test]
fn lots_decide_between_equals_as_the_seed_says() {
    let question = question(FormOf::Plurality {}, Method::Most, 0);
    let answers = [for_one(0, None), for_one(1, None)];
    let votes = [Votes { weight: 1, answers: &answers }];
    let elected = |seed: u8| count(&question, 0, &votes, &[seed; 32]).expect("it counts").elected[0];
    let all: std::collections::BTreeSet<_> = (0..40).map(elected).collect();
    assert_eq!(all.len(), 2);
}

#[test]
fn lots_follow_from_what_was_voted_and_not_from_its_order() {
    let (ada, bob) = (for_one(0, None), for_one(1, None));
    let seed = |hash: u8, lists: &[(u32, &[&Option<Answer>])]| {
        let list =
            |(list, answers): &(u32, &[&Option<Answer>])| (*list, answers.iter().copied().cloned().collect());
        lots_seed(&[hash; 32], &lists.iter().map(list).collect())
    };
    let own = seed(1, &[(0, &[&ada, &bob, &None])]);
    assert_eq!(seed(1, &[(0, &[&None, &bob, &ada])]), own);
    let others = [
        seed(2, &[(0, &[&ada, &bob, &None])]),
        seed(1, &[(1, &[&ada, &bob, &None])]),
        seed(1, &[(0, &[&ada, &ada, &None])]),
        seed(1, &[(0, &[&ada, &bob])]),
        seed(1, &[(0, &[&ada]), (1, &[&bob, &None])]),
    ];
    assert!(others.iter().all(|other| *other != own));
}

#[test]
fn rankings_are_counted_by_each_rule() {
    let ranked = |ranks: [u8; 2]| {
        Some(Answer { marks: Marks::Ranked(ranks.iter().map(|rank| Some(*rank)).collect()), write_in: None })
    };
    let answers = [ranked([1, 2]), ranked([2, 1]), ranked([2, 1])];
    for method in [Method::InstantRunoff, Method::StvScottish, Method::StvMeek, Method::Schulze] {
        let question = question(FormOf::Ranked { ranks_max: 2, shared_ranks: false }, method, 0);
        let result = count(&question, 0, &[Votes { weight: 1, answers: &answers }], &[7; 32]);
        assert_eq!(result.expect("it counts").elected, [1], "{method:?}");
    }
}

#[test]
fn nobody_is_elected_where_nobody_voted() {
    for method in [Method::InstantRunoff, Method::StvScottish, Method::StvMeek, Method::Schulze] {
        let question = question(FormOf::Ranked { ranks_max: 2, shared_ranks: false }, method, 0);
        assert_eq!(count(&question, 0, &[], &[7; 32]).expect("it counts").elected.len(), 0, "{method:?}");
    }
    let question = question(FormOf::Plurality {}, Method::Most, 0);
    assert_eq!(count(&question, 0, &[], &[7; 32]).expect("it counts").elected.len(), 0);
}
