//! The mixer's side of the proof.

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::{ALONE, Announced, Mix, Responses, ShuffleProof, Tables, Witness, permutation::random_scalars};
use crate::{
    elgamal::{Rows, Secrets},
    encoding::{write_count, write_doubled, write_elements, write_scalars},
    group::Group,
    msm,
};

/// The secret exponents of the chain: its element `i` is `base[i] G + factor[i] H`, the one before the first is `H`.
struct Chain<G: Group> {
    base: Secrets<G>,
    factor: Secrets<G>,
}

/// What is announced once, and once for each column.
type Unrepeated<G> = ([<G as Group>::Element; ALONE], Vec<[<G as Group>::Element; 2]>);

/// What hides the secrets in the responses.
struct Nonces<G: Group> {
    alone: Secrets<G>,
    columns: Secrets<G>,
    chain: Secrets<G>,
    permuted: Secrets<G>,
}

impl<G: Group> Mix<'_, G> {
    /// The proof that the witness leads from the input to the output.
    pub(super) fn prove(
        &self,
        output: &Rows<G>,
        witness: &Witness<G>,
        tables: &Tables<G>,
        rng: &mut impl CryptoRng,
    ) -> ShuffleProof<G> {
        let (rows, width) = (output.len(), output.width());
        let mut encoded = Vec::with_capacity(ShuffleProof::<G>::ends(rows, width)[2]);
        write_count(rows, &mut encoded);
        write_count(width, &mut encoded);
        let (commitments, openings) = self.commit(witness, tables, rng);
        write_elements::<G>(&commitments, &mut encoded);

        let mut transcript = self.transcript(output, &encoded);
        let challenges: Vec<G::Scalar> = scalars::<G>(&transcript.weights("rows").take(rows));
        let permuted = Zeroizing::new(witness.permutation.apply(&challenges));
        let chain_openings = random_scalars::<G>(rows, rng);
        let chain = Chain::<G>::new(&permuted, &chain_openings);
        let half_chain = chain.half_elements(tables);
        let nonces = Nonces::<G>::random(rows, width, rng);
        let half_announced = chain.half_announced(&nonces, tables);
        let begin = encoded.len();
        write_doubled::<G>(&half_chain, &mut encoded);
        let (alone, columns) = self.announce(output, &nonces);
        write_elements::<G>(&alone, &mut encoded);
        write_elements::<G>(columns.as_flattened(), &mut encoded);
        write_doubled::<G>(&half_announced, &mut encoded);

        transcript.tell("announced", &encoded[begin..]);
        let challenge = transcript.challenge::<G>("challenge");
        let secrets = [
            openings.iter().fold(G::Scalar::default(), |sum, opening| sum + *opening),
            chain.base.last().copied().unwrap_or_default(),
            dot::<G>(&openings, &challenges),
        ];
        let answer = |nonces: &[G::Scalar], secrets: &[G::Scalar]| {
            let pairs = nonces.iter().zip(secrets);
            pairs.map(|(nonce, secret)| *nonce + challenge * *secret).collect::<Vec<_>>()
        };
        let answers = answer(&nonces.alone, &secrets);
        let again: Vec<_> = witness.scalars.iter().map(|column| dot::<G>(column, &permuted)).collect();
        let responses = Responses {
            alone: [answers[0], answers[1], answers[2]],
            columns: answer(&nonces.columns, &again),
            chain: answer(&nonces.chain, &chain_openings),
            permuted: answer(&nonces.permuted, &permuted),
        };
        responses.encode(&mut encoded);
        let announced = Announced { alone, columns, chain: doubled::<G>(half_announced) };
        ShuffleProof { commitments, chain: doubled::<G>(half_chain), announced, responses, encoded }
    }

    /// Commits to the permutation's columns: that of the input's row from which row `i` of the output came is
    /// `rG` and generator `i`.
    fn commit(
        &self,
        witness: &Witness<G>,
        tables: &Tables<G>,
        rng: &mut impl CryptoRng,
    ) -> (Vec<G::Element>, Secrets<G>) {
        let openings = random_scalars::<G>(witness.permutation.len(), rng);
        let places = witness.permutation.undo(self.generators.rest());
        let commitments =
            openings.par_iter().zip(places).map(|(opening, place)| tables.base.mul(opening) + place);
        (commitments.collect(), openings)
    }

    /// What does not grow with the rows.
    fn announce(&self, output: &Rows<G>, nonces: &Nonces<G>) -> Unrepeated<G> {
        let combined = |elements: &[G::Element]| msm::sum::<G>(&nonces.permuted, elements);
        let alone = [
            G::mul_generator(&nonces.alone[0]),
            G::mul_generator(&nonces.alone[1]),
            G::mul_generator(&nonces.alone[2]) + combined(self.generators.rest()),
        ];
        let halves = output.masks().iter().zip(output.bodies()).zip(&*nonces.columns);
        let columns = halves.map(|((masks, bodies), nonce)| {
            [combined(masks) - G::mul_generator(nonce), combined(bodies) - G::mul(self.key.element(), nonce)]
        });
        (alone, columns.collect())
    }
}

impl<G: Group> Chain<G> {
    fn new(permuted: &[G::Scalar], openings: &[G::Scalar]) -> Self {
        let mut base = Zeroizing::new(Vec::with_capacity(permuted.len()));
        let mut factor = Zeroizing::new(Vec::with_capacity(permuted.len()));
        let (mut last_base, mut last_factor) = (G::Scalar::default(), G::Scalar::from(1_u64));
        for (challenge, opening) in permuted.iter().zip(openings) {
            last_base = *opening + *challenge * last_base;
            last_factor = *challenge * last_factor;
            base.push(last_base);
            factor.push(last_factor);
        }
        Self { base, factor }
    }

    /// Halves of the chain's elements, because their doubles are cheap to encode.
    fn half_elements(&self, tables: &Tables<G>) -> Vec<G::Element> {
        let half = half::<G>();
        let pairs = self.base.par_iter().zip(self.factor.par_iter());
        let element = |(base, factor): (&G::Scalar, &G::Scalar)| {
            tables.base.mul(&(half * *base)) + tables.first.mul(&(half * *factor))
        };
        pairs.map(element).collect()
    }

    /// Halves of `nonce G + nonce' C`, where `C` is the chain's element before.
    fn half_announced(&self, nonces: &Nonces<G>, tables: &Tables<G>) -> Vec<G::Element> {
        let half = half::<G>();
        let pairs = nonces.chain.par_iter().zip(nonces.permuted.par_iter());
        let announce = |(index, (nonce, permuted)): (usize, (&G::Scalar, &G::Scalar))| {
            let (base, factor) = match index.checked_sub(1) {
                Some(before) => (self.base[before], self.factor[before]),
                None => (G::Scalar::default(), G::Scalar::from(1_u64)),
            };
            let base = half * (*nonce + *permuted * base);
            tables.base.mul(&base) + tables.first.mul(&(half * *permuted * factor))
        };
        pairs.enumerate().map(announce).collect()
    }
}

fn half<G: Group>() -> G::Scalar {
    G::invert(&G::Scalar::from(2_u64))
}

fn doubled<G: Group>(halves: Vec<G::Element>) -> Vec<G::Element> {
    halves.into_par_iter().map(|half| half + half).collect()
}

impl<G: Group> Nonces<G> {
    fn random(rows: usize, width: usize, rng: &mut impl CryptoRng) -> Self {
        Self {
            alone: random_scalars::<G>(ALONE, rng),
            columns: random_scalars::<G>(width, rng),
            chain: random_scalars::<G>(rows, rng),
            permuted: random_scalars::<G>(rows, rng),
        }
    }
}

impl<G: Group> Responses<G> {
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        for scalars in [&self.alone[..], &self.columns, &self.chain, &self.permuted] {
            write_scalars::<G>(scalars, into);
        }
    }
}

/// 128-bit challenges as scalars.
pub(super) fn scalars<G: Group>(challenges: &[u128]) -> Vec<G::Scalar> {
    challenges.iter().map(|challenge| G::Scalar::from(*challenge)).collect()
}

fn dot<G: Group>(a: &[G::Scalar], b: &[G::Scalar]) -> G::Scalar {
    a.iter().zip(b).fold(G::Scalar::default(), |sum, (a, b)| sum + *a * *b)
}
