//! Everybody's side of the proof: all equations as one sum.
//!
//! Each equation is multiplied by a weight of 128 bits that follows from the whole proof. If one of them did not
//! hold, the sum would vanish with a chance of one in 2^128.

use super::{ALONE, Mix, ShuffleError, ShuffleProof, prove::scalars};
use crate::{elgamal::Rows, group::Group, msm::Terms};

/// The weights of the equations.
struct Weights<G: Group> {
    alone: [G::Scalar; ALONE],
    /// A mask's and a body's for each column of the rows.
    columns: Vec<[G::Scalar; 2]>,
    chain: Vec<G::Scalar>,
}

/// The verifier's challenges.
struct Challenges<G: Group> {
    rows: Vec<G::Scalar>,
    challenge: G::Scalar,
}

impl<G: Group> Mix<'_, G> {
    /// Does the output hold the input's rows, encrypted anew, each once?
    pub fn verify(&self, output: &Rows<G>, proof: &ShuffleProof<G>) -> Result<(), ShuffleError> {
        let (rows, width) = (self.input.len(), self.input.width());
        let (found, found_width) = (output.len(), output.width());
        if (found, found_width) != (rows, width) {
            return Err(ShuffleError::Output { rows, width, found, found_width });
        }
        let (found, found_width) = (proof.commitments.len(), proof.responses.columns.len());
        if (found, found_width) != (rows, width) {
            return Err(ShuffleError::Length { rows, width, found, found_width });
        }
        self.check_generators()?;
        let (challenges, weights) = self.draw(output, proof);
        let mut terms = Terms::with_capacity(4 + ALONE + 2 * width);
        self.add_fixed(proof, &challenges, &weights, &mut terms);
        self.add_permutation(proof, &challenges, &weights, &mut terms);
        add_chain(proof, &challenges, &weights, &mut terms);
        self.add_rows(output, proof, &challenges, &weights, &mut terms);
        if terms.vanish() { Ok(()) } else { Err(ShuffleError::Proof) }
    }

    fn draw(&self, output: &Rows<G>, proof: &ShuffleProof<G>) -> (Challenges<G>, Weights<G>) {
        let (rows, width) = (self.input.len(), self.input.width());
        let [commitments, _, responses] = proof.parts();
        let mut transcript = self.transcript(output, commitments);
        let row_challenges = scalars::<G>(&transcript.weights("rows").take(rows));
        let challenge = proof.tell_announced(&mut transcript);
        transcript.tell("responses", responses);
        let weights = scalars::<G>(&transcript.weights("weights").take(ALONE + 2 * width + rows));
        let (alone, rest) = weights.split_at(ALONE);
        let (columns, chain) = rest.split_at(2 * width);
        let weights = Weights {
            alone: [alone[0], alone[1], alone[2]],
            columns: columns.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
            chain: chain.to_vec(),
        };
        (Challenges { rows: row_challenges, challenge }, weights)
    }

    /// The base, the key, the first generator, and what was announced.
    fn add_fixed<'p>(
        &self,
        proof: &'p ShuffleProof<G>,
        challenges: &Challenges<G>,
        weights: &Weights<G>,
        terms: &mut Terms<'p, G>,
    ) {
        let (mut base, mut key) = (G::Scalar::default(), G::Scalar::default());
        for (weight, response) in weights.alone.iter().zip(&proof.responses.alone) {
            base += *weight * *response;
        }
        for ([mask, body], response) in weights.columns.iter().zip(&proof.responses.columns) {
            base += -(*mask * *response);
            key += -(*body * *response);
        }
        for (weight, response) in weights.chain.iter().zip(&proof.responses.chain) {
            base += *weight * *response;
        }
        terms.add(base, G::generator());
        terms.add(key, *self.key.element());
        let product = challenges.rows.iter().fold(G::Scalar::from(1_u64), |product, row| product * *row);
        let first = weights.alone[1] * challenges.challenge * product
            + weights.chain[0] * proof.responses.permuted[0];
        terms.add(first, *self.generators.first());
        for (weight, announced) in weights.alone.iter().zip(&proof.announced.alone) {
            terms.add(-*weight, *announced);
        }
        for (weights, announced) in weights.columns.iter().zip(&proof.announced.columns) {
            weights.iter().zip(announced).for_each(|(weight, announced)| terms.add(-*weight, *announced));
        }
    }

    /// The generators, and the commitments to their permutation.
    fn add_permutation<'p>(
        &self,
        proof: &'p ShuffleProof<G>,
        challenges: &Challenges<G>,
        weights: &Weights<G>,
        terms: &mut Terms<'p, G>,
    ) where
        Self: 'p,
    {
        let [sum, _, combination] = weights.alone;
        let challenge = challenges.challenge;
        let generators = proof.responses.permuted.iter();
        let generators = generators.map(|response| sum * challenge + combination * *response).collect();
        terms.add_all(generators, self.generators.rest());
        let commitments = challenges.rows.iter();
        let commitments = commitments.map(|row| -(challenge * (sum + combination * *row))).collect();
        terms.add_all(commitments, &proof.commitments);
    }

    /// What went in, and what came out.
    fn add_rows<'p>(
        &self,
        output: &'p Rows<G>,
        proof: &ShuffleProof<G>,
        challenges: &Challenges<G>,
        weights: &Weights<G>,
        terms: &mut Terms<'p, G>,
    ) where
        Self: 'p,
    {
        let mut add = |weight: G::Scalar, came_in: &'p [G::Element], came_out: &'p [G::Element]| {
            let factor = -(weight * challenges.challenge);
            terms.add_all(challenges.rows.iter().map(|row| factor * *row).collect(), came_in);
            terms.add_all(
                proof.responses.permuted.iter().map(|response| weight * *response).collect(),
                came_out,
            );
        };
        for (column, [mask, body]) in weights.columns.iter().enumerate() {
            add(*mask, &self.input.masks()[column], &output.masks()[column]);
            add(*body, &self.input.bodies()[column], &output.bodies()[column]);
        }
    }
}

/// The chain, and what was announced of it.
fn add_chain<'p, G: Group>(
    proof: &'p ShuffleProof<G>,
    challenges: &Challenges<G>,
    weights: &Weights<G>,
    terms: &mut Terms<'p, G>,
) {
    let challenge = challenges.challenge;
    let next = weights.chain.iter().zip(&proof.responses.permuted).skip(1);
    let next = next.map(|(weight, response)| *weight * *response);
    // The last element stands in the equation about the product instead.
    let next = next.chain([-(weights.alone[1] * challenge)]);
    let chain = weights.chain.iter().zip(next).map(|(weight, next)| next - challenge * *weight);
    terms.add_all(chain.collect(), &proof.chain);
    terms.add_all(weights.chain.iter().map(|weight| -*weight).collect(), &proof.announced.chain);
}
