//! A voter's part of a secret election: a key, a token that nobody recognises, and votes that are encrypted and signed. It reads
//! no clock and no socket; whoever carries the messages does that.
//!
//! In a browser `web/` does the same, with the same vectors. This is for programs that vote: drills, measurements and tests.
#![forbid(unsafe_code)]

mod asking;
mod booth;
mod vote;

pub use asking::{Asking, TokenAnswer};
pub use booth::{Booth, Shown};
pub use vote::{Submission, Voter};

/// Why somebody cannot vote.
#[derive(Debug, thiserror::Error)]
pub enum VoterError {
    #[error("the seed makes no key")]
    Key,
    #[error("the election shows no {0}, so that nobody can vote in it")]
    NotShown(&'static str),
    #[error("the election shows a contest that cannot be")]
    Contest(#[from] board::DefinitionError),
    #[error("what the server shows or answers cannot be read")]
    Malformed(#[from] mixnet::Malformed),
    #[error("the server's answer gives no token")]
    Token(#[from] mixnet::tokens::TokenError),
    #[error("the token was made with another key than the one that the election shows to everybody")]
    OtherIssuer,
    #[error("{answers} answers are no vote in an election of {contests} contests")]
    Answers { answers: usize, contests: usize },
    #[error("the answer fits no contest")]
    Answer(#[from] mixnet::AnswerError),
    #[error("the answer cannot be encrypted")]
    Unfit(#[from] mixnet::Unfit),
    #[error("nobody of the weight {0} votes in this election")]
    Weight(u32),
}
