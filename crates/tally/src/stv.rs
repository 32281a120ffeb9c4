//! The single transferable vote: several seats, and no vote lost on whoever does not need it or cannot win.

mod meek;
mod scottish;

pub use meek::{MEEK_UNITS, Meek, MeekRound, MeekStep, count_meek};
pub use scottish::{SCOTTISH_UNITS, Scottish, Stage, Step, count_scottish};

/// Why nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    #[error("ballots give a rank to several candidates, which the rule does not know")]
    EqualRanks,
    #[error("the lots are about another number of candidates")]
    Lots,
    #[error("there are no seats")]
    Seats,
}

#[cfg(test)]
mod tests;
