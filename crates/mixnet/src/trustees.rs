//! Keys that nobody has alone: trustees make one together, and any of them that are enough decrypt with it.
//!
//! The way is Pedersen's, with three additions. Everybody fixes their part by its hash before anybody shows one, so
//! that who speaks last cannot choose the key. Shares are sent in the open, encrypted, so that a wrong one is proven
//! to everybody, and a false accusation too. And a ceremony in which somebody lied is not mended: it ends with the
//! liar's name, and the others begin anew. Going on without a liar would let them choose, by being found out or not,
//! among several keys.

mod ceremony;
mod combine;
mod dealing;
mod decryption;
mod keys;
mod polynomial;

pub use self::{
    ceremony::{Ceremony, CeremonyError, Dealer, Opening, Openings, ReceiveError, SealedOpening},
    combine::{Combined, TooFew, combine},
    dealing::{Complaint, Dealing, Dealings},
    decryption::PartialDecryption,
    keys::{KeyShare, TransportKey, TrusteeKeys},
};

/// Trustees of one election, at most.
pub const TRUSTEES_MAX: u16 = 100;

/// How many trustees there are, and how many of them it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    threshold: u16,
    trustees: u16,
}

/// A quorum that cannot be, or that should not be chosen in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    #[error("{0} trustees: 1 to {TRUSTEES_MAX} are possible")]
    Trustees(u16),
    #[error("with {0} of {1} trustees one alone could decrypt")]
    Alone(u16, u16),
    #[error("{0} of {1} trustees cannot be had")]
    Beyond(u16, u16),
    #[error(
        "with {0} of {0} trustees one that is lost voids the election: choose that by its name, or fewer"
    )]
    Unanimous(u16),
    #[error(
        "with {0} of {1} trustees some could decrypt one board and others another: more than half are needed"
    )]
    Split(u16, u16),
}

/// A trustee who broke the protocol, and how. Trustees are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("trustee {trustee} {offence}")]
pub struct Fault {
    pub trustee: u16,
    pub offence: Offence,
}

/// What a trustee did that honest ones never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Offence {
    #[error("sent nothing")]
    Silence,
    #[error("opened something else than they had fixed")]
    Opening,
    #[error("showed a number of commitments that is not the threshold")]
    Degree,
    #[error("does not know what they committed to")]
    Knowledge,
    #[error("did not deal one share to each trustee")]
    Shares,
    #[error("does not know the key that a share was encrypted with")]
    ShareKey,
    #[error("dealt a share that does not lie on their polynomial")]
    WrongShare,
    #[error("accused another falsely")]
    FalseAccusation,
    #[error("decrypted rows that are not these")]
    OtherRows,
    #[error("decrypted wrongly")]
    Decryption,
    #[error("is not one of the trustees")]
    Stranger,
    #[error("spoke twice")]
    Twice,
}

impl Quorum {
    /// Any `threshold` of `trustees`. One alone is refused, and so is all of them, because then one lost key is a
    /// lost election; and so is half or less, because then some could decrypt one board and others another, which
    /// differ by a vote, and each of them only once.
    pub const fn new(threshold: u16, trustees: u16) -> Result<Self, QuorumError> {
        if trustees == 0 || trustees > TRUSTEES_MAX {
            return Err(QuorumError::Trustees(trustees));
        }
        if threshold > trustees {
            return Err(QuorumError::Beyond(threshold, trustees));
        }
        if threshold < 2 {
            return Err(QuorumError::Alone(threshold, trustees));
        }
        if threshold == trustees {
            return Err(QuorumError::Unanimous(trustees));
        }
        if threshold <= trustees / 2 {
            return Err(QuorumError::Split(threshold, trustees));
        }
        Ok(Self { threshold, trustees })
    }

    /// All of them: if one is lost, nothing is ever decrypted. One alone is all of one.
    pub const fn unanimous(trustees: u16) -> Result<Self, QuorumError> {
        if trustees == 0 || trustees > TRUSTEES_MAX {
            return Err(QuorumError::Trustees(trustees));
        }
        Ok(Self { threshold: trustees, trustees })
    }

    #[must_use]
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    #[must_use]
    pub const fn trustees(&self) -> u16 {
        self.trustees
    }

    /// Everybody's number.
    fn numbers(self) -> impl Iterator<Item = u16> {
        1..=self.trustees
    }
}

#[cfg(test)]
mod tests;
