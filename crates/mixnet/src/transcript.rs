//! Fiat-Shamir: challenges that follow from everything said before them, byte by byte.
//!
//! A transcript is one stream of SHA-512. A message is told as `01 || label || bytes`, a challenge is drawn as
//! `02 || label`; a label is preceded by its length in one byte, a message's bytes by theirs in eight, big-endian.
//! The challenge is the hash of the stream so far, and the stream goes on. So no two sequences of messages give
//! the same stream, and each proof begins with its own name, the group's, and the whole statement.

use sha2::{Digest, Sha512};

use crate::group::Group;

/// First in every transcript; another version of a proof has another.
const PROTOCOL: &[u8] = b"holdfast mixnet 1";

const MESSAGE: u8 = 1;
const CHALLENGE: u8 = 2;

/// What was said so far.
#[derive(Debug, Clone)]
pub struct Transcript(Sha512);

/// An endless row of 128-bit integers that follow from a challenge: `SHA-512(challenge || block)`, four a block,
/// with the block's number in eight bytes, everything big-endian.
#[derive(Debug, Clone)]
pub struct Weights([u8; 64]);

impl Transcript {
    /// The transcript of a proof of this name in a group.
    #[must_use]
    pub fn new<G: Group>(proof: &str) -> Self {
        let mut transcript = Self(Sha512::new());
        transcript.tell("protocol", PROTOCOL);
        transcript.tell("proof", proof.as_bytes());
        transcript.tell("group", G::NAME.as_bytes());
        transcript
    }

    pub fn tell(&mut self, label: &'static str, bytes: &[u8]) {
        self.label(MESSAGE, label);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub fn tell_number(&mut self, label: &'static str, number: u64) {
        self.tell(label, &number.to_be_bytes());
    }

    pub fn tell_element<G: Group>(&mut self, label: &'static str, element: &G::Element) {
        self.tell(label, &G::element_bytes(element));
    }

    /// 512 bits.
    #[must_use]
    pub fn challenge_bytes(&mut self, label: &'static str) -> [u8; 64] {
        self.label(CHALLENGE, label);
        self.0.clone().finalize().into()
    }

    /// A uniform scalar.
    #[must_use]
    pub fn challenge<G: Group>(&mut self, label: &'static str) -> G::Scalar {
        G::scalar_from_uniform(&self.challenge_bytes(label))
    }

    /// As many 128-bit challenges as anybody wants.
    #[must_use]
    pub fn weights(&mut self, label: &'static str) -> Weights {
        Weights(self.challenge_bytes(label))
    }

    fn label(&mut self, kind: u8, label: &'static str) {
        let length = u8::try_from(label.len()).expect("labels are short constants");
        self.0.update([kind, length]);
        self.0.update(label);
    }
}

impl Weights {
    /// The first so many.
    #[must_use]
    pub fn take(&self, count: usize) -> Vec<u128> {
        let mut weights: Vec<u128> =
            (0..count.div_ceil(4) as u64).flat_map(|block| self.block(block)).collect();
        weights.truncate(count);
        weights
    }

    fn block(&self, block: u64) -> [u128; 4] {
        let hash = Sha512::new().chain_update(self.0).chain_update(block.to_be_bytes()).finalize();
        let mut weights = [0; 4];
        for (weight, bytes) in weights.iter_mut().zip(hash.chunks_exact(16)) {
            *weight = u128::from_be_bytes(bytes.try_into().expect("chunks of sixteen"));
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{P256, Ristretto};

    fn challenge(messages: &[(&'static str, &[u8])]) -> [u8; 64] {
        let mut transcript = Transcript::new::<Ristretto>("test");
        messages.iter().for_each(|(label, bytes)| transcript.tell(label, bytes));
        transcript.challenge_bytes("challenge")
    }

    #[test]
    fn bytes_do_not_move_from_one_message_to_the_next() {
        assert_ne!(challenge(&[("a", b"xy"), ("a", b"z")]), challenge(&[("a", b"x"), ("a", b"yz")]));
        assert_ne!(challenge(&[("a", b"xy")]), challenge(&[("a", b"xy"), ("a", b"")]));
        assert_ne!(challenge(&[("ab", b"x")]), challenge(&[("a", b"bx")]));
    }

    #[test]
    fn a_challenge_follows_from_the_group_and_the_proof() {
        let of = |mut transcript: Transcript| transcript.challenge_bytes("challenge");
        let one = of(Transcript::new::<Ristretto>("one"));
        assert_ne!(one, of(Transcript::new::<Ristretto>("two")));
        assert_ne!(one, of(Transcript::new::<P256>("one")));
    }

    #[test]
    fn a_second_challenge_is_another() {
        let mut transcript = Transcript::new::<Ristretto>("test");
        assert_ne!(transcript.challenge_bytes("challenge"), transcript.challenge_bytes("challenge"));
    }

    #[test]
    fn the_stream_is_what_the_specification_says() {
        let mut stream = Vec::new();
        for (label, bytes) in
            [("protocol", PROTOCOL), ("proof", b"test"), ("group", b"ristretto255"), ("a", b"xyz")]
        {
            stream.extend([1, u8::try_from(label.len()).unwrap()]);
            stream.extend(label.as_bytes());
            stream.extend((bytes.len() as u64).to_be_bytes());
            stream.extend(bytes);
        }
        stream.extend(*b"\x02\x09challenge");
        assert_eq!(challenge(&[("a", b"xyz")]), <[u8; 64]>::from(Sha512::digest(&stream)));
    }

    #[test]
    fn weights_are_one_row_however_many_are_taken() {
        let weights = Transcript::new::<Ristretto>("test").weights("weights");
        assert_eq!(weights.take(9)[..5], weights.take(5));
        let distinct: std::collections::BTreeSet<_> = weights.take(100).into_iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}
