//! A trustee's part of an election: what they say in the ceremony, and what they decrypt. It reads no clock and no
//! socket; whoever carries the messages does that.
//!
//! - The [`Safe`] is a file that only its owner reads. What is to be said is kept there before it is said, so that a
//!   trustee who comes back says the same.
//! - A trustee believes what the server says of others no further than it is proven, and decrypts only what the whole
//!   record shows to have been mixed: a server that asked them to decrypt votes as they came would learn them.
//! - What trustees say on the board is not signed. Each looks there for what they said themselves, before they believe that
//!   the key is theirs.
#![forbid(unsafe_code)]

mod confirm;
mod decrypt;
#[cfg(test)]
mod hall;
mod safe;
mod speak;
mod view;

pub use confirm::confirm;
pub use decrypt::{Decrypted, FEW_ROWS, decrypt};
pub use safe::{Safe, SafeError};
pub use speak::Next;
pub use view::{CeremonyView, SaidView};

/// Why a trustee says nothing.
#[derive(Debug, thiserror::Error)]
pub enum TrusteeError {
    #[error(transparent)]
    Safe(#[from] SafeError),
    #[error("the server shows something that cannot be: {0}")]
    View(String),
    #[error("the server says that this trustee has said something else: {0}. Tell the officers")]
    Impersonated(&'static str),
    #[error(
        "the public board has {0} in this trustee's name that they did not say: its key is not the one that they made. Tell \
         the officers, the other trustees and the observers"
    )]
    OtherOnBoard(&'static str),
    #[error(
        "somebody else spoke in this trustee's name: the server says that they decrypted, and this key file has decrypted \
         nothing. Unless another copy of it has, tell the officers, the other trustees and the observers"
    )]
    NotDecrypted,
    #[error("the election's record does not hold: {0}")]
    Record(#[from] verifier::Wrong),
    #[error("the safe holds no share of this election's key")]
    NoShare,
    #[error("the election was given up: nothing of it is decrypted")]
    Abandoned,
    #[error(
        "list {list} has {rows} votes: decrypted, they tell how so few people voted. Agree with the other trustees, then say --few"
    )]
    Few { list: u32, rows: u32 },
}
