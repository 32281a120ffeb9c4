//! What a ballot may answer to one question, and the bytes and elements that say it.
//!
//! All answers to a contest have the same number of bytes, whatever they say, and each answer has one encoding.
//! A row that decrypts to anything else is no vote.

use serde::{Deserialize, Serialize};

use crate::group::{EMBEDDED_BYTES, Group};

mod answer;
mod bytes;

pub use answer::{Answer, AnswerError, Marks};

/// Options of one contest, at most.
pub const OPTIONS_MAX: u8 = 200;

/// The highest score that a contest may allow.
pub const SCORE_MAX: u8 = 250;

/// Bytes of a name that is written in, at most.
pub const WRITE_IN_BYTES_MAX: u8 = 240;

/// One question. Only sound ones exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ContestFields", into = "ContestFields")]
pub struct Contest(ContestFields);

/// How a contest is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContestFields {
    pub form: Form,
    /// Options on the ballot, without the one that is written in.
    pub options: u8,
    /// Bytes of UTF-8 that may be written in as one more option; none if it is zero.
    #[serde(default)]
    pub write_in_bytes_max: u8,
}

/// How options are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Form {
    /// One option, or none.
    Plurality {},
    /// As many as somebody likes, up to a number.
    Approval { approvals_max: u8 },
    /// To each option a score, or none.
    Score { score_max: u8 },
    /// To each option a rank, or none. Two options share a rank only if that is allowed.
    Ranked { ranks_max: u8, shared_ranks: bool },
}

/// Why there is no such contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContestError {
    #[error("{0} options: 1 to {OPTIONS_MAX} are possible")]
    Options(u8),
    #[error("{0} bytes to write in: up to {WRITE_IN_BYTES_MAX} are possible")]
    WriteIn(u8),
    #[error("{0} approvals among {1} options")]
    Approvals(u8, usize),
    #[error("scores up to {0}: 1 to {SCORE_MAX} is possible")]
    Score(u8),
    #[error("{0} ranks among {1} options")]
    Ranks(u8, usize),
}

impl TryFrom<ContestFields> for Contest {
    type Error = ContestError;

    fn try_from(fields: ContestFields) -> Result<Self, ContestError> {
        if !(1..=OPTIONS_MAX).contains(&fields.options) {
            return Err(ContestError::Options(fields.options));
        }
        if fields.write_in_bytes_max > WRITE_IN_BYTES_MAX {
            return Err(ContestError::WriteIn(fields.write_in_bytes_max));
        }
        let contest = Self(fields);
        let places = contest.places();
        let fits = |max: u8| (1..=places).contains(&usize::from(max));
        match fields.form {
            Form::Approval { approvals_max } if !fits(approvals_max) => {
                Err(ContestError::Approvals(approvals_max, places))
            }
            Form::Score { score_max } if !(1..=SCORE_MAX).contains(&score_max) => {
                Err(ContestError::Score(score_max))
            }
            Form::Ranked { ranks_max, .. } if !fits(ranks_max) => Err(ContestError::Ranks(ranks_max, places)),
            Form::Plurality {} | Form::Approval { .. } | Form::Score { .. } | Form::Ranked { .. } => {
                Ok(contest)
            }
        }
    }
}

impl From<Contest> for ContestFields {
    fn from(contest: Contest) -> Self {
        contest.0
    }
}

impl Contest {
    #[must_use]
    pub const fn fields(&self) -> &ContestFields {
        &self.0
    }

    /// Options, counting the one that is written in.
    #[must_use]
    pub fn places(&self) -> usize {
        usize::from(self.0.options) + usize::from(self.0.write_in_bytes_max > 0)
    }

    /// Elements in which an answer is said: the width of this contest's rows.
    #[must_use]
    pub fn width(&self) -> usize {
        self.bytes().div_ceil(EMBEDDED_BYTES)
    }

    /// The elements that say an answer.
    pub fn embed<G: Group>(&self, answer: &Answer) -> Result<Vec<G::Element>, AnswerError> {
        let mut bytes = self.encode(answer)?;
        bytes.resize(self.width() * EMBEDDED_BYTES, 0);
        let chunks = bytes.chunks_exact(EMBEDDED_BYTES);
        Ok(chunks.map(|chunk| G::embed(chunk.try_into().expect("chunks of that many"))).collect())
    }

    /// The answer that elements say.
    pub fn extract<G: Group>(&self, elements: &[G::Element]) -> Result<Answer, AnswerError> {
        if elements.len() != self.width() {
            return Err(AnswerError::Width(elements.len()));
        }
        let chunks: Option<Vec<_>> = elements.iter().map(G::extract).collect();
        let bytes = chunks.ok_or(AnswerError::Element)?.concat();
        let (said, padding) = bytes.split_at(self.bytes());
        if padding.iter().any(|byte| *byte != 0) {
            return Err(AnswerError::Padding);
        }
        self.decode(said)
    }
}

#[cfg(test)]
mod tests;
