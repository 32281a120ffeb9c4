//! Counting votes: from what ballots say to who is elected, with everything in between as data.
//!
//! Arithmetic is exact, or has the digits that the rule asks for. Nothing is left to chance: where a rule has lots drawn,
//! the order that was drawn comes in as an argument ([`Lots`]), so that everybody who counts comes to the same.
#![forbid(unsafe_code)]

mod instant_runoff;
mod lots;
mod most;
mod profile;
mod schulze;
mod stv;

pub use instant_runoff::{InstantRunoff, Round, count_instant_runoff};
pub use lots::{Lots, LotsError};
pub use most::{Most, approvals, count_most, pluralities, scores};
pub use profile::{BALLOTS_MAX, Profile, ProfileError, Ranking};
pub use schulze::{Schulze, count_schulze, count_schulze_pairs};
pub use stv::{
    CountError, MEEK_UNITS, Meek, MeekRound, MeekStep, SCOTTISH_UNITS, Scottish, Stage, Step, count_meek,
    count_scottish,
};
