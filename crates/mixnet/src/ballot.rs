//! A ballot: an encrypted answer, and a proof that whoever cast it knows what is in it.
//!
//! The proof stops a voter from copying another's vote, and a stranger from moving a ballot elsewhere: it holds for
//! one election, one contest, one voter's key and one token. It is Schnorr's, for all ciphertexts of the row at once:
//! with the commitment `T = kG`, the challenge `e` and the response `s = k + Σ eⁱ rᵢ`, what holds is
//! `sG = T + Σ eⁱ maskᵢ`, `i` from 1.

mod batch;

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use self::batch::verify_all;
use crate::{
    elgamal::{EncryptionKey, Row, Unfit, WIDTH_MAX},
    encoding::{Encoded, Malformed, Reader},
    group::Group,
    msm::Terms,
    transcript::Transcript,
};

/// One contest of one election, as ballots are bound to it.
#[derive(Debug, Clone)]
pub struct Polling<G: Group> {
    key: EncryptionKey<G>,
    width: usize,
    /// Everything that all its ballots have in common was told to it.
    transcript: Transcript,
}

/// Who casts a ballot, and by what right. The same ballot holds for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caster<'a> {
    /// The public key that signs for the voter; empty where there is none.
    pub voter: &'a [u8],
    pub token: &'a [u8],
}

/// An encrypted answer with its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Ballot<G: Group> {
    row: Row<G>,
    commitment: G::Element,
    response: G::Scalar,
    /// Row and commitment as they are encoded.
    encoded: Vec<u8>,
}

/// Why a ballot is not one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BallotError {
    #[error("a row of {found} ciphertexts in a contest of {expected}")]
    Width { expected: usize, found: usize },
    #[error("the proof does not hold for this election, contest, voter and token")]
    Proof,
}

impl<G: Group> Polling<G> {
    /// `election` is a hash of all that was decided before the first vote: texts, contests, rules, trustees.
    /// `width` is that of the contest's rows.
    #[must_use]
    pub fn new(election: &[u8; 32], contest: u32, width: usize, key: EncryptionKey<G>) -> Self {
        let mut transcript = Transcript::new::<G>("ballot");
        transcript.tell("election", election);
        transcript.tell_number("contest", u64::from(contest));
        transcript.tell_number("width", width as u64);
        transcript.tell_element::<G>("key", key.element());
        Self { key, width, transcript }
    }

    #[must_use]
    pub const fn key(&self) -> &EncryptionKey<G> {
        &self.key
    }

    /// Encrypts an answer's elements and proves it.
    pub fn cast(
        &self,
        caster: Caster<'_>,
        answer: &[G::Element],
        rng: &mut impl CryptoRng,
    ) -> Result<Ballot<G>, Unfit> {
        if answer.len() != self.width {
            return Err(Unfit::Uneven { expected: self.width, found: answer.len() });
        }
        let (row, scalars) = self.key.encrypt(answer, rng)?;
        let nonce = Zeroizing::new(G::random_scalar(rng));
        let commitment = G::mul_generator(&nonce);
        let encoded = encode_front(&row, &commitment);
        let challenge = self.challenge(caster, &encoded);
        // Horner: e (r₁ + e (r₂ + …)).
        let sum = scalars.iter().rev().fold(G::Scalar::default(), |sum, scalar| (sum + *scalar) * challenge);
        Ok(Ballot { row, commitment, response: sum + *nonce, encoded })
    }

    /// Does the ballot's proof hold here, for whoever cast it?
    pub fn verify(&self, caster: Caster<'_>, ballot: &Ballot<G>) -> Result<(), BallotError> {
        let challenge = self.challenge_of(caster, ballot)?;
        let mut terms = Terms::with_capacity(self.width + 2);
        let response = ballot.add_terms(challenge, 1_u64.into(), &mut terms);
        terms.add(-response, G::generator());
        if terms.vanish() { Ok(()) } else { Err(BallotError::Proof) }
    }

    fn challenge_of(&self, caster: Caster<'_>, ballot: &Ballot<G>) -> Result<G::Scalar, BallotError> {
        let found = ballot.row.ciphertexts().len();
        if found != self.width {
            return Err(BallotError::Width { expected: self.width, found });
        }
        Ok(self.challenge(caster, &ballot.encoded))
    }

    fn challenge(&self, caster: Caster<'_>, encoded: &[u8]) -> G::Scalar {
        let mut transcript = self.transcript.clone();
        transcript.tell("voter", caster.voter);
        transcript.tell("token", caster.token);
        transcript.tell("ballot", encoded);
        transcript.challenge::<G>("challenge")
    }
}

impl<G: Group> Ballot<G> {
    #[must_use]
    pub const fn row(&self) -> &Row<G> {
        &self.row
    }

    /// Adds `weight · (T + Σ eⁱ maskᵢ)` to the terms, and says what the generator has to be multiplied by to be
    /// the same.
    fn add_terms(&self, challenge: G::Scalar, weight: G::Scalar, terms: &mut Terms<'_, G>) -> G::Scalar {
        terms.add(weight, self.commitment);
        let mut factor = weight;
        for ciphertext in self.row.ciphertexts() {
            factor = factor * challenge;
            terms.add(factor, ciphertext.mask);
        }
        weight * self.response
    }
}

/// The row's width in one byte, the row, and the commitment: what the challenge follows from.
fn encode_front<G: Group>(row: &Row<G>, commitment: &G::Element) -> Vec<u8> {
    let width = u8::try_from(row.ciphertexts().len()).expect("a row has at most 64 ciphertexts");
    let mut bytes = vec![width];
    row.encode(&mut bytes);
    G::encode_element(commitment, &mut bytes);
    bytes
}

impl<G: Group> Encoded for Ballot<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.encoded);
        into.extend(G::encode_scalar(&self.response));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let width = reader.byte()?;
        if !(1..=WIDTH_MAX).contains(&usize::from(width)) {
            return Err(Malformed::Byte(width));
        }
        let front = reader.bytes((2 * usize::from(width) + 1) * G::ELEMENT_BYTES)?;
        let mut elements = Reader::new(front);
        let row = Row::read(&mut elements, usize::from(width))?;
        let commitment = elements.element::<G>()?;
        let response = reader.scalar::<G>()?;
        Ok(Self { row, commitment, response, encoded: [&[width], front].concat() })
    }
}

impl<G: Group> fmt::Debug for Ballot<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ballot").field("row", &self.row).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
