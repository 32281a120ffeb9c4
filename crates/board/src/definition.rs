//! What an election is about, as its officers write it.

use std::collections::{BTreeMap, BTreeSet};

use clock::Timestamp;
use mixnet::{Contest, ContestError, ContestFields, Form};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Contests of one election, at most.
pub const CONTESTS_MAX: usize = 50;
/// Different weights that voters of one election may have, at most: few voters of a weight are few to hide among.
pub const WEIGHTS_MAX: usize = 8;
/// The greatest weight.
pub const WEIGHT_MAX: u32 = 1_000_000;
/// Mixers one after the other, at most.
pub const MIXERS_MAX: u8 = 10;
/// Bytes of all ballots of a voter together, at most: they are one entry of the board.
const BALLOTS_BYTES_MAX: usize = 32_000;
const LANGUAGES_MAX: usize = 20;
const TEXT_BYTES_MAX: usize = 4000;
const ID_BYTES_MAX: usize = 64;
/// Bytes of the whole, as JSON, at most: it is one entry of the board, escaped once more.
const DEFINITION_BYTES_MAX: usize = 24_000;

/// A text in several languages, by their tags (RFC 5646).
pub type Texts = BTreeMap<String, String>;

/// What an election is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// By language.
    pub title: Texts,
    #[serde(default)]
    pub description: Texts,
    /// Opens then by itself; without it, an officer opens it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub opens_at: Option<Timestamp>,
    /// Closes then by itself; without it, an officer closes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub closes_at: Option<Timestamp>,
    /// Nobody can tell who voted how. Without it, whoever runs the server can.
    #[serde(default = "yes")]
    pub secret: bool,
    /// The weights that voters may have.
    #[serde(default = "one")]
    #[schema(min_items = 1, max_items = 8)]
    pub weights: Vec<u32>,
    /// How often the ballots are mixed.
    #[serde(default = "three")]
    #[schema(minimum = 1, maximum = 10)]
    pub mixers: u8,
    #[schema(min_items = 1, max_items = 50)]
    pub contests: Vec<Question>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// Letters, digits, dashes and underscores.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub contest_id: String,
    pub title: Texts,
    pub form: FormOf,
    /// How it is counted.
    pub count: Method,
    /// How many are elected.
    #[serde(default = "seat")]
    #[schema(minimum = 1, maximum = 200)]
    pub seats: u16,
    /// Bytes of a name that may be written in; nought if none may.
    #[serde(default)]
    #[schema(maximum = 240)]
    pub write_in_bytes_max: u8,
    #[schema(min_items = 1, max_items = 200)]
    pub options: Vec<Choice>,
}

/// One option of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Choice {
    /// Letters, digits, dashes and underscores.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    pub option_id: String,
    pub title: Texts,
}

/// How options are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FormOf {
    /// One of them.
    Plurality {},
    /// Some of them.
    #[serde(rename_all = "camelCase")]
    Approval { approvals_max: u8 },
    /// Points for each.
    #[serde(rename_all = "camelCase")]
    Score { score_max: u8 },
    /// An order.
    #[serde(rename_all = "camelCase")]
    Ranked { ranks_max: u8, shared_ranks: bool },
}

/// How marks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Whoever has the most votes, approvals or points.
    Most,
    InstantRunoff,
    StvScottish,
    StvMeek,
    Schulze,
}

/// Why there is no such election.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("{0}: texts are in 1 to {LANGUAGES_MAX} languages, each of at most {TEXT_BYTES_MAX} bytes")]
    Texts(String),
    #[error("`{0}` is no identifier: 1 to {ID_BYTES_MAX} letters, digits, dashes and underscores")]
    Id(String),
    #[error("the identifier `{0}` is there twice")]
    Twice(String),
    #[error("an election has 1 to {CONTESTS_MAX} contests")]
    Contests,
    #[error("weights are 1 to {WEIGHTS_MAX} different numbers from 1 to {WEIGHT_MAX}")]
    Weights,
    #[error("an election is mixed 1 to {MIXERS_MAX} times")]
    Mixers,
    #[error("it closes before it opens")]
    Times,
    #[error("contest `{contest}`: {why}")]
    Contest { contest: String, why: ContestError },
    #[error("contest `{0}`: this way to count does not fit its form")]
    Method(String),
    #[error("contest `{0}`: the number of seats does not fit")]
    Seats(String),
    #[error("contest `{0}` has more than 255 options")]
    Options(String),
    #[error("a ballot would be longer than {BALLOTS_BYTES_MAX} bytes: have fewer contests, or shorter names")]
    TooWide,
    #[error("the definition is longer than {DEFINITION_BYTES_MAX} bytes")]
    TooLong,
}

const fn yes() -> bool {
    true
}

fn one() -> Vec<u32> {
    vec![1]
}

const fn three() -> u8 {
    3
}

const fn seat() -> u16 {
    1
}

impl Definition {
    /// Can there be such an election?
    ///
    /// # Errors
    /// When there cannot; it says why.
    pub fn check(&self) -> Result<(), DefinitionError> {
        check_texts("title", &self.title, 1)?;
        check_texts("description", &self.description, 0)?;
        if !(1..=CONTESTS_MAX).contains(&self.contests.len()) {
            return Err(DefinitionError::Contests);
        }
        if self.opens_at.zip(self.closes_at).is_some_and(|(opens, closes)| closes <= opens) {
            return Err(DefinitionError::Times);
        }
        if !(1..=MIXERS_MAX).contains(&self.mixers) {
            return Err(DefinitionError::Mixers);
        }
        let different: BTreeSet<_> = self.weights.iter().collect();
        let fit = self.weights.iter().all(|weight| (1..=WEIGHT_MAX).contains(weight));
        if !fit || different.len() != self.weights.len() || !(1..=WEIGHTS_MAX).contains(&different.len()) {
            return Err(DefinitionError::Weights);
        }
        check_ids(self.contests.iter().map(|contest| &contest.contest_id))?;
        let mut bytes = 0;
        for question in &self.contests {
            // A row, its commitment and its response.
            bytes += 65 + 64 * question.check()?.width();
        }
        if bytes > BALLOTS_BYTES_MAX {
            return Err(DefinitionError::TooWide);
        }
        let length = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if length > DEFINITION_BYTES_MAX { Err(DefinitionError::TooLong) } else { Ok(()) }
    }
}

impl Question {
    /// The contest, as ballots are made for it.
    ///
    /// # Errors
    /// When there cannot be such a contest.
    pub fn contest(&self) -> Result<Contest, DefinitionError> {
        let options = u8::try_from(self.options.len())
            .map_err(|_| DefinitionError::Options(self.contest_id.clone()))?;
        let form = match self.form {
            FormOf::Plurality {} => Form::Plurality {},
            FormOf::Approval { approvals_max } => Form::Approval { approvals_max },
            FormOf::Score { score_max } => Form::Score { score_max },
            FormOf::Ranked { ranks_max, shared_ranks } => Form::Ranked { ranks_max, shared_ranks },
        };
        Contest::try_from(ContestFields { form, options, write_in_bytes_max: self.write_in_bytes_max })
            .map_err(|why| DefinitionError::Contest { contest: self.contest_id.clone(), why })
    }

    fn check(&self) -> Result<Contest, DefinitionError> {
        check_texts("title", &self.title, 1)?;
        for option in &self.options {
            check_texts("title", &option.title, 1)?;
        }
        check_ids(self.options.iter().map(|option| &option.option_id))?;
        let contest = self.contest()?;
        let fits = match (self.form, self.count) {
            (FormOf::Plurality {} | FormOf::Approval { .. } | FormOf::Score { .. }, Method::Most) => true,
            (FormOf::Ranked { shared_ranks, .. }, method) => {
                method == Method::Schulze || (method != Method::Most && !shared_ranks)
            }
            (FormOf::Plurality {} | FormOf::Approval { .. } | FormOf::Score { .. }, _) => false,
        };
        if !fits {
            return Err(DefinitionError::Method(self.contest_id.clone()));
        }
        let several = matches!(self.count, Method::Most | Method::StvScottish | Method::StvMeek);
        let seats_max = if several { contest.places() } else { 1 };
        if !(1..=seats_max).contains(&usize::from(self.seats)) {
            return Err(DefinitionError::Seats(self.contest_id.clone()));
        }
        Ok(contest)
    }
}

fn check_texts(which: &str, texts: &Texts, least: usize) -> Result<(), DefinitionError> {
    // One that is a number would stand elsewhere where members are sorted by what they are.
    let tag = |tag: &str| {
        tag.len() <= 35
            && tag.starts_with(|first: char| first.is_ascii_alphabetic())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= TEXT_BYTES_MAX
            && text.chars().all(|char| !char.is_control() || char == '\n')
    };
    let fit = texts.iter().all(|(language, text)| tag(language) && plain(text));
    if fit && (least..=LANGUAGES_MAX).contains(&texts.len()) {
        Ok(())
    } else {
        Err(DefinitionError::Texts(which.to_owned()))
    }
}

fn check_ids<'i>(ids: impl Iterator<Item = &'i String>) -> Result<(), DefinitionError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        let visible = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=ID_BYTES_MAX).contains(&id.len()) || !id.bytes().all(visible) {
            return Err(DefinitionError::Id(id.chars().take(ID_BYTES_MAX).collect()));
        }
        if !seen.insert(id) {
            return Err(DefinitionError::Twice(id.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn council() -> Definition {
        let json = r#"{"title": {"en": "Council"}, "contests": [{"contestId": "seats", "title": {"en": "Seats"},
            "form": {"kind": "ranked", "ranksMax": 2, "sharedRanks": false}, "count": "stv-scottish", "seats": 2,
            "options": [{"optionId": "ada", "title": {"en": "Ada"}}, {"optionId": "bob", "title": {"en": "Bob"}}]}]}"#;
        serde_json::from_str(json).expect("it reads")
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Definition), expected: Result<(), &str>) {
        let mut definition = council();
        change(&mut definition);
        let found = definition.check().map_err(|error| error.to_string());
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
            (found, expected) => panic!("{found:?} where {expected:?} was expected"),
        }
    }

    #[test]
    fn a_sound_definition_is_taken_and_is_secret_unless_it_says_otherwise() {
        check(|definition| assert!(definition.secret && definition.mixers == 3), Ok(()));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        check(|definition| definition.contests[0].count = Method::Most, Err("does not fit its form"));
        check(|definition| definition.contests[0].seats = 3, Err("seats"));
        check(
            |definition| definition.contests[0].form = FormOf::Ranked { ranks_max: 2, shared_ranks: true },
            Err("does not fit"),
        );
    }

    #[test]
    fn names_are_unique_and_weights_different() {
        check(|definition| definition.contests.push(definition.contests[0].clone()), Err("twice"));
        check(|definition| definition.contests[0].options[1].option_id = "ada".to_owned(), Err("twice"));
        check(|definition| definition.weights = vec![1, 1], Err("weights"));
        check(|definition| definition.weights = vec![], Err("weights"));
        check(|definition| definition.weights = vec![0], Err("weights"));
    }

    #[test]
    fn texts_are_in_languages_and_say_something() {
        let titled = |tag: &str, text: &str| {
            let title = [(tag.to_owned(), text.to_owned())].into();
            move |definition: &mut Definition| definition.title = title
        };
        check(titled("sr-Latn-RS", "Savet\nGrad"), Ok(()));
        for tag in ["", "1", "-en", "e n", &"e".repeat(36)] {
            check(titled(tag, "Council"), Err("texts are in"));
        }
        for text in ["", "a\rb", "a\u{85}b", &"ü".repeat(2001)] {
            check(titled("en", text), Err("texts are in"));
        }
        check(|definition| definition.title.clear(), Err("texts are in"));
        check(|definition| definition.description.clear(), Ok(()));
    }

    #[test]
    fn it_closes_after_it_opens() {
        let at = |ms| Some(Timestamp::from_millis(ms));
        check(|definition| (definition.opens_at, definition.closes_at) = (at(2), at(2)), Err("closes"));
        check(|definition| (definition.opens_at, definition.closes_at) = (at(2), at(3)), Ok(()));
    }

    #[test]
    fn a_ballot_that_no_entry_could_hold_is_refused() {
        let wide = |definition: &mut Definition| {
            definition.contests[0].write_in_bytes_max = 240;
            definition.contests = (0..50)
                .map(|number| {
                    let mut contest = definition.contests[0].clone();
                    contest.contest_id = number.to_string();
                    contest
                })
                .collect();
        };
        check(wide, Err("longer than"));
    }
}
