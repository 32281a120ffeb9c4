//! What voters select in elections whose votes are not secret, made into answers.

use board::{FormOf, Manifest, Question};
use mixnet::{Answer, Marks};
use problem::Problem;
use serde::Deserialize;
use utoipa::ToSchema;

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Selection {
    pub(crate) contest_id: String,
    #[serde(default)]
    pub(crate) option_id: Option<String>,
    /// A name that is written in, instead of an option.
    #[serde(default)]
    pub(crate) write_in: Option<String>,
    /// In contests that rank: 1 is the best.
    #[serde(default)]
    pub(crate) rank: Option<u8>,
    /// In contests that score.
    #[serde(default)]
    pub(crate) score: Option<u8>,
}

fn unfit(detail: String) -> Problem {
    Problem::unprocessable("elections/selection-unfit", detail)
}

/// An answer to each contest, in order.
///
/// # Errors
/// When a selection is of no contest or option, or they are no allowed answer together.
pub(crate) fn answers(manifest: &Manifest, selections: &[Selection]) -> Result<Vec<Answer>, Problem> {
    let known = |id: &str| manifest.contests.iter().any(|question| question.contest_id == id);
    if let Some(stray) = selections.iter().find(|selection| !known(&selection.contest_id)) {
        return Err(unfit(format!("there is no contest `{}`", stray.contest_id)));
    }
    let answer = |question: &Question| {
        let own: Vec<_> =
            selections.iter().filter(|selection| selection.contest_id == question.contest_id).collect();
        answer(question, &own)
    };
    manifest.contests.iter().map(answer).collect()
}

fn answer(question: &Question, selections: &[&Selection]) -> Result<Answer, Problem> {
    let contest = question.contest().map_err(|error| unfit(error.to_string()))?;
    let places = contest.places();
    let mut marked: Vec<Option<&Selection>> = vec![None; places];
    for selection in selections {
        fits(question, selection)?;
        let place = place(question, selection)?;
        if marked[place].replace(selection).is_some() {
            return Err(unfit(format!("an option of `{}` is selected twice", question.contest_id)));
        }
    }
    let marks = match question.form {
        FormOf::Plurality {} => {
            let mut places = marked.iter().enumerate().filter(|(_, selection)| selection.is_some());
            let first = places.next().map(|(place, _)| u8::try_from(place).unwrap_or(u8::MAX));
            if places.next().is_some() {
                return Err(unfit(format!("select one option of `{}`", question.contest_id)));
            }
            Marks::Plurality(first)
        }
        FormOf::Approval { .. } => Marks::Approval(marked.iter().map(Option::is_some).collect()),
        FormOf::Score { .. } => {
            Marks::Score(marked.iter().map(|selection| selection.and_then(|one| one.score)).collect())
        }
        FormOf::Ranked { .. } => {
            Marks::Ranked(marked.iter().map(|selection| selection.and_then(|one| one.rank)).collect())
        }
    };
    let write_in = marked.iter().flatten().find_map(|selection| selection.write_in.clone());
    let answer = Answer { marks, write_in };
    contest.allows(&answer).map_err(|error| unfit(format!("`{}`: {error}", question.contest_id)))?;
    Ok(answer)
}

/// Does it say what this question asks for, and nothing else? What it left out would be a vote that says less than was
/// meant.
fn fits(question: &Question, selection: &Selection) -> Result<(), Problem> {
    let (rank, score) = match question.form {
        FormOf::Plurality {} | FormOf::Approval { .. } => (false, false),
        FormOf::Ranked { .. } => (true, false),
        FormOf::Score { .. } => (false, true),
    };
    let contest = &question.contest_id;
    for (member, said, asked) in
        [("rank", selection.rank.is_some(), rank), ("score", selection.score.is_some(), score)]
    {
        if said != asked {
            let with = if asked { "with" } else { "without" };
            return Err(unfit(format!("send each selection of `{contest}` {with} a `{member}`")));
        }
    }
    Ok(())
}

/// The place on the ballot that is marked.
fn place(question: &Question, selection: &Selection) -> Result<usize, Problem> {
    match (&selection.option_id, &selection.write_in) {
        (Some(option), None) => {
            let place = question.options.iter().position(|known| known.option_id == *option);
            place.ok_or_else(|| unfit(format!("there is no option `{option}`")))
        }
        (None, Some(_)) if question.write_in_bytes_max > 0 => Ok(question.options.len()),
        (None, Some(_)) => Err(unfit(format!("no name may be written in at `{}`", question.contest_id))),
        (Some(_), Some(_)) | (None, None) => Err(unfit("select an option, or write a name in".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(form: FormOf, write_in_bytes_max: u8) -> Question {
        let json = r#"{"contestId": "c", "title": {"en": "C"}, "form": {"kind": "plurality"}, "count": "most",
            "options": [{"optionId": "a", "title": {"en": "A"}}, {"optionId": "b", "title": {"en": "B"}}]}"#;
        let question: Question = serde_json::from_str(json).expect("it reads");
        Question { form, write_in_bytes_max, ..question }
    }

    fn select(json: &str) -> Selection {
        serde_json::from_str(json).expect("it reads")
    }

    #[test]
    fn one_option_is_one_vote_and_none_is_a_blank_one() {
        let question = question(FormOf::Plurality {}, 0);
        let b = select(r#"{"contestId": "c", "optionId": "b"}"#);
        assert_eq!(answer(&question, &[&b]).expect("a vote").marks, Marks::Plurality(Some(1)));
        assert_eq!(answer(&question, &[]).expect("a vote").marks, Marks::Plurality(None));
        let a = select(r#"{"contestId": "c", "optionId": "a"}"#);
        assert!(answer(&question, &[&a, &b]).is_err());
        assert!(answer(&question, &[&b, &b]).is_err());
    }

    #[test]
    fn names_are_written_in_where_they_may_be() {
        let zoe = select(r#"{"contestId": "c", "writeIn": "Zoe"}"#);
        assert!(answer(&question(FormOf::Plurality {}, 0), &[&zoe]).is_err());
        let answer = answer(&question(FormOf::Plurality {}, 10), &[&zoe]).expect("a vote");
        assert_eq!((answer.marks, answer.write_in.as_deref()), (Marks::Plurality(Some(2)), Some("Zoe")));
    }

    #[test]
    fn ranks_and_scores_are_taken_and_what_is_beyond_them_is_not() {
        let ranked = question(FormOf::Ranked { ranks_max: 2, shared_ranks: false }, 0);
        let first = select(r#"{"contestId": "c", "optionId": "b", "rank": 1}"#);
        assert_eq!(answer(&ranked, &[&first]).expect("a vote").marks, Marks::Ranked(vec![None, Some(1)]));
        let scored = question(FormOf::Score { score_max: 5 }, 0);
        let much = select(r#"{"contestId": "c", "optionId": "b", "score": 6}"#);
        assert!(answer(&scored, &[&much]).is_err());
    }

    #[test]
    fn what_a_question_asks_for_is_said_and_nothing_else() {
        let bare = select(r#"{"contestId": "c", "optionId": "b"}"#);
        let ranked = select(r#"{"contestId": "c", "optionId": "b", "rank": 1}"#);
        let scored = select(r#"{"contestId": "c", "optionId": "b", "score": 1}"#);
        let fit = |form: FormOf, selection| answer(&question(form, 0), &[selection]).is_ok();
        let score = || FormOf::Score { score_max: 5 };
        let rank = || FormOf::Ranked { ranks_max: 2, shared_ranks: false };
        assert!(fit(FormOf::Plurality {}, &bare) && fit(score(), &scored) && fit(rank(), &ranked));
        assert!(!fit(FormOf::Plurality {}, &ranked) && !fit(score(), &bare) && !fit(rank(), &scored));
    }
}
