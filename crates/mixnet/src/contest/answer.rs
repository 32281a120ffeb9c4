//! An answer to a contest, and whether the contest allows it.

use serde::{Deserialize, Serialize};

use super::{Contest, ContestFields, Form};

/// What somebody says to one question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    pub marks: Marks,
    /// The name that the last place stands for, if that place is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_in: Option<String>,
}

/// What was marked. Options are numbered from zero; one that is written in has the last number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marks {
    Plurality(Option<u8>),
    /// One for each place.
    Approval(Vec<bool>),
    /// One for each place; a score of zero is not the same as none.
    Score(Vec<Option<u8>>),
    /// One for each place, the best rank is 1.
    Ranked(Vec<Option<u8>>),
}

/// Why something is no answer to a contest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the marks are not of the contest's form")]
    Form,
    #[error("{0} marks where the contest has another number of places")]
    Places(usize),
    #[error("there is no option {0}")]
    Option(u8),
    #[error("more options are approved than may be")]
    Approvals,
    #[error("the score {0} is higher than the highest")]
    Score(u8),
    #[error("the rank {0} is none that may be given")]
    Rank(u8),
    #[error("two options share the rank {0}")]
    SharedRank(u8),
    #[error("nothing has the rank {0}, but something has a lower one")]
    MissingRank(u8),
    #[error("a name is written in where none belongs, or is missing")]
    WriteIn,
    #[error("what is written in is too long, or not plain text")]
    Text,
    #[error("{0} elements where the contest has another width")]
    Width(usize),
    #[error("an element says nothing")]
    Element,
    #[error("bytes that must be zero are not")]
    Padding,
}

impl Contest {
    /// Is this an answer to it?
    pub fn allows(&self, answer: &Answer) -> Result<(), AnswerError> {
        let last = self.allows_marks(&answer.marks)?;
        let ContestFields { write_in_bytes_max, .. } = *self.fields();
        match &answer.write_in {
            Some(text) if write_in_bytes_max > 0 && last => {
                let plain =
                    !text.chars().any(char::is_control) && !text.starts_with(' ') && !text.ends_with(' ');
                let fits = (1..=usize::from(write_in_bytes_max)).contains(&text.len());
                if plain && fits { Ok(()) } else { Err(AnswerError::Text) }
            }
            None if write_in_bytes_max == 0 || !last => Ok(()),
            Some(_) | None => Err(AnswerError::WriteIn),
        }
    }

    /// Whether the last place is marked, if the marks are allowed.
    fn allows_marks(&self, marks: &Marks) -> Result<bool, AnswerError> {
        let places = self.places();
        let all = |count: usize| if count == places { Ok(()) } else { Err(AnswerError::Places(count)) };
        match (self.fields().form, marks) {
            (Form::Plurality {}, Marks::Plurality(option)) => match option {
                Some(option) if usize::from(*option) >= places => Err(AnswerError::Option(*option)),
                Some(option) => Ok(usize::from(*option) == places - 1),
                None => Ok(false),
            },
            (Form::Approval { approvals_max }, Marks::Approval(approved)) => {
                all(approved.len())?;
                let count = approved.iter().filter(|approved| **approved).count();
                if count > usize::from(approvals_max) {
                    return Err(AnswerError::Approvals);
                }
                Ok(approved[places - 1])
            }
            (Form::Score { score_max }, Marks::Score(scores)) => {
                all(scores.len())?;
                match scores.iter().flatten().find(|score| **score > score_max) {
                    Some(score) => Err(AnswerError::Score(*score)),
                    None => Ok(scores[places - 1].is_some()),
                }
            }
            (Form::Ranked { ranks_max, shared_ranks }, Marks::Ranked(ranks)) => {
                all(ranks.len())?;
                allows_ranks(ranks, ranks_max, shared_ranks)?;
                Ok(ranks[places - 1].is_some())
            }
            (Form::Plurality {} | Form::Approval { .. } | Form::Score { .. } | Form::Ranked { .. }, _) => {
                Err(AnswerError::Form)
            }
        }
    }
}

/// Ranks are given from 1 on without a gap, so that an order has one way to be said.
fn allows_ranks(ranks: &[Option<u8>], ranks_max: u8, shared_ranks: bool) -> Result<(), AnswerError> {
    let mut given = [0_u16; 256];
    for rank in ranks.iter().flatten() {
        if *rank == 0 || *rank > ranks_max {
            return Err(AnswerError::Rank(*rank));
        }
        given[usize::from(*rank)] += 1;
    }
    let lowest = ranks.iter().flatten().max().copied().unwrap_or(0);
    for rank in 1..=lowest {
        match given[usize::from(rank)] {
            0 => return Err(AnswerError::MissingRank(rank)),
            1 => {}
            _ if shared_ranks => {}
            _ => return Err(AnswerError::SharedRank(rank)),
        }
    }
    Ok(())
}
