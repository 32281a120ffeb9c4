//! Everybody's side of the proof: all equations as one sum.
//!
//! Each equation is multiplied by a weight of 128 bits that follows from the whole proof. If one of them did not
//! hold, the sum would vanish with a chance of one in 2^128. The weights are chosen so that two of a row's eight terms
//! keep scalars of half the length, which is half the work: one equation goes without a weight, those without a
//! row's place in the chain are divided by the challenge, and all of them are negated.

use super::{ALONE, Mix, ShuffleError, ShuffleProof, prove::scalars};
use crate::{elgamal::Rows, group::Group, msm::Terms};

/// The weights of the equations.
pub(super) struct Weights<G: Group> {
    /// For the equation about the sum, the one about the product; the one about the combination has none.
    sum: G::Scalar,
    product: G::Scalar,
    /// A mask's and a body's for each column of the rows.
    columns: Vec<[G::Scalar; 2]>,
    chain: Vec<G::Scalar>,
}

/// The verifier's challenges.
pub(super) struct Challenges<G: Group> {
    pub(super) rows: Vec<G::Scalar>,
    pub(super) challenge: G::Scalar,
    /// One by the challenge.
    pub(super) inverse: G::Scalar,
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
        let (challenges, weights) = self.draw(output, proof)?;
        if self.holds(output, proof, &challenges, &weights) { Ok(()) } else { Err(ShuffleError::Proof) }
    }

    /// Do the equations hold with these challenges?
    pub(super) fn holds(
        &self,
        output: &Rows<G>,
        proof: &ShuffleProof<G>,
        challenges: &Challenges<G>,
        weights: &Weights<G>,
    ) -> bool {
        let mut terms = Terms::with_capacity(4 + ALONE + 2 * self.input.width());
        self.add_fixed(proof, challenges, weights, &mut terms);
        self.add_permutation(proof, challenges, weights, &mut terms);
        add_chain(proof, challenges, weights, &mut terms);
        self.add_rows(output, proof, challenges, weights, &mut terms);
        terms.vanish()
    }

    pub(super) fn draw(
        &self,
        output: &Rows<G>,
        proof: &ShuffleProof<G>,
    ) -> Result<(Challenges<G>, Weights<G>), ShuffleError> {
        let (rows, width) = (self.input.len(), self.input.width());
        let [commitments, announced, responses] = proof.parts();
        let mut transcript = self.transcript(output, commitments);
        let row_challenges = scalars::<G>(&transcript.weights("rows").take(rows));
        transcript.tell("announced", announced);
        let challenge = transcript.challenge::<G>("challenge");
        if challenge == G::Scalar::default() {
            // Nobody meets it, and nothing could be learnt from it.
            return Err(ShuffleError::Proof);
        }
        transcript.tell("responses", responses);
        let weights = scalars::<G>(&transcript.weights("weights").take(2 + 2 * width + rows));
        let (columns, chain) = weights[2..].split_at(2 * width);
        let weights = Weights {
            sum: weights[0],
            product: weights[1],
            columns: columns.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect(),
            chain: chain.to_vec(),
        };
        let inverse = G::invert(&challenge);
        Ok((Challenges { rows: row_challenges, challenge, inverse }, weights))
    }

    /// The base, the key, the first generator, and what was announced.
    fn add_fixed(
        &self,
        proof: &ShuffleProof<G>,
        challenges: &Challenges<G>,
        weights: &Weights<G>,
        terms: &mut Terms<'_, G>,
    ) {
        let Challenges { rows, challenge, inverse } = challenges;
        let alone = [weights.sum * *inverse, weights.product, *inverse];
        let (mut base, mut key) = (G::Scalar::default(), G::Scalar::default());
        for (weight, response) in alone.iter().zip(&proof.responses.alone) {
            base += -(*weight * *response);
        }
        for ([mask, body], response) in weights.columns.iter().zip(&proof.responses.columns) {
            base += *mask * *inverse * *response;
            key += *body * *inverse * *response;
        }
        for (weight, response) in weights.chain.iter().zip(&proof.responses.chain) {
            base += -(*weight * *response);
        }
        terms.add(base, G::generator());
        terms.add(key, *self.key.element());
        let product = rows.iter().fold(*challenge, |product, row| product * *row);
        let first = weights.product * product + weights.chain[0] * proof.responses.permuted[0];
        terms.add(-first, *self.generators.first());
        for (weight, announced) in alone.iter().zip(&proof.announced.alone) {
            terms.add(*weight, *announced);
        }
        for (weights, announced) in weights.columns.iter().zip(&proof.announced.columns) {
            let pairs = weights.iter().zip(announced);
            pairs.for_each(|(weight, announced)| terms.add(*weight * *inverse, *announced));
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
        let generators = proof.responses.permuted.iter();
        let generators = generators.map(|response| -(weights.sum + challenges.inverse * *response)).collect();
        terms.add_all(generators, self.generators.rest());
        let commitments = challenges.rows.iter().map(|row| weights.sum + *row).collect();
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
            terms.add_all(challenges.rows.iter().map(|row| weight * *row).collect(), came_in);
            let factor = -(weight * challenges.inverse);
            let responses = proof.responses.permuted.iter();
            terms.add_all(responses.map(|response| factor * *response).collect(), came_out);
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
    let next = next.map(|(weight, response)| -(*weight * *response));
    // The last element stands in the equation about the product instead.
    let next = next.chain([weights.product * challenge]);
    let chain = weights.chain.iter().zip(next).map(|(weight, next)| challenge * *weight + next);
    terms.add_all(chain.collect(), &proof.chain);
    terms.add_all(weights.chain.clone(), &proof.announced.chain);
}
