//! The exact bytes that are signed, hashed, and told to proofs.

use ids::Id;
use sha2::{Digest, Sha256};

use crate::{Election, text::Hex};

/// What a voter casts, in bytes: what the signature and the tracker are about.
#[derive(Debug, Clone, Copy)]
pub struct Cast<'c> {
    pub voter: &'c [u8; 32],
    pub token: &'c [u8; 64],
    pub weight: u32,
    /// Which of the voter's votes it is: the highest stands.
    pub sequence: u32,
    pub ballots: &'c [&'c [u8]],
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hex<32> {
    Hex(Sha256::digest(bytes).into())
}

/// What the voter's key signs for the election of this hash.
#[must_use]
pub fn statement(election_hash: &[u8; 32], cast: &Cast<'_>) -> Vec<u8> {
    [b"holdfast/ballot/v1\n".as_slice(), election_hash, &cast_bytes(cast)].concat()
}

fn cast_bytes(cast: &Cast<'_>) -> Vec<u8> {
    let mut bytes = cast.voter.to_vec();
    bytes.extend(cast.token);
    bytes.extend(cast.weight.to_be_bytes());
    bytes.extend(cast.sequence.to_be_bytes());
    bytes.extend(u16::try_from(cast.ballots.len()).expect("at most 50 contests").to_be_bytes());
    for ballot in cast.ballots {
        bytes.extend(u32::try_from(ballot.len()).expect("a ballot is below 64 KiB").to_be_bytes());
        bytes.extend(*ballot);
    }
    bytes
}

/// Bytes with which all trackers of one voter begin.
pub const TRACKER_PREFIX_BYTES: usize = 8;

/// With which bytes all trackers of this voter begin: a voter's ballots stand side by side where they are sorted by tracker.
#[must_use]
pub fn tracker_prefix(voter: &[u8; 32]) -> [u8; TRACKER_PREFIX_BYTES] {
    let hash = Sha256::new_with_prefix(b"holdfast/voter/v1\n").chain_update(voter).finalize();
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// What the voter finds the ballot by: it follows from the voter's own key, so nobody else's ballot has it. The signature
/// is no part of it: who opens a locked ballot to check the booth shows no signature, so that nobody can cast it.
#[must_use]
pub fn tracker(cast: &Cast<'_>) -> Hex<32> {
    tracker_of(cast.voter, &cast_bytes(cast))
}

/// The tracker of what this voter cast.
#[must_use]
pub(crate) fn tracker_of(voter: &[u8; 32], cast: &[u8]) -> Hex<32> {
    let hash = Sha256::new_with_prefix(b"holdfast/tracker/v1\n").chain_update(cast).finalize();
    let mut tracker = [0; 32];
    let (prefix, rest) = tracker.split_at_mut(TRACKER_PREFIX_BYTES);
    prefix.copy_from_slice(&tracker_prefix(voter));
    rest.copy_from_slice(&hash[..rest.len()]);
    Hex(tracker)
}

/// What the board's key signs for a vote that was taken, and its voter keeps: that this leaf stands at this place.
#[must_use]
pub fn received(election: Id<Election>, index: u64, leaf: &[u8; 32]) -> Vec<u8> {
    [b"holdfast/received/v1\n".as_slice(), &election.to_bytes(), &index.to_be_bytes(), leaf].concat()
}

/// What a key ceremony is about.
#[must_use]
pub fn ceremony_context(election: Id<Election>, attempt: u16) -> Vec<u8> {
    [b"holdfast/ceremony/v1\n".as_slice(), &election.to_bytes(), &attempt.to_be_bytes()].concat()
}

/// What a shuffle is about. Mixers are numbered from 1.
#[must_use]
pub fn mix_context(election_hash: &[u8; 32], list: u32, mixer: u16) -> Vec<u8> {
    let label = b"holdfast/mix/v1\n".as_slice();
    [label, election_hash, &list.to_be_bytes(), &mixer.to_be_bytes()].concat()
}

/// The label of the generators that an election's shuffles commit with.
#[must_use]
pub fn generators_label(election_hash: &[u8; 32]) -> Vec<u8> {
    [b"holdfast/generators/v1\n".as_slice(), election_hash].concat()
}

/// What a partial decryption is about.
#[must_use]
pub fn decryption_context(election_hash: &[u8; 32], list: u32) -> Vec<u8> {
    [b"holdfast/decryption/v1\n".as_slice(), election_hash, &list.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_follows_from_every_part_of_what_was_cast() {
        let (ballot, other) = ([1; 3].as_slice(), [2; 3].as_slice());
        let cast =
            Cast { voter: &[2; 32], token: &[3; 64], weight: 1, sequence: 1, ballots: &[ballot, other] };
        let own = tracker(&cast);
        let others = [
            tracker(&Cast { voter: &[9; 32], ..cast }),
            tracker(&Cast { token: &[9; 64], ..cast }),
            tracker(&Cast { weight: 2, ..cast }),
            tracker(&Cast { sequence: 2, ..cast }),
            tracker(&Cast { ballots: &[other, ballot], ..cast }),
            tracker(&Cast { ballots: &[&[1, 1, 1, 2, 2, 2]], ..cast }),
        ];
        assert!(others.iter().all(|other| *other != own));
        assert_eq!(tracker(&cast), own);
        let of_voter: Vec<_> =
            others.iter().filter(|other| other.0.starts_with(&tracker_prefix(cast.voter))).collect();
        assert_eq!(of_voter.len(), others.len() - 1, "one is another voter's");
        assert_ne!(statement(&[1; 32], &cast), statement(&[9; 32], &cast));
    }
}
