//! A shuffle is believed if it is one, and no other way.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::{permutation::Permutation, *};
use crate::{
    elgamal::{Ciphertext, Row},
    encoding::write_elements,
    group::{P256, Ristretto},
};

/// An election of so many rows, whose secret is known.
struct Fixture<G: Group> {
    secret: G::Scalar,
    key: EncryptionKey<G>,
    generators: Generators<G>,
    input: Rows<G>,
}

fn message<G: Group>(number: usize) -> G::Element {
    let mut bytes = [0; 30];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    G::embed(&bytes)
}

fn fixture<G: Group>(rows: usize, width: usize) -> Fixture<G> {
    let mut rng = StdRng::seed_from_u64(1);
    let secret = G::random_scalar(&mut rng);
    let key = EncryptionKey::<G>::new(G::mul_generator(&secret)).unwrap();
    let mut row = |number| key.encrypt(&vec![message::<G>(number); width], &mut rng).unwrap().0;
    let input: Vec<_> = (0..rows).map(&mut row).collect();
    let (generators, input) = (Generators::derive(b"election", rows), Rows::new(&input).unwrap());
    Fixture { secret, key, generators, input }
}

impl<G: Group> Fixture<G> {
    fn mix(&self) -> Mix<'_, G> {
        Mix { context: b"mixer 1", key: &self.key, generators: &self.generators, input: &self.input }
    }

    fn tables(&self) -> Tables<G> {
        Tables::new(&self.key, &self.generators)
    }

    fn honest(&self) -> (Rows<G>, ShuffleProof<G>) {
        self.mix().shuffle(&mut StdRng::seed_from_u64(2)).unwrap()
    }

    /// Which message each row says, if all its ciphertexts say the same.
    fn opened(&self, rows: &Rows<G>) -> Vec<Option<usize>> {
        let known: Vec<_> = (0..self.input.len()).map(message::<G>).collect();
        let open = |index| {
            let row: Row<G> = rows.row(index)?;
            let said = row.ciphertexts().iter().map(|Ciphertext { mask, body }| {
                let opened = *body - G::mul(mask, &self.secret);
                known.iter().position(|message| *message == opened)
            });
            let said: BTreeSet<_> = said.collect();
            said.first().copied().flatten().filter(|_| said.len() == 1)
        };
        (0..rows.len()).map(open).collect()
    }
}

#[test]
fn an_honest_shuffle_holds_and_changes_nothing_but_the_order() {
    fn check<G: Group>(rows: usize, width: usize) {
        let fixture = fixture::<G>(rows, width);
        let (output, proof) = fixture.honest();
        assert_eq!(fixture.mix().verify(&output, &proof), Ok(()));
        let mut opened = fixture.opened(&output);
        opened.sort_unstable();
        assert_eq!(opened, (0..rows).map(Some).collect::<Vec<_>>());
        let read = ShuffleProof::from_bytes(&proof.to_bytes()).unwrap();
        assert!(read == proof);
        assert_eq!(fixture.mix().verify(&Rows::from_bytes(&output.to_bytes()).unwrap(), &read), Ok(()));
    }
    for (rows, width) in [(1, 1), (2, 1), (9, 3), (300, 2)] {
        check::<Ristretto>(rows, width);
    }
    check::<P256>(5, 2);
}

#[test]
fn every_order_comes_about() {
    let mut rng = StdRng::seed_from_u64(3);
    let orders = (0..400).map(|_| Permutation::random(4, &mut rng).apply(&[0, 1, 2, 3]));
    let mut counts = std::collections::BTreeMap::new();
    orders.for_each(|order| *counts.entry(order).or_insert(0) += 1);
    assert_eq!(counts.len(), 24);
    // 400 draws over 24 orders: 16.7 each, and with this seed always the same.
    assert!(counts.values().all(|count| (4..45).contains(count)), "{counts:?}");
    let permutation = Permutation::random(50, &mut rng);
    let values: Vec<usize> = (0..50).collect();
    assert_eq!(permutation.undo(&permutation.apply(&values)), values);
}

/// A lying mixer who follows the protocol with a witness or an output that is none.
#[track_caller]
fn check_lie(lie: impl FnOnce(&Fixture<Ristretto>, &mut Witness<Ristretto>, &mut Vec<Row<Ristretto>>)) {
    let fixture = fixture::<Ristretto>(6, 2);
    let mut rng = StdRng::seed_from_u64(4);
    let mut witness = Witness::random(6, 2, &mut rng);
    let honest = witness.apply(&fixture.tables(), &fixture.input);
    let mut rows: Vec<_> = (0..6).map(|index| honest.row(index).unwrap()).collect();
    lie(&fixture, &mut witness, &mut rows);
    let output = Rows::new(&rows).unwrap();
    let proof = fixture.mix().prove(&output, &witness, &fixture.tables(), &mut rng);
    assert_eq!(fixture.mix().verify(&output, &proof), Err(ShuffleError::Proof));
}

fn encrypt(fixture: &Fixture<Ristretto>, number: usize) -> Row<Ristretto> {
    let mut rng = StdRng::seed_from_u64(99);
    fixture.key.encrypt(&[message::<Ristretto>(number); 2], &mut rng).unwrap().0
}

#[test]
fn a_lying_mixer_who_replaces_a_row_is_found_out() {
    check_lie(|fixture, _, rows| rows[3] = encrypt(fixture, 1));
    // Even by one that says the same.
    check_lie(|fixture, _, rows| {
        let said = fixture.opened(&Rows::new(rows).unwrap())[3].unwrap();
        rows[3] = encrypt(fixture, said);
    });
}

#[test]
fn a_lying_mixer_who_drops_a_row_and_doubles_another_is_found_out() {
    check_lie(|_, _, rows| rows[2] = rows[4].clone());
    check_lie(|fixture, witness, rows| {
        witness.permutation = Permutation::of(vec![0, 1, 2, 3, 4, 4]);
        let doubled = witness.apply(&fixture.tables(), &fixture.input);
        *rows = (0..6).map(|index| doubled.row(index).unwrap()).collect();
    });
}

#[test]
fn a_lying_mixer_with_a_permutation_that_is_none_is_found_out() {
    for order in [vec![0; 6], vec![1, 1, 2, 3, 4, 5], vec![5, 4, 3, 2, 1, 1]] {
        check_lie(|fixture, witness, rows| {
            witness.permutation = Permutation::of(order);
            let output = witness.apply(&fixture.tables(), &fixture.input);
            *rows = (0..6).map(|index| output.row(index).unwrap()).collect();
        });
    }
}

#[test]
fn a_lying_mixer_who_swaps_ciphertexts_between_rows_is_found_out() {
    check_lie(|_, _, rows| {
        let (one, other) = (rows[0].ciphertexts().to_vec(), rows[1].ciphertexts().to_vec());
        rows[0] = Row::new(vec![one[0], other[1]]).unwrap();
        rows[1] = Row::new(vec![other[0], one[1]]).unwrap();
    });
    check_lie(|_, _, rows| {
        let row = rows[0].ciphertexts().to_vec();
        rows[0] = Row::new(vec![row[1], row[0]]).unwrap();
    });
}

/// Attack: errors in two rows that cancel in a plain sum.
#[test]
fn a_lying_mixer_who_shifts_two_rows_against_each_other_is_found_out() {
    check_lie(|_, _, rows| {
        for (index, sign) in [(0, 1_u64.into()), (1, -<Ristretto as Group>::Scalar::from(1_u64))] {
            let mut row = rows[index].ciphertexts().to_vec();
            row[0].body += Ristretto::mul_generator(&sign);
            rows[index] = Row::new(row).unwrap();
        }
    });
}

/// Attack: what was proven of one statement is shown for another. Were a part of the statement left out of the
/// challenge (weak Fiat-Shamir), one of these would hold.
#[test]
fn a_proof_holds_for_its_whole_statement_only() {
    let fixture = fixture::<Ristretto>(4, 1);
    let (output, proof) = fixture.honest();
    let mix = fixture.mix();
    let other_key = EncryptionKey::new(*fixture.key.element() + Ristretto::generator()).unwrap();
    let other_generators = Generators::derive(b"another", 4);
    let elsewhere = [
        Mix { context: b"mixer 2", ..mix },
        Mix { key: &other_key, ..mix },
        Mix { generators: &other_generators, ..mix },
        Mix { input: &output, ..mix },
    ];
    for mix in elsewhere {
        assert_eq!(mix.verify(&output, &proof), Err(ShuffleError::Proof));
    }
    assert_eq!(mix.verify(&fixture.input, &proof), Err(ShuffleError::Proof));
}

/// Everything of a proof that answers one challenge, worked out backwards from it, for an output of somebody's own.
fn forge(
    fixture: &Fixture<Ristretto>,
    output: &Rows<Ristretto>,
    challenge: <Ristretto as Group>::Scalar,
) -> ShuffleProof<Ristretto> {
    type Scalars = Vec<<Ristretto as Group>::Scalar>;
    type Elements = Vec<<Ristretto as Group>::Element>;
    let (rows, mut rng) = (output.len(), StdRng::seed_from_u64(8));
    let mut random = |count| (0..count).map(|_| Ristretto::random_scalar(&mut rng)).collect::<Scalars>();
    let [commitments, chain]: [Elements; 2] =
        [random(rows), random(rows)].map(|scalars| scalars.iter().map(Ristretto::mul_generator).collect());
    let mut encoded = Vec::new();
    write_count(rows, &mut encoded);
    write_count(1, &mut encoded);
    write_elements::<Ristretto>(&commitments, &mut encoded);
    let mut transcript = fixture.mix().transcript(output, &encoded);
    let drawn = prove::scalars::<Ristretto>(&transcript.weights("rows").take(rows));
    let (alone, columns) = (random(ALONE), random(1));
    let (chain_responses, permuted) = (random(rows), random(rows));
    let sum = |scalars: &Scalars, elements: &[_]| Ristretto::sum_of_few(scalars, elements);
    let times = |element: <Ristretto as Group>::Element| Ristretto::mul(&element, &challenge);
    let ones = vec![1_u64.into(); rows];
    let product = drawn.iter().fold(1_u64.into(), |product: <Ristretto as Group>::Scalar, one| product * one);
    let generators = fixture.generators.rest();
    let base = |index: usize| Ristretto::mul_generator(&alone[index]);
    let first = fixture.generators.first();
    let half = |shuffled: &Elements, input: &Elements, key: &_| {
        sum(&permuted, shuffled) - Ristretto::mul(key, &columns[0]) - times(sum(&drawn, input))
    };
    let before = |index: usize| index.checked_sub(1).map_or(*first, |before| chain[before]);
    let of_row = |index: usize| {
        Ristretto::mul_generator(&chain_responses[index]) + Ristretto::mul(&before(index), &permuted[index])
            - times(chain[index])
    };
    let announced = Announced {
        alone: [
            base(0) - times(sum(&ones, &commitments) - sum(&ones, generators)),
            base(1) - times(chain[rows - 1] - Ristretto::mul(first, &product)),
            base(2) + sum(&permuted, generators) - times(sum(&drawn, &commitments)),
        ],
        columns: vec![[
            half(&output.masks()[0], &fixture.input.masks()[0], &Ristretto::generator()),
            half(&output.bodies()[0], &fixture.input.bodies()[0], fixture.key.element()),
        ]],
        chain: (0..rows).map(of_row).collect(),
    };
    write_elements::<Ristretto>(&chain, &mut encoded);
    write_elements::<Ristretto>(&announced.alone, &mut encoded);
    write_elements::<Ristretto>(announced.columns.as_flattened(), &mut encoded);
    write_elements::<Ristretto>(&announced.chain, &mut encoded);
    let alone = [alone[0], alone[1], alone[2]];
    let responses = Responses { alone, columns, chain: chain_responses, permuted };
    responses.encode(&mut encoded);
    ShuffleProof { commitments, chain, announced, responses, encoded }
}

/// Attack: a mixer who replaces every vote, and works the proof out backwards from a challenge they know. It would do if
/// the challenge did not follow from what was announced.
#[test]
fn weak_fiat_shamir_is_of_no_use_to_a_forging_mixer() {
    let fixture = fixture::<Ristretto>(5, 1);
    let mut rng = StdRng::seed_from_u64(7);
    let own: Vec<_> =
        (0..5).map(|_| fixture.key.encrypt(&[message::<Ristretto>(0)], &mut rng).unwrap().0).collect();
    let output = Rows::new(&own).unwrap();
    let challenge = Ristretto::random_scalar(&mut rng);
    let forged = forge(&fixture, &output, challenge);
    let read = ShuffleProof::from_bytes(&forged.to_bytes()).unwrap();
    let (mut challenges, weights) = fixture.mix().draw(&output, &read).unwrap();
    (challenges.challenge, challenges.inverse) = (challenge, Ristretto::invert(&challenge));
    assert!(
        fixture.mix().holds(&output, &read, &challenges, &weights),
        "it answers the challenge it was made for"
    );
    assert_eq!(fixture.mix().verify(&output, &read), Err(ShuffleError::Proof));
}

#[test]
fn each_part_of_the_statement_changes_the_challenge() {
    let fixture = fixture::<Ristretto>(4, 1);
    let mix = fixture.mix();
    let (output, _) = fixture.honest();
    let other_key = EncryptionKey::new(*fixture.key.element() + Ristretto::generator()).unwrap();
    let other_generators = Generators::derive(b"another", 4);
    let draw = |mix: &Mix<'_, Ristretto>, output, commitments| {
        mix.transcript(output, commitments).challenge_bytes("rows")
    };
    let drawn = BTreeSet::from([
        draw(&mix, &output, b"c"),
        draw(&Mix { context: b"mixer 2", ..mix }, &output, b"c"),
        draw(&Mix { key: &other_key, ..mix }, &output, b"c"),
        draw(&Mix { generators: &other_generators, ..mix }, &output, b"c"),
        draw(&Mix { input: &output, ..mix }, &output, b"c"),
        draw(&mix, &fixture.input, b"c"),
        draw(&mix, &output, b"d"),
    ]);
    assert_eq!(drawn.len(), 7);
}

#[test]
fn a_shuffle_of_wrong_length_is_refused() {
    let (four, five) = (fixture::<Ristretto>(4, 1), fixture::<Ristretto>(5, 1));
    let wide = fixture::<Ristretto>(4, 2);
    let (output, proof) = four.honest();
    let (longer, longer_proof) = five.honest();
    let (wider, wider_proof) = wide.honest();
    let refused = |found, found_width| {
        let output = ShuffleError::Output { rows: 4, width: 1, found, found_width };
        (output, ShuffleError::Length { rows: 4, width: 1, found, found_width })
    };
    let mix = four.mix();
    assert_eq!(mix.verify(&longer, &proof), Err(refused(5, 1).0));
    assert_eq!(mix.verify(&output, &longer_proof), Err(refused(5, 1).1));
    assert_eq!(mix.verify(&wider, &proof), Err(refused(4, 2).0));
    assert_eq!(mix.verify(&output, &wider_proof), Err(refused(4, 2).1));
    let few = Mix { generators: &Generators::derive(b"election", 3), ..mix };
    assert_eq!(few.verify(&output, &proof), Err(ShuffleError::Generators { rows: 4, found: 3 }));
    let refused = few.shuffle(&mut StdRng::seed_from_u64(1)).unwrap_err();
    assert_eq!(refused, ShuffleError::Generators { rows: 4, found: 3 });
}

/// Attack: any field of the proof is another one that could stand there.
#[test]
fn every_field_of_the_proof_counts() {
    fn check<G: Group>(rows: usize, width: usize) {
        let fixture = fixture::<G>(rows, width);
        let (output, proof) = fixture.honest();
        let bytes = proof.to_bytes();
        let elements = 3 * rows + ALONE + 2 * width;
        let scalars = 2 * rows + ALONE + width;
        let scalars_begin = 8 + elements * G::ELEMENT_BYTES;
        assert_eq!(bytes.len(), scalars_begin + scalars * SCALAR_BYTES);
        let refused = |bytes: &[u8]| {
            let proof = ShuffleProof::from_bytes(bytes).unwrap();
            assert_eq!(fixture.mix().verify(&output, &proof), Err(ShuffleError::Proof));
        };
        for index in 0..elements {
            let at = 8 + index * G::ELEMENT_BYTES..8 + (index + 1) * G::ELEMENT_BYTES;
            let mut bytes = bytes.clone();
            let other = G::decode_element(&bytes[at.clone()]).unwrap() + G::generator();
            bytes[at].copy_from_slice(&G::element_bytes(&other));
            refused(&bytes);
        }
        for index in 0..scalars {
            let at = scalars_begin + index * SCALAR_BYTES..scalars_begin + (index + 1) * SCALAR_BYTES;
            let mut bytes = bytes.clone();
            let other = G::decode_scalar(&bytes[at.clone()]).unwrap_or_default() + G::Scalar::from(1_u64);
            bytes[at].copy_from_slice(&G::encode_scalar(&other));
            refused(&bytes);
        }
    }
    check::<Ristretto>(4, 2);
    check::<P256>(2, 1);
}

/// Attack: identities where commitments belong, so that equations say nothing.
#[test]
fn a_proof_with_an_identity_is_refused() {
    let (_, proof) = fixture::<Ristretto>(3, 1).honest();
    let bytes = proof.to_bytes();
    for index in 0..3 * 3 + ALONE + 2 {
        let mut bytes = bytes.clone();
        bytes[8 + index * 32..40 + index * 32].fill(0);
        assert!(ShuffleProof::<Ristretto>::from_bytes(&bytes).is_err(), "element {index}");
    }
}

#[test]
fn a_proof_of_malformed_length_is_refused() {
    let (_, proof) = fixture::<Ristretto>(2, 1).honest();
    let bytes = proof.to_bytes();
    let read = |bytes: &[u8]| ShuffleProof::<Ristretto>::from_bytes(bytes).unwrap_err();
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Malformed::Short);
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Malformed::Trailing(1));
    let announced =
        |rows: u32, width: u32| read(&[&rows.to_be_bytes()[..], &width.to_be_bytes(), &bytes[8..]].concat());
    assert_eq!(announced(0, 1), Malformed::Count(1));
    assert_eq!(announced(2, 0), Malformed::Count(0));
    assert_eq!(announced(2, 65), Malformed::Count(65));
    assert_eq!(announced(u32::MAX, 1), Malformed::Short);
    assert_eq!(announced(2, 2), Malformed::Short);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_calmly(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(proof) = ShuffleProof::<Ristretto>::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
        }
    }
}
