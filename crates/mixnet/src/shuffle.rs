//! Shuffles that prove themselves: each row of the output is a row of the input, encrypted anew, in an order that
//! nobody learns.
//!
//! The proof is that of Terelius and Wikström, as Haenni, Locher, Koenig and Dubuis write it down ("Pseudo-code
//! algorithms for verifiable re-encryption mix-nets", 2017), for rows. The chain of commitments is written out as
//! sums of two fixed elements' multiples, so that no row of it has to wait for the one before.
//!
//! A prover's memory accesses follow its permutation and its scalars. Whoever shuffles does so on a machine of their
//! own.

mod permutation;
mod prove;
mod verify;

use rand_core::CryptoRng;

use self::permutation::{Tables, Witness};
use crate::{
    elgamal::{EncryptionKey, Rows, WIDTH_MAX},
    encoding::{Encoded, Malformed, Reader, write_count},
    generators::Generators,
    group::{Group, SCALAR_BYTES},
    transcript::Transcript,
};

/// Commitments to responses that do not grow with the rows: for the sum, the product and the combination.
const ALONE: usize = 3;

/// What is shuffled, for whom, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Mix<'a, G: Group> {
    /// Which shuffle this is: the election, the contest, the mixer, the round. A proof holds for no other.
    pub context: &'a [u8],
    pub key: &'a EncryptionKey<G>,
    /// As many beside the first as there are rows.
    pub generators: &'a Generators<G>,
    pub input: &'a Rows<G>,
}

/// That an output holds the input's rows.
#[derive(Clone, PartialEq, Eq)]
pub struct ShuffleProof<G: Group> {
    /// To the permutation's columns.
    commitments: Vec<G::Element>,
    /// To the products of the challenges in their new order.
    chain: Vec<G::Element>,
    announced: Announced<G>,
    responses: Responses<G>,
    encoded: Vec<u8>,
}

/// The first move of the proof's second half.
#[derive(Clone, PartialEq, Eq)]
struct Announced<G: Group> {
    alone: [G::Element; ALONE],
    /// A mask's and a body's for each column of the rows.
    columns: Vec<[G::Element; 2]>,
    chain: Vec<G::Element>,
}

/// The last move.
#[derive(Clone, PartialEq, Eq)]
struct Responses<G: Group> {
    alone: [G::Scalar; ALONE],
    columns: Vec<G::Scalar>,
    chain: Vec<G::Scalar>,
    permuted: Vec<G::Scalar>,
}

/// Why a shuffle is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShuffleError {
    #[error("{found} rows of {found_width} where {rows} of {width} went in")]
    Output { rows: usize, width: usize, found: usize, found_width: usize },
    #[error("a proof about {found} rows of {found_width} where {rows} of {width} went in")]
    Length { rows: usize, width: usize, found: usize, found_width: usize },
    #[error("{found} generators for {rows} rows")]
    Generators { rows: usize, found: usize },
    #[error("the proof does not hold")]
    Proof,
}

impl<G: Group> Mix<'_, G> {
    /// Shuffles, and proves it.
    pub fn shuffle(&self, rng: &mut impl CryptoRng) -> Result<(Rows<G>, ShuffleProof<G>), ShuffleError> {
        self.check_generators()?;
        let witness = Witness::random(self.input.len(), self.input.width(), rng);
        let tables = Tables::new(self.key, self.generators);
        let output = witness.apply(&tables, self.input);
        let proof = self.prove(&output, &witness, &tables, rng);
        Ok((output, proof))
    }

    fn check_generators(&self) -> Result<(), ShuffleError> {
        let (rows, found) = (self.input.len(), self.generators.rest().len());
        if rows == found { Ok(()) } else { Err(ShuffleError::Generators { rows, found }) }
    }

    /// The whole statement, and the commitments to the permutation: what the rows' challenges follow from.
    fn transcript(&self, output: &Rows<G>, commitments: &[u8]) -> Transcript {
        let mut transcript = Transcript::new::<G>("shuffle");
        transcript.tell("context", self.context);
        transcript.tell_element::<G>("key", self.key.element());
        transcript.tell("generators", self.generators.label());
        transcript.tell("input", self.input.encoded());
        transcript.tell("output", output.encoded());
        transcript.tell("commitments", commitments);
        transcript
    }
}

impl<G: Group> ShuffleProof<G> {
    /// Where in the encoding the commitments, the announcement and the responses end.
    fn ends(rows: usize, width: usize) -> [usize; 3] {
        let commitments = 8 + rows * G::ELEMENT_BYTES;
        let announced = commitments + (2 * rows + ALONE + 2 * width) * G::ELEMENT_BYTES;
        [commitments, announced, announced + (ALONE + width + 2 * rows) * SCALAR_BYTES]
    }

    /// The three parts of the encoding: what each challenge is drawn after.
    fn parts(&self) -> [&[u8]; 3] {
        let [commitments, announced, _] = Self::ends(self.commitments.len(), self.responses.columns.len());
        let (front, responses) = self.encoded.split_at(announced);
        let (commitments, announced) = front.split_at(commitments);
        [commitments, announced, responses]
    }
}

impl<G: Group> Encoded for ShuffleProof<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.encoded);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let rows = reader.count(3 * G::ELEMENT_BYTES + 2 * SCALAR_BYTES)?;
        let said = reader.number()?;
        let width = usize::try_from(said).ok().filter(|width| (1..=WIDTH_MAX).contains(width) && rows > 0);
        let width = width.ok_or(Malformed::Count(said))?;
        let [_, _, end] = Self::ends(rows, width);
        let body = reader.bytes(end - 8)?;
        let mut encoded = Vec::with_capacity(end);
        write_count(rows, &mut encoded);
        write_count(width, &mut encoded);
        encoded.extend_from_slice(body);
        let mut body = Reader::new(body);
        let commitments = body.elements::<G>(rows)?;
        let chain = body.elements::<G>(rows)?;
        let alone = read_three(|| body.element::<G>())?;
        let columns = body.elements::<G>(2 * width)?;
        let columns = columns.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let announced = Announced { alone, columns, chain: body.elements::<G>(rows)? };
        let alone = read_three(|| body.scalar::<G>())?;
        let columns = body.scalars::<G>(width)?;
        let (chain_responses, permuted) = (body.scalars::<G>(rows)?, body.scalars::<G>(rows)?);
        let responses = Responses { alone, columns, chain: chain_responses, permuted };
        Ok(Self { commitments, chain, announced, responses, encoded })
    }
}

fn read_three<T>(mut read: impl FnMut() -> Result<T, Malformed>) -> Result<[T; ALONE], Malformed> {
    Ok([read()?, read()?, read()?])
}

impl<G: Group> std::fmt::Debug for ShuffleProof<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShuffleProof of {} rows", self.commitments.len())
    }
}

#[cfg(test)]
mod tests;
