//! Answers, their bytes, and the vectors that other implementations share.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::group::{P256, Ristretto};

const VECTORS: &str = include_str!("../../vectors/answers.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    answers: Vec<Said>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    contest: Contest,
    answer: Answer,
    bytes: String,
    ristretto255: Vec<String>,
    p256: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    contest: Contest,
    ristretto255: Vec<String>,
    why: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

fn elements<G: Group>(encoded: &[String]) -> Vec<G::Element> {
    encoded.iter().map(|element| G::decode_element(&hex::decode(element).unwrap()).unwrap()).collect()
}

#[test]
fn answers_are_said_as_the_vectors_say_them() {
    for Said { contest, answer, bytes, ristretto255, p256 } in vectors().answers {
        assert_eq!(hex::encode(contest.encode(&answer).unwrap()), bytes);
        assert_eq!(contest.decode(&hex::decode(&bytes).unwrap()).as_ref(), Ok(&answer));
        assert_eq!(contest.embed::<Ristretto>(&answer).unwrap(), elements::<Ristretto>(&ristretto255));
        assert_eq!(contest.embed::<P256>(&answer).unwrap(), elements::<P256>(&p256));
        assert_eq!(contest.extract::<Ristretto>(&elements::<Ristretto>(&ristretto255)), Ok(answer.clone()));
        assert_eq!(contest.extract::<P256>(&elements::<P256>(&p256)), Ok(answer));
    }
}

#[test]
fn what_the_vectors_refuse_is_refused_for_the_same_reason() {
    for Refused { contest, ristretto255, why } in vectors().refused {
        let refused = contest.extract::<Ristretto>(&elements::<Ristretto>(&ristretto255));
        assert_eq!(refused.unwrap_err().to_string(), why);
    }
}

fn contest(form: Form, options: u8, write_in_bytes_max: u8) -> Result<Contest, ContestError> {
    ContestFields { form, options, write_in_bytes_max }.try_into()
}

#[test]
fn contests_that_nobody_could_answer_do_not_exist() {
    let ranked = |ranks_max| Form::Ranked { ranks_max, shared_ranks: false };
    assert_eq!(contest(Form::Plurality {}, 0, 0), Err(ContestError::Options(0)));
    assert_eq!(contest(Form::Plurality {}, 201, 0), Err(ContestError::Options(201)));
    assert_eq!(contest(Form::Plurality {}, 1, 241), Err(ContestError::WriteIn(241)));
    assert_eq!(contest(Form::Approval { approvals_max: 0 }, 3, 0), Err(ContestError::Approvals(0, 3)));
    assert_eq!(contest(Form::Approval { approvals_max: 4 }, 3, 0), Err(ContestError::Approvals(4, 3)));
    assert_eq!(contest(Form::Score { score_max: 251 }, 3, 0), Err(ContestError::Score(251)));
    assert_eq!(contest(ranked(4), 3, 0), Err(ContestError::Ranks(4, 3)));
    assert!(contest(ranked(4), 3, 1).is_ok(), "who is written in may be ranked too");
    let unknown = r#"{"form": {"plurality": {}}, "options": 2, "colour": 1}"#;
    assert!(serde_json::from_str::<Contest>(unknown).is_err());
    let unsound = r#"{"form": {"plurality": {}}, "options": 0}"#;
    assert!(serde_json::from_str::<Contest>(unsound).is_err());
}

#[track_caller]
fn check_refused(contest: Contest, marks: Marks, write_in: Option<&str>, expected: AnswerError) {
    let answer = Answer { marks, write_in: write_in.map(str::to_owned) };
    assert_eq!(contest.encode(&answer), Err(expected));
}

#[test]
fn answers_that_a_contest_does_not_allow_are_not_encoded() {
    let plurality = contest(Form::Plurality {}, 3, 0).unwrap();
    check_refused(plurality, Marks::Plurality(Some(3)), None, AnswerError::Option(3));
    check_refused(plurality, Marks::Approval(vec![true; 3]), None, AnswerError::Form);
    check_refused(plurality, Marks::Plurality(Some(2)), Some("Ada"), AnswerError::WriteIn);
    let approval = contest(Form::Approval { approvals_max: 2 }, 3, 0).unwrap();
    check_refused(approval, Marks::Approval(vec![true; 3]), None, AnswerError::Approvals);
    check_refused(approval, Marks::Approval(vec![true; 2]), None, AnswerError::Places(2));
    let score = contest(Form::Score { score_max: 5 }, 2, 0).unwrap();
    check_refused(score, Marks::Score(vec![Some(6), None]), None, AnswerError::Score(6));
    let ranked = contest(Form::Ranked { ranks_max: 2, shared_ranks: false }, 3, 0).unwrap();
    check_refused(ranked, Marks::Ranked(vec![Some(3), None, None]), None, AnswerError::Rank(3));
    check_refused(ranked, Marks::Ranked(vec![Some(0), None, None]), None, AnswerError::Rank(0));
    check_refused(ranked, Marks::Ranked(vec![Some(2), None, None]), None, AnswerError::MissingRank(1));
    check_refused(ranked, Marks::Ranked(vec![Some(1), Some(1), None]), None, AnswerError::SharedRank(1));
}

#[test]
fn what_is_written_in_is_plain_text_for_the_place_that_is_marked() {
    let contest = contest(Form::Plurality {}, 2, 10).unwrap();
    let marked = || Marks::Plurality(Some(2));
    let answer = Answer { marks: marked(), write_in: Some("Zoë".to_owned()) };
    assert_eq!(contest.decode(&contest.encode(&answer).unwrap()), Ok(answer));
    check_refused(contest, marked(), None, AnswerError::WriteIn);
    check_refused(contest, Marks::Plurality(Some(1)), Some("Zoë"), AnswerError::WriteIn);
    check_refused(contest, Marks::Plurality(None), Some("Zoë"), AnswerError::WriteIn);
    for text in ["", " Ada", "Ada ", "A\nda", "A\u{85}da", "eleven char"] {
        check_refused(contest, marked(), Some(text), AnswerError::Text);
    }
}

/// Attack: a mark in the bytes that nobody shows, for whoever pays for the vote to find.
#[test]
fn an_answer_has_no_room_for_a_hidden_mark() {
    let contest = contest(Form::Approval { approvals_max: 3 }, 3, 3).unwrap();
    let answer = Answer { marks: Marks::Approval(vec![true, false, true, false]), write_in: None };
    let mut bytes = contest.encode(&answer).unwrap();
    bytes.resize(EMBEDDED_BYTES, 0);
    for at in 0..EMBEDDED_BYTES {
        for bit in 0..8 {
            let mut marked = bytes.clone();
            marked[at] ^= 1 << bit;
            let element = Ristretto::embed(&marked.try_into().unwrap());
            assert_ne!(contest.extract::<Ristretto>(&[element]), Ok(answer.clone()));
        }
    }
    let extract = |elements: &[_]| contest.extract::<Ristretto>(elements);
    assert_eq!(extract(&[]), Err(AnswerError::Width(0)));
    assert_eq!(extract(&[Ristretto::generator(); 2]), Err(AnswerError::Width(2)));
    assert_eq!(extract(&[Ristretto::identity()]), Err(AnswerError::Element));
}

fn contests() -> impl Strategy<Value = Contest> {
    let forms = prop_oneof![
        Just(Form::Plurality {}),
        (1_u8..12).prop_map(|approvals_max| Form::Approval { approvals_max }),
        (1_u8..12).prop_map(|score_max| Form::Score { score_max }),
        (1_u8..12, any::<bool>())
            .prop_map(|(ranks_max, shared_ranks)| Form::Ranked { ranks_max, shared_ranks }),
    ];
    let fields = (forms, 1_u8..12, 0_u8..5);
    fields.prop_filter_map("unsound", |(form, options, write_in)| contest(form, options, write_in).ok())
}

proptest! {
    #[test]
    fn bytes_say_one_answer_or_none(contest in contests(), bytes in proptest::collection::vec(0_u8..6, 0..20)) {
        let mut bytes = bytes;
        bytes.resize(contest.bytes(), 0);
        if let Ok(answer) = contest.decode(&bytes) {
            prop_assert_eq!(contest.allows(&answer), Ok(()));
            prop_assert_eq!(contest.encode(&answer), Ok(bytes));
        }
    }

    #[test]
    fn what_is_allowed_is_read_back(contest in contests(), picks in proptest::collection::vec(0_u8..4, 13)) {
        let places = contest.places();
        let some = |pick: &u8| Some(*pick).filter(|pick| *pick > 0);
        let marks = match contest.fields().form {
            Form::Plurality {} => Marks::Plurality(some(&picks[0]).map(|pick| pick - 1)),
            Form::Approval { .. } => Marks::Approval(picks[..places].iter().map(|pick| *pick > 2).collect()),
            Form::Score { .. } => Marks::Score(picks[..places].iter().map(some).collect()),
            Form::Ranked { .. } => Marks::Ranked(picks[..places].iter().map(some).collect()),
        };
        for write_in in [None, Some("x".to_owned())] {
            let answer = Answer { marks: marks.clone(), write_in };
            if contest.allows(&answer).is_ok() {
                let bytes = contest.encode(&answer).unwrap();
                prop_assert_eq!(bytes.len(), contest.bytes());
                prop_assert_eq!(contest.decode(&bytes), Ok(answer));
            }
        }
    }
}
