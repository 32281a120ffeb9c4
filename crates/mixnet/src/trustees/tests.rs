//! Keys made together, and what becomes of those who cheat.

use rand::{SeedableRng, rngs::StdRng};

use super::{polynomial::Polynomial, *};
use crate::{
    elgamal::{Row, Rows},
    encoding::{Encoded, Malformed},
    group::{Group, P256, Ristretto},
};

/// A ceremony after its second round.
struct Fixture<G: Group> {
    ceremony: Ceremony<G>,
    transports: Vec<TransportKey<G>>,
    dealers: Vec<Dealer<G>>,
    sealed: Vec<SealedOpening>,
    rng: StdRng,
}

fn fixture<G: Group>(quorum: Quorum) -> Fixture<G> {
    let mut rng = StdRng::seed_from_u64(1);
    let transports: Vec<_> = quorum.numbers().map(|_| TransportKey::<G>::random(&mut rng)).collect();
    let keys = transports.iter().map(|key| *key.public()).collect();
    let ceremony = Ceremony::new(b"election", quorum, keys).unwrap();
    let (dealers, sealed) = quorum.numbers().map(|trustee| ceremony.begin(trustee, &mut rng)).unzip();
    Fixture { ceremony, transports, dealers, sealed, rng }
}

impl<G: Group> Fixture<G> {
    fn opened(&self) -> Vec<Opening<G>> {
        self.dealers.iter().map(|dealer| dealer.open().clone()).collect()
    }

    fn openings(&self) -> Openings<G> {
        self.ceremony.check_openings(&self.sealed, self.opened()).unwrap()
    }

    fn dealt(&mut self) -> Vec<Dealing<G>> {
        let openings = self.openings();
        self.dealers.iter().map(|dealer| self.ceremony.deal(dealer, &openings, &mut self.rng)).collect()
    }

    fn receive(&mut self, trustee: u16, dealings: &Dealings<G>) -> Result<KeyShare<G>, ReceiveError<G>> {
        let transport = &self.transports[usize::from(trustee) - 1];
        self.ceremony.receive(trustee, transport, &self.openings(), dealings, &mut self.rng)
    }

    fn concluded(&mut self) -> (TrusteeKeys<G>, Vec<KeyShare<G>>) {
        let dealt = self.dealt();
        let dealings = self.ceremony.check_dealings(dealt).unwrap();
        let numbers = self.ceremony.quorum.numbers();
        let shares = numbers.map(|trustee| self.receive(trustee, &dealings).unwrap()).collect();
        (self.ceremony.conclude(&self.openings()).unwrap(), shares)
    }
}

fn two_of_three() -> Quorum {
    Quorum::new(2, 3).unwrap()
}

fn message<G: Group>(number: u8) -> G::Element {
    G::embed(&[number; 30])
}

fn rows<G: Group>(keys: &TrusteeKeys<G>, seed: u64) -> Rows<G> {
    let mut rng = StdRng::seed_from_u64(seed);
    let row = |number| keys.key().encrypt(&[message::<G>(number), message::<G>(number + 100)], &mut rng);
    let rows: Vec<Row<G>> = (0..5).map(row).map(|made| made.unwrap().0).collect();
    Rows::new(&rows).unwrap()
}

const CONTEXT: &[u8] = b"the only list";

/// Keys, rows, and everybody's part of decrypting them.
fn decrypted<G: Group>(quorum: Quorum) -> (TrusteeKeys<G>, Rows<G>, Vec<PartialDecryption<G>>) {
    let mut fixture = fixture::<G>(quorum);
    let (keys, shares) = fixture.concluded();
    let rows = rows(&keys, 7);
    let partials =
        shares.iter().map(|share| keys.decrypt(share, CONTEXT, &rows, &mut fixture.rng).unwrap()).collect();
    (keys, rows, partials)
}

fn expected<G: Group>() -> Vec<Vec<G::Element>> {
    (0..5).map(|number| vec![message::<G>(number), message::<G>(number + 100)]).collect()
}

#[test]
fn any_that_are_enough_decrypt_the_same() {
    fn check<G: Group>(quorum: Quorum) {
        let (keys, rows, partials) = decrypted::<G>(quorum);
        let threshold = usize::from(quorum.threshold());
        for first in 0..=partials.len() - threshold {
            let some = &partials[first..first + threshold];
            let combined = combine(&keys, CONTEXT, &rows, some).unwrap();
            assert_eq!(combined.messages, expected::<G>());
            assert_eq!((combined.faults.len(), combined.missing.len()), (0, partials.len() - threshold));
        }
        let all = combine(&keys, CONTEXT, &rows, &partials).unwrap();
        assert_eq!((all.messages, all.missing.len()), (expected::<G>(), 0));
    }
    check::<Ristretto>(two_of_three());
    check::<Ristretto>(Quorum::new(3, 5).unwrap());
    check::<Ristretto>(Quorum::unanimous(3).unwrap());
    check::<Ristretto>(Quorum::unanimous(1).unwrap());
    check::<P256>(two_of_three());
}

#[test]
fn all_of_all_is_only_had_by_its_name() {
    assert_eq!(Quorum::new(3, 3), Err(QuorumError::Unanimous(3)));
    assert!(Quorum::unanimous(3).is_ok());
    assert_eq!(Quorum::new(1, 3), Err(QuorumError::Alone(1, 3)));
    assert_eq!(Quorum::new(2, 4), Err(QuorumError::Split(2, 4)));
    assert_eq!(Quorum::new(2, 5), Err(QuorumError::Split(2, 5)));
    assert_eq!(Quorum::new(0, 3), Err(QuorumError::Alone(0, 3)));
    assert_eq!(Quorum::new(4, 3), Err(QuorumError::Beyond(4, 3)));
    assert_eq!(Quorum::new(2, 0), Err(QuorumError::Trustees(0)));
    assert_eq!(Quorum::new(2, 101), Err(QuorumError::Trustees(101)));
    assert_eq!(Quorum::unanimous(0), Err(QuorumError::Trustees(0)));
}

#[test]
fn a_ceremony_has_one_transport_key_for_each_trustee() {
    let mut rng = StdRng::seed_from_u64(1);
    let key = *TransportKey::<Ristretto>::random(&mut rng).public();
    let other = *TransportKey::<Ristretto>::random(&mut rng).public();
    let refused = |keys| Ceremony::<Ristretto>::new(b"election", two_of_three(), keys).unwrap_err();
    assert_eq!(refused(vec![key, other]), CeremonyError::Trustees { expected: 3, found: 2 });
    assert_eq!(refused(vec![key, other, key]), CeremonyError::TransportKey);
    assert_eq!(refused(vec![key, other, Ristretto::identity()]), CeremonyError::TransportKey);
}

/// Attack: who opens last has seen the others' parts, and picks a part with which the key is of their choosing.
#[test]
fn rushing_in_the_ceremony_is_of_no_use() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let mut openings = fixture.opened();
    let (again, _) = fixture.ceremony.begin(3, &mut fixture.rng);
    openings[2] = again.open().clone();
    let fault = Fault { trustee: 3, offence: Offence::Opening };
    assert_eq!(fixture.ceremony.check_openings(&fixture.sealed, openings), Err(vec![fault]));
}

/// Attack: a part that takes the others' out of the key again, whose logarithm its author cannot know.
#[test]
fn a_part_that_cancels_the_others_is_refused() {
    let fixture = fixture::<Ristretto>(two_of_three());
    let mut openings = fixture.opened();
    let bytes = openings[2].to_bytes();
    let others = openings[0].at(0) + openings[1].at(0);
    let mut rogue = bytes;
    rogue[4..36].copy_from_slice(&Ristretto::element_bytes(&(Ristretto::generator() - others)));
    openings[2] = Opening::from_bytes(&rogue).unwrap();
    let mut sealed = fixture.sealed.clone();
    // Even if it had been fixed in time.
    sealed[2] = fixture.ceremony.seal(3, &openings[2]);
    let fault = Fault { trustee: 3, offence: Offence::Knowledge };
    assert_eq!(fixture.ceremony.check_openings(&sealed, openings), Err(vec![fault]));
}

#[test]
fn an_opening_of_another_trustee_or_degree_is_refused() {
    let fixture = fixture::<Ristretto>(Quorum::new(3, 4).unwrap());
    let mut openings = fixture.opened();
    openings.swap(0, 1);
    let mut sealed = fixture.sealed.clone();
    sealed[0] = fixture.ceremony.seal(1, &openings[0]);
    sealed[1] = fixture.ceremony.seal(2, &openings[1]);
    // One coefficient fewer: whoever is not enough could decrypt.
    let mut short = openings[3].to_bytes();
    short[3] = 2;
    short.drain(4 + 64..4 + 96);
    openings[3] = Opening::from_bytes(&short).unwrap();
    sealed[3] = fixture.ceremony.seal(4, &openings[3]);
    let faults = [(1, Offence::Knowledge), (2, Offence::Knowledge), (4, Offence::Degree)];
    let faults = faults.map(|(trustee, offence)| Fault { trustee, offence });
    assert_eq!(fixture.ceremony.check_openings(&sealed, openings), Err(faults.to_vec()));
}

#[test]
fn who_sends_nothing_is_named() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let silent = Err(vec![Fault { trustee: 3, offence: Offence::Silence }]);
    let mut openings = fixture.opened();
    openings.pop();
    assert_eq!(fixture.ceremony.check_openings(&fixture.sealed, openings).map(|_| ()), silent);
    let mut dealings = fixture.dealt();
    dealings.pop();
    assert_eq!(fixture.ceremony.check_dealings(dealings.clone()).map(|_| ()), silent);
    dealings.extend([dealings[0].clone(), dealings[1].clone()]);
    let refused = fixture.ceremony.check_dealings(dealings).unwrap_err();
    assert!(refused.contains(&Fault { trustee: 4, offence: Offence::Stranger }), "{refused:?}");
}

/// Attack: a dealer sends somebody a share that does not fit, to leave them without, or to have them blamed.
#[test]
fn a_dealer_of_a_wrong_share_is_named() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let mut dealt = fixture.dealt();
    let other = Polynomial::random(2, &mut fixture.rng);
    dealt[1] = fixture.ceremony.deal_polynomial(2, &other, &mut fixture.rng);
    let dealings = fixture.ceremony.check_dealings(dealt).unwrap();
    for trustee in [1, 3] {
        let ReceiveError::Complaints(complaints) = fixture.receive(trustee, &dealings).unwrap_err() else {
            panic!("the shares are wrong");
        };
        assert_eq!(complaints.len(), 1);
        let complaint = Complaint::from_bytes(&complaints[0].to_bytes()).unwrap();
        let verdict = fixture.ceremony.judge(&fixture.openings(), &dealings, &complaint);
        assert_eq!(verdict, Fault { trustee: 2, offence: Offence::WrongShare });
    }
}

/// Attack: a trustee accuses an honest dealer.
#[test]
fn a_false_accuser_is_named() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let dealt = fixture.dealt();
    let dealings = fixture.ceremony.check_dealings(dealt.clone()).unwrap();
    let openings = fixture.openings();
    let falsely = Fault { trustee: 3, offence: Offence::FalseAccusation };
    let transport = &fixture.transports[2];
    let honest = fixture.ceremony.complain(1, 3, transport, &dealt[0], &mut fixture.rng);
    assert_eq!(fixture.ceremony.judge(&openings, &dealings, &honest), falsely);
    let bytes = honest.to_bytes();
    // With another shared element than theirs, what the dealer sent would look wrong.
    let mut shared = bytes.clone();
    shared[4..36].copy_from_slice(&Ristretto::element_bytes(&Ristretto::generator()));
    let complaint = Complaint::from_bytes(&shared).unwrap();
    assert_eq!(fixture.ceremony.judge(&openings, &dealings, &complaint), falsely);
    for dealer in [0_u16, 4, u16::MAX] {
        let mut nobody = bytes.clone();
        nobody[..2].copy_from_slice(&dealer.to_be_bytes());
        let complaint = Complaint::from_bytes(&nobody).unwrap();
        assert_eq!(fixture.ceremony.judge(&openings, &dealings, &complaint), falsely);
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        if let Ok(complaint) = Complaint::from_bytes(&flipped) {
            let verdict = fixture.ceremony.judge(&openings, &dealings, &complaint);
            assert_eq!(verdict.offence, Offence::FalseAccusation, "byte {at}");
        }
    }
}

/// Attack: a dealer sends on the key of another's share, complains about what comes of it, and so has the other's
/// share opened.
#[test]
fn a_copied_share_is_refused() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let mut dealings = fixture.dealt();
    dealings[2] = dealings[0].clone();
    let fault = Fault { trustee: 3, offence: Offence::ShareKey };
    assert_eq!(fixture.ceremony.check_dealings(dealings).unwrap_err(), [fault]);
}

#[test]
fn a_dealing_without_a_share_for_everybody_is_refused() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let mut dealings = fixture.dealt();
    let mut bytes = dealings[1].to_bytes();
    let share = (bytes.len() - 4) / 3;
    bytes.truncate(4 + 2 * share);
    bytes[3] = 2;
    dealings[1] = Dealing::from_bytes(&bytes).unwrap();
    let fault = Fault { trustee: 2, offence: Offence::Shares };
    assert_eq!(fixture.ceremony.check_dealings(dealings).unwrap_err(), [fault]);
}

#[test]
fn a_trustee_with_another_key_accuses_nobody() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let dealt = fixture.dealt();
    let dealings = fixture.ceremony.check_dealings(dealt).unwrap();
    fixture.transports.swap(0, 1);
    assert_eq!(fixture.receive(1, &dealings).unwrap_err(), ReceiveError::OtherKey(1));
    let transport = &fixture.transports[0];
    for nobody in [0, 4] {
        let refused =
            fixture.ceremony.receive(nobody, transport, &fixture.openings(), &dealings, &mut fixture.rng);
        assert_eq!(refused.unwrap_err(), ReceiveError::OtherKey(nobody));
    }
}

/// Attack: one element of a trustee's part is another.
#[test]
fn a_lying_trustee_is_named_and_left_out() {
    let (keys, rows, mut partials) = decrypted::<Ristretto>(two_of_three());
    let mut bytes = partials[0].to_bytes();
    let element = 10 + 3 * 32..10 + 4 * 32;
    bytes[element].copy_from_slice(&Ristretto::element_bytes(&Ristretto::generator()));
    partials[0] = PartialDecryption::from_bytes(&bytes).unwrap();
    let fault = Fault { trustee: 1, offence: Offence::Decryption };
    let combined = combine(&keys, CONTEXT, &rows, &partials).unwrap();
    assert_eq!((combined.messages, combined.faults), (expected::<Ristretto>(), vec![fault]));
    let few = combine(&keys, CONTEXT, &rows, &partials[..2]).unwrap_err();
    assert_eq!((few.held, few.needed, few.faults, few.missing), (1, 2, vec![fault], vec![3]));
}

/// Attack: two wrong elements whose errors cancel in a plain sum.
#[test]
fn errors_of_a_lying_trustee_do_not_cancel() {
    let (keys, rows, partials) = decrypted::<Ristretto>(two_of_three());
    let mut bytes = partials[0].to_bytes();
    for (index, shift) in [(0, Ristretto::generator()), (1, -Ristretto::generator())] {
        let at = 10 + index * 32..42 + index * 32;
        let other = Ristretto::decode_element(&bytes[at.clone()]).unwrap() + shift;
        bytes[at].copy_from_slice(&Ristretto::element_bytes(&other));
    }
    let partial = PartialDecryption::from_bytes(&bytes).unwrap();
    let fault = Fault { trustee: 1, offence: Offence::Decryption };
    assert_eq!(keys.verify(CONTEXT, &rows, &partial), Err(fault));
}

/// Attack: a part is shown for other rows, another list, other keys, or as another's.
#[test]
fn a_part_holds_for_its_whole_statement_only() {
    let (keys, same, partials) = decrypted::<Ristretto>(two_of_three());
    fn verify(
        keys: &TrusteeKeys<Ristretto>,
        context: &[u8],
        rows: &Rows<Ristretto>,
        partial: &PartialDecryption<Ristretto>,
    ) -> Result<(), Offence> {
        keys.verify(context, rows, partial).map_err(|fault| fault.offence)
    }
    assert_eq!(verify(&keys, CONTEXT, &same, &partials[0]), Ok(()));
    assert_eq!(verify(&keys, b"another", &same, &partials[0]), Err(Offence::Decryption));
    assert_eq!(verify(&keys, CONTEXT, &rows(&keys, 8), &partials[0]), Err(Offence::Decryption));
    let fewer = Rows::new(&[same.row(0).unwrap()]).unwrap();
    assert_eq!(verify(&keys, CONTEXT, &fewer, &partials[0]), Err(Offence::OtherRows));
    let mut others = keys.clone();
    others.trustees.swap(1, 2);
    assert_eq!(verify(&others, CONTEXT, &same, &partials[0]), Err(Offence::Decryption));
    for (trustee, offence) in [(2_u16, Offence::Decryption), (0, Offence::Stranger), (4, Offence::Stranger)] {
        let mut bytes = partials[0].to_bytes();
        bytes[..2].copy_from_slice(&trustee.to_be_bytes());
        let partial = PartialDecryption::from_bytes(&bytes).unwrap();
        assert_eq!(verify(&keys, CONTEXT, &same, &partial), Err(offence));
    }
}

#[test]
fn every_byte_of_a_part_counts() {
    let (keys, rows, partials) = decrypted::<Ristretto>(two_of_three());
    let bytes = partials[1].to_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let held = PartialDecryption::from_bytes(&flipped)
            .is_ok_and(|partial| keys.verify(CONTEXT, &rows, &partial).is_ok());
        assert!(!held, "byte {at}");
    }
}

#[test]
fn who_decrypts_twice_is_counted_once() {
    let (keys, rows, partials) = decrypted::<Ristretto>(two_of_three());
    let twice = [partials[0].clone(), partials[0].clone()];
    let few = combine(&keys, CONTEXT, &rows, &twice).unwrap_err();
    assert_eq!((few.held, few.missing), (1, vec![2, 3]));
    assert_eq!(few.faults, [Fault { trustee: 1, offence: Offence::Twice }]);
}

#[test]
fn a_share_that_is_none_decrypts_nothing() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let (keys, shares) = fixture.concluded();
    let rows = rows(&keys, 7);
    let mut bytes = shares[0].to_secret_bytes().to_vec();
    assert!(keys.is_share(&KeyShare::from_secret_bytes(&bytes).unwrap()));
    bytes[1] = 2;
    let moved = KeyShare::from_secret_bytes(&bytes).unwrap();
    let refused = keys.decrypt(&moved, CONTEXT, &rows, &mut fixture.rng).unwrap_err();
    assert_eq!(refused, Fault { trustee: 2, offence: Offence::Stranger });
    assert_eq!(KeyShare::<Ristretto>::from_secret_bytes(&bytes[1..]).unwrap_err(), Malformed::Short);
    bytes.push(0);
    assert_eq!(KeyShare::<Ristretto>::from_secret_bytes(&bytes).unwrap_err(), Malformed::Trailing(1));
}

#[test]
fn what_is_sent_is_read_back_and_nothing_else() {
    #[track_caller]
    fn check<T: Encoded + PartialEq>(value: &T) {
        let bytes = value.to_bytes();
        assert!(T::from_bytes(&bytes).is_ok_and(|read| read == *value));
        assert!((0..bytes.len()).all(|length| T::from_bytes(&bytes[..length]).is_err()));
        assert!(T::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    }
    let mut fixture = fixture::<Ristretto>(two_of_three());
    check(&fixture.opened()[0]);
    let dealt = fixture.dealt();
    check(&dealt[0]);
    check(&fixture.ceremony.complain(1, 3, &fixture.transports[2], &dealt[0], &mut fixture.rng));
    check(&fixture.concluded().0);
    check(&decrypted::<Ristretto>(two_of_three()).2[0]);
    let mut keys = fixture.concluded().0.to_bytes();
    keys[1] = 1;
    assert_eq!(TrusteeKeys::<Ristretto>::from_bytes(&keys), Err(Malformed::Count(1)), "one of three");
}

/// Rounds may be days apart: a trustee goes on with what was kept in a safe.
#[test]
fn a_trustee_goes_on_with_what_they_kept() {
    let mut fixture = fixture::<Ristretto>(two_of_three());
    let kept: Vec<_> = fixture.dealers.iter().map(Dealer::to_secret_bytes).collect();
    let keys: Vec<_> = fixture.transports.iter().map(TransportKey::to_secret_bytes).collect();
    fixture.dealers = kept.iter().map(|bytes| Dealer::from_secret_bytes(bytes).unwrap()).collect();
    fixture.transports =
        keys.iter().map(|bytes| TransportKey::from_secret_bytes(&**bytes).unwrap()).collect();
    let (keys, shares) = fixture.concluded();
    assert!(shares.iter().all(|share| keys.is_share(share)));
    let bytes = &kept[0];
    assert!((0..bytes.len()).all(|length| Dealer::<Ristretto>::from_secret_bytes(&bytes[..length]).is_err()));
    let long = [bytes, &[0][..]].concat();
    assert_eq!(Dealer::<Ristretto>::from_secret_bytes(&long).unwrap_err(), Malformed::Trailing(1));
    let none = [&[0, 1, 0, 0, 0, 0][..], &bytes[70..]].concat();
    assert_eq!(Dealer::<Ristretto>::from_secret_bytes(&none).unwrap_err(), Malformed::Count(0));
    assert!(TransportKey::<Ristretto>::from_secret_bytes(&[0; 32]).is_err());
    assert!(TransportKey::<Ristretto>::from_secret_bytes(&[0; 31]).is_err());
}
