//! An election opens, closes, is published or abandoned.

use board::{Abandoned, Closed, Opened, Published};
use clock::Timestamp;
use store::{Keys, Tx};

use super::{PostError, Rule};
use crate::board_rows::{BoardState, Phase};

/// Declares entries that do nothing but go from one phase to the next.
macro_rules! steps {
    ($($name:ident: $from:ident => $to:ident;)+) => { $(
        impl Rule for $name {
            fn reads(&self, _: &mut Keys<'_>) {}

            fn apply(self, _: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
                state.must_be(Phase::$from)?;
                state.phase = Phase::$to as u8;
                Ok(())
            }
        }
    )+ };
}

steps! {
    Opened: Ready => Open;
    Closed: Open => Closed;
    Published: Counted => Published;
}

impl Rule for Abandoned {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, _: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        if state.phase() >= Phase::Counted {
            return Err(PostError::NotNow(state.phase()));
        }
        state.phase = Phase::Abandoned as u8;
        Ok(())
    }
}
