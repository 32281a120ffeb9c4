//! How many voters of one weight there may be: all that is published of their votes has to fit into blobs, and it is too
//! late to find out that it does not when they have voted.

use mixnet::{Answer, Contest, Form, Marks};

use crate::{Definition, Question};

/// Bytes of what an entry names by its hash, at most: whoever checks an election reads nothing longer.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;

/// How long something about votes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    fixed: u64,
    /// For each vote.
    each: u64,
}

impl Size {
    /// Rows of a list, as they go from mixer to mixer. What a trustee decrypts of them is half as long, but for some bytes.
    const fn rows(width: u64) -> Self {
        Self { fixed: 8, each: 64 * width }
    }

    /// The proof of a shuffle. The multiples that prove tokens are shorter.
    const fn shuffle_proof(width: u64) -> Self {
        Self { fixed: 8 + 32 * (6 + 3 * width), each: 160 }
    }

    /// Answers as JSON, if each is as long as one may be.
    fn answers(contest: &Contest) -> Self {
        Self { fixed: 1, each: longest_answer(contest) + 1 }
    }

    const fn votes_max(self) -> u64 {
        BLOB_BYTES_MAX.saturating_sub(self.fixed) / self.each
    }
}

impl Definition {
    /// Voters of one weight, at most: whatever they vote, it can be mixed, published and checked. Nobody, if there can be
    /// no such election.
    #[must_use]
    pub fn voters_max(&self) -> u64 {
        let most = |question: &Question| {
            let contest = question.contest().ok()?;
            let answers = Size::answers(&contest).votes_max();
            let width = u64::try_from(contest.width()).ok()?;
            let mixed = [Size::rows(width), Size::shuffle_proof(width)].map(Size::votes_max);
            Some(if self.secret { mixed.into_iter().fold(answers, u64::min) } else { answers })
        };
        self.contests.iter().map(|question| most(question).unwrap_or(0)).min().unwrap_or(0)
    }
}

/// Bytes of the longest JSON that an answer to this contest can have, or a little more. What is not marked is longer than
/// what is, and in a name nothing is longer than what has to be escaped.
fn longest_answer(contest: &Contest) -> u64 {
    let fields = contest.fields();
    let places = contest.places();
    let marks = match fields.form {
        Form::Plurality {} => Marks::Plurality(None),
        Form::Approval { .. } => Marks::Approval(vec![false; places]),
        Form::Score { .. } => Marks::Score(vec![None; places]),
        Form::Ranked { .. } => Marks::Ranked(vec![None; places]),
    };
    let name_bytes_max = usize::from(fields.write_in_bytes_max);
    let write_in = (name_bytes_max > 0).then(|| "\"".repeat(name_bytes_max));
    serde_json::to_vec(&Answer { marks, write_in }).map_or(u64::MAX - 1, |json| json.len() as u64)
}

#[cfg(test)]
mod tests {
    use mixnet::ContestFields;
    use serde_json::{Value, json};

    use super::*;

    fn contest(form: Form, options: u8, write_in_bytes_max: u8) -> Contest {
        ContestFields { form, options, write_in_bytes_max }.try_into().expect("a contest")
    }

    fn definition(secret: bool, contests: &[Value]) -> Definition {
        let definition = json!({"title": {"en": "Council"}, "secret": secret, "contests": contests});
        serde_json::from_value(definition).expect("a definition")
    }

    fn approvals(options: usize, write_in_bytes_max: u8) -> Value {
        let options: Vec<Value> = (0..options)
            .map(|option| json!({"optionId": option.to_string(), "title": {"en": "x"}}))
            .collect();
        json!({
            "contestId": "a", "title": {"en": "A"}, "form": {"kind": "approval", "approvalsMax": 1},
            "count": "most", "writeInBytesMax": write_in_bytes_max, "options": options,
        })
    }

    #[test]
    fn what_a_mixer_puts_out_has_the_size_that_is_reckoned_with() {
        let held: Value =
            serde_json::from_str(include_str!("../../mixnet/vectors/election.json")).expect("an election");
        let contest: Contest = serde_json::from_value(held["contest"].clone()).expect("a contest");
        let width = contest.width() as u64;
        let votes = held["ballots"].as_array().expect("ballots").len() as u64;
        let bytes = |name: &str| held["mixes"][0][name].as_str().expect("bytes").len() as u64 / 2;
        let of = |size: Size| size.fixed + votes * size.each;
        assert_eq!(
            (bytes("output"), bytes("proof")),
            (of(Size::rows(width)), of(Size::shuffle_proof(width)))
        );
        let partial = held["decryption"]["partials"][0].as_str().expect("bytes").len() as u64 / 2;
        assert_eq!(partial, 106 + votes * 32 * width);
    }

    #[test]
    fn no_answer_is_longer_than_the_one_that_is_reckoned_with() {
        let name = |name: &str| Some(name.to_owned());
        let answers = [
            (contest(Form::Plurality {}, 200, 0), Marks::Plurality(Some(199)), None),
            (contest(Form::Plurality {}, 3, 9), Marks::Plurality(Some(3)), name("\"\\\"\\\"\\\"\\\"")),
            (contest(Form::Approval { approvals_max: 3 }, 3, 0), Marks::Approval(vec![true; 3]), None),
            (contest(Form::Approval { approvals_max: 3 }, 3, 0), Marks::Approval(vec![false; 3]), None),
            (contest(Form::Score { score_max: 250 }, 3, 0), Marks::Score(vec![Some(250); 3]), None),
            (
                contest(Form::Ranked { ranks_max: 1, shared_ranks: true }, 2, 4),
                Marks::Ranked(vec![None, None, Some(1)]),
                name("\"\"\"\""),
            ),
        ];
        for (contest, marks, write_in) in answers {
            let answer = Answer { marks, write_in };
            contest.allows(&answer).expect("an answer");
            let length = serde_json::to_vec(&answer).expect("JSON").len() as u64;
            assert!(length <= longest_answer(&contest), "{answer:?}");
        }
    }

    #[test]
    fn as_many_voters_are_possible_as_the_longest_thing_that_is_published_has_room_for() {
        // Proofs of shuffles are the longest: 160 bytes a vote behind 296.
        let short = definition(true, &[approvals(2, 0)]);
        assert_eq!(short.voters_max(), ((1 << 30) - 296) / 160);
        // Rows of nine elements: 576 bytes a vote.
        let wide = definition(true, &[approvals(2, 240)]);
        let size = Size::rows(9);
        assert_eq!((wide.contests[0].contest().expect("a contest").width(), size.each), (9, 576));
        let json = r#"{"marks":{"approval":[false,false,false]},"write-in":""}"#.len() as u64 + 480;
        assert_eq!(wide.voters_max(), ((1 << 30) - 8) / 576.max(json + 1));
        // Answers to 200 options: `{"marks":{"approval":[]}}`, `false` for each, and commas.
        let long = definition(true, &[approvals(2, 0), approvals(200, 0)]);
        assert_eq!(long.voters_max(), ((1 << 30) - 1) / (25 + 200 * 6 - 1 + 1));
        assert_eq!(definition(true, &[]).voters_max(), 0);
    }

    #[test]
    fn where_votes_are_not_secret_there_is_nothing_but_answers() {
        let open = definition(false, &[approvals(2, 0)]);
        let json = r#"{"marks":{"approval":[false,false]}}"#.len() as u64;
        assert_eq!(open.voters_max(), ((1 << 30) - 1) / (json + 1));
    }

    #[test]
    fn what_is_published_of_the_most_votes_fits_and_of_one_more_does_not() {
        for size in
            [Size::rows(9), Size::shuffle_proof(9), Size::shuffle_proof(64), Size { fixed: 1, each: 1226 }]
        {
            let most = size.votes_max();
            assert!(size.fixed + most * size.each <= BLOB_BYTES_MAX);
            assert!(size.fixed + (most + 1) * size.each > BLOB_BYTES_MAX);
        }
    }
}
