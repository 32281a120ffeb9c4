//! What a ballot is good for, and the attacks it withstands.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    group::{NotCanonical, P256, Ristretto, SCALAR_BYTES},
    transcript::Transcript,
};

const ELECTION: [u8; 32] = [1; 32];
const CASTER: Caster<'_> = Caster { voter: b"voter", token: b"token" };

fn key<G: Group>(seed: u64) -> EncryptionKey<G> {
    let mut rng = StdRng::seed_from_u64(seed);
    EncryptionKey::new(G::mul_generator(&G::random_scalar(&mut rng))).unwrap()
}

fn polling<G: Group>() -> Polling<G> {
    Polling::new(&ELECTION, 7, 2, key(1))
}

fn cast<G: Group>(polling: &Polling<G>, caster: Caster<'_>, seed: u64) -> Ballot<G> {
    let answer = [G::embed(&[3; 30]), G::embed(&[4; 30])];
    polling.cast(caster, &answer, &mut StdRng::seed_from_u64(seed)).unwrap()
}

#[test]
fn an_honest_ballot_holds_and_is_read_back() {
    fn check<G: Group>() {
        let polling = polling::<G>();
        let ballot = cast(&polling, CASTER, 1);
        assert_eq!(polling.verify(CASTER, &ballot), Ok(()));
        let read = Ballot::<G>::from_bytes(&ballot.to_bytes()).unwrap();
        assert_eq!(read, ballot);
        assert_eq!(polling.verify(CASTER, &read), Ok(()));
    }
    check::<Ristretto>();
    check::<P256>();
}

/// Attack: a ballot is replayed where, or as whose, it was not cast.
#[test]
fn a_ballot_that_is_moved_elsewhere_does_not_hold() {
    let here = polling::<Ristretto>();
    let ballot = cast(&here, CASTER, 1);
    let elsewhere = [
        Polling::new(&[2; 32], 7, 2, key(1)),
        Polling::new(&ELECTION, 8, 2, key(1)),
        Polling::new(&ELECTION, 7, 2, key(2)),
    ];
    for polling in elsewhere {
        assert_eq!(polling.verify(CASTER, &ballot), Err(BallotError::Proof));
    }
    for caster in [
        Caster { voter: b"other", ..CASTER },
        Caster { token: b"other", ..CASTER },
        Caster { voter: b"vote", token: b"rtoken" },
        Caster { voter: b"token", token: b"voter" },
    ] {
        assert_eq!(here.verify(caster, &ballot), Err(BallotError::Proof), "{caster:?}");
    }
    let wider = Polling::new(&ELECTION, 7, 3, key(1));
    assert_eq!(wider.verify(CASTER, &ballot), Err(BallotError::Width { expected: 3, found: 2 }));
}

/// Attack: a voter copies another's vote, encrypted anew so that nobody sees it.
#[test]
fn a_copied_ballot_that_was_encrypted_anew_does_not_hold() {
    let polling = polling::<Ristretto>();
    let original = cast(&polling, CASTER, 1);
    let mut rng = StdRng::seed_from_u64(9);
    let shift = Ristretto::random_scalar(&mut rng);
    let mut ciphertexts = original.row.ciphertexts().to_vec();
    ciphertexts[0].mask += Ristretto::mul_generator(&shift);
    ciphertexts[0].body += Ristretto::mul(polling.key.element(), &shift);
    let row = Row::new(ciphertexts).unwrap();
    let copier = Caster { voter: b"copier", token: b"another" };
    // The best that a copier can do: shift the response by what they added.
    let encoded = encode_front(&row, &original.commitment);
    let response = original.response + polling.challenge(CASTER, &encoded) * shift;
    let copy = Ballot { row, commitment: original.commitment, response, encoded };
    assert_eq!(polling.verify(copier, &copy), Err(BallotError::Proof));
    assert_eq!(polling.verify(CASTER, &copy), Err(BallotError::Proof));
}

/// Attack: the commitment is chosen after the challenge, which works where the challenge leaves it out.
#[test]
fn weak_fiat_shamir_is_of_no_use_to_a_forger() {
    let polling = polling::<Ristretto>();
    let row = cast(&polling, CASTER, 1).row;
    let mut transcript: Transcript = polling.transcript.clone();
    transcript.tell("voter", CASTER.voter);
    transcript.tell("token", CASTER.token);
    let guessed = transcript.challenge::<Ristretto>("challenge");
    let response = Ristretto::random_scalar(&mut StdRng::seed_from_u64(5));
    let masks =
        row.ciphertexts().iter().rev().fold(Ristretto::identity(), |sum, ciphertext| {
            Ristretto::mul(&(sum + ciphertext.mask), &guessed)
        });
    let commitment = Ristretto::mul_generator(&response) - masks;
    let encoded = encode_front(&row, &commitment);
    let forged = Ballot { row, commitment, response, encoded };
    let mut terms = Terms::with_capacity(4);
    let factor = forged.add_terms(guessed, 1_u64.into(), &mut terms);
    terms.add(-factor, Ristretto::generator());
    assert!(terms.vanish(), "it would hold if the challenge did not follow from the ballot");
    assert_eq!(polling.verify(CASTER, &forged), Err(BallotError::Proof));
}

#[test]
fn every_byte_of_a_ballot_counts() {
    let polling = polling::<Ristretto>();
    let bytes = cast(&polling, CASTER, 1).to_bytes();
    for at in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= flip;
            let held = Ballot::<Ristretto>::from_bytes(&flipped)
                .is_ok_and(|ballot| polling.verify(CASTER, &ballot).is_ok());
            assert!(!held, "byte {at}");
        }
    }
}

/// Attack: two ciphertexts of a row change places, or the two halves of one.
#[test]
fn the_parts_of_a_ballot_do_not_change_places() {
    let polling = polling::<Ristretto>();
    let bytes = cast(&polling, CASTER, 1).to_bytes();
    let element = |index: usize| 1 + index * 32..33 + index * 32;
    for (one, other) in [(0, 2), (1, 3), (0, 1), (0, 4)] {
        let mut swapped = bytes.clone();
        swapped[element(one)].copy_from_slice(&bytes[element(other)]);
        swapped[element(other)].copy_from_slice(&bytes[element(one)]);
        let ballot = Ballot::<Ristretto>::from_bytes(&swapped).unwrap();
        assert_eq!(polling.verify(CASTER, &ballot), Err(BallotError::Proof));
    }
}

#[test]
fn a_ballot_of_malformed_length_is_refused() {
    let bytes = cast(&polling::<Ristretto>(), CASTER, 1).to_bytes();
    let read = |bytes: &[u8]| Ballot::<Ristretto>::from_bytes(bytes).unwrap_err();
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Malformed::Short);
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Malformed::Trailing(1));
    for width in [0, 65, 255] {
        assert_eq!(read(&[&[width], &bytes[1..]].concat()), Malformed::Byte(width));
    }
}

/// Attack: with an identity as the mask, a proof about nothing would do, and the vote would be in the open.
#[test]
fn a_ballot_with_an_identity_is_refused() {
    let bytes = cast(&polling::<Ristretto>(), CASTER, 1).to_bytes();
    for element in 0..5 {
        let mut bytes = bytes.clone();
        bytes[1 + element * 32..33 + element * 32].fill(0);
        let refused = Malformed::NotCanonical(NotCanonical::Element);
        assert_eq!(Ballot::<Ristretto>::from_bytes(&bytes).unwrap_err(), refused);
    }
    let mut beyond = bytes;
    let response = beyond.len() - SCALAR_BYTES;
    beyond[response..].fill(0xff);
    let refused = Malformed::NotCanonical(NotCanonical::Scalar);
    assert_eq!(Ballot::<Ristretto>::from_bytes(&beyond).unwrap_err(), refused);
}

#[test]
fn an_answer_of_another_width_is_not_cast() {
    let mut rng = StdRng::seed_from_u64(1);
    let refused = polling::<Ristretto>().cast(CASTER, &[Ristretto::generator()], &mut rng).unwrap_err();
    assert_eq!(refused, Unfit::Uneven { expected: 2, found: 1 });
}

/// Casts so many, spoils those at the given places, and finds them.
#[track_caller]
fn check_batch(count: usize, spoiled: &[usize]) {
    let polling = polling::<Ristretto>();
    let mut ballots: Vec<_> = (0..count).map(|seed| cast(&polling, CASTER, seed as u64)).collect();
    for at in spoiled {
        ballots[*at].response += <Ristretto as Group>::Scalar::from(1_u64);
    }
    let batch: Vec<_> = ballots.iter().map(|ballot| (&polling, CASTER, ballot)).collect();
    let expected: Vec<_> = spoiled.iter().map(|at| (*at, BallotError::Proof)).collect();
    assert_eq!(verify_all(&batch), expected);
}

#[test]
fn a_batch_names_the_bad_ones_and_no_other() {
    check_batch(0, &[]);
    check_batch(1, &[]);
    check_batch(1, &[0]);
    check_batch(40, &[]);
    check_batch(40, &[0]);
    check_batch(40, &[3, 4, 39]);
    check_batch(9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

/// Attack: two bad ballots whose errors would cancel if they were only added up.
#[test]
fn errors_that_cancel_are_found_in_a_batch() {
    let polling = polling::<Ristretto>();
    let mut ballots: Vec<_> = (0..10).map(|seed| cast(&polling, CASTER, seed)).collect();
    ballots[2].response += <Ristretto as Group>::Scalar::from(5_u64);
    ballots[7].response += -<Ristretto as Group>::Scalar::from(5_u64);
    let batch: Vec<_> = ballots.iter().map(|ballot| (&polling, CASTER, ballot)).collect();
    assert_eq!(verify_all(&batch), [(2, BallotError::Proof), (7, BallotError::Proof)]);
}

#[test]
fn a_batch_may_mix_contests() {
    let (one, other) = (polling::<Ristretto>(), Polling::new(&ELECTION, 8, 2, key(1)));
    let wider = Polling::new(&ELECTION, 9, 3, key(1));
    let (a, b) = (cast(&one, CASTER, 1), cast(&other, CASTER, 2));
    assert_eq!(verify_all(&[(&one, CASTER, &a), (&other, CASTER, &b)]), []);
    let mixed = verify_all(&[(&other, CASTER, &a), (&other, CASTER, &b), (&wider, CASTER, &b)]);
    assert_eq!(mixed, [(0, BallotError::Proof), (2, BallotError::Width { expected: 3, found: 2 })]);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_calmly_or_written_as_they_were_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(ballot) = Ballot::<Ristretto>::from_bytes(&bytes) {
            prop_assert_eq!(ballot.to_bytes(), bytes);
        }
    }
}
