//! A vote, as it is sent.

use aws_lc_rs::signature::Ed25519KeyPair;
use board::{BallotEntry, Base64, Election, Hex};
use ids::Id;
use mixnet::{Answer, Caster, Encoded, Ristretto};
use rand_core::CryptoRng;
use serde::Serialize;

use crate::{Booth, VoterError};

/// Somebody with a token.
#[derive(Debug)]
pub struct Voter {
    pub(crate) keys: Ed25519KeyPair,
    pub(crate) public: [u8; 32],
    pub(crate) token: [u8; 64],
    pub(crate) weight: u32,
}

/// The body of `POST /api/v1/voting/submit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Submission {
    pub election_id: Id<Election>,
    pub weight: u32,
    pub voter_key: Hex<32>,
    pub token: Hex<64>,
    pub sequence: u32,
    pub ballots: Vec<Base64>,
    pub signature: Hex<64>,
}

impl Voter {
    /// Their key, which the board shows with each of their votes.
    #[must_use]
    pub const fn key(&self) -> Hex<32> {
        Hex(self.public)
    }

    /// Votes with an answer to each contest. Each time it is another vote, even with the same answers; the one with the
    /// highest `sequence` counts.
    ///
    /// # Errors
    /// When the answers fit no vote of the election.
    pub fn vote(
        &self,
        booth: &Booth,
        answers: &[Answer],
        sequence: u32,
        rng: &mut impl CryptoRng,
    ) -> Result<BallotEntry, VoterError> {
        let contests = booth.contests.len();
        if answers.len() != contests {
            return Err(VoterError::Answers { answers: answers.len(), contests });
        }
        let caster = Caster { voter: &self.public, token: &self.token };
        let mut ballots = Vec::with_capacity(contests);
        for ((contest, polling), answer) in
            booth.contests.iter().zip(booth.pollings(self.weight)?).zip(answers)
        {
            let elements = contest.embed::<Ristretto>(answer)?;
            ballots.push(Base64(polling.cast(caster, &elements, rng)?.to_bytes()));
        }
        let mut entry = BallotEntry {
            voter: Hex(self.public),
            token: Hex(self.token),
            weight: self.weight,
            sequence,
            ballots,
            signature: Hex([0; 64]),
        };
        let signature = self.keys.sign(&entry.statement(&booth.hash.0));
        entry.signature = Hex(signature.as_ref().try_into().expect("a signature has 64 bytes"));
        Ok(entry)
    }
}

impl Submission {
    /// A vote, as it is sent.
    #[must_use]
    pub fn of(election_id: Id<Election>, entry: BallotEntry) -> Self {
        let BallotEntry { voter, token, weight, sequence, ballots, signature } = entry;
        Self { election_id, weight, voter_key: voter, token, sequence, ballots, signature }
    }
}

#[cfg(test)]
mod tests {
    use mixnet::{
        Ballot, Group, Marks,
        tokens::{BlindedInput, Token, TokenKey},
    };
    use rand::{SeedableRng, rngs::StdRng};
    use serde_json::json;

    use super::*;
    use crate::{Asking, TokenAnswer};

    fn issuer() -> TokenKey {
        TokenKey::derive(&[1; 32], b"tests")
    }

    fn public(key: &TokenKey) -> Hex<32> {
        Hex(key.public().to_bytes().try_into().expect("32 bytes"))
    }

    /// An election of two contests in which people of the weights 1 and 3 vote.
    fn booth() -> Booth {
        let key = Ristretto::mul(&Ristretto::generator(), &7_u64.into());
        let mut bytes = Vec::new();
        Ristretto::encode_element(&key, &mut bytes);
        let option = |id: &str| json!({"optionId": id, "title": {"en": id}});
        let contest = |id: &str| {
            json!({"contestId": id, "title": {"en": id}, "form": {"kind": "plurality"}, "count": "most", "seats": 1,
                "writeInBytesMax": 0, "options": [option("a"), option("b")], "width": 1})
        };
        let key = Hex::<32>(bytes.try_into().expect("32 bytes"));
        let shown = json!({
            "electionId": "0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f", "state": "open", "electionHash": Hex([9; 32]), "key": key,
            "contests": [contest("first"), contest("second")], "issuers": [{"weight": 1, "key": Hex([8; 32])}, {"weight": 3, "key": public(&issuer())}],
        });
        Booth::of(serde_json::from_value(shown).expect("it reads")).expect("it is open")
    }

    fn answer(asking: &Asking, key: &TokenKey) -> TokenAnswer {
        let blinded = BlindedInput::from_bytes(&asking.blinded().0).expect("an element");
        let (evaluated, proof) = key.issue(&[blinded], &mut StdRng::seed_from_u64(2)).expect("it is issued");
        TokenAnswer {
            weight: 3,
            issuer: public(&issuer()),
            evaluated: Hex(evaluated[0].to_bytes().try_into().expect("32 bytes")),
            proof: Hex(proof.to_bytes().try_into().expect("64 bytes")),
        }
    }

    fn asking() -> Asking {
        Asking::new(&[5; 32], &mut StdRng::seed_from_u64(1)).expect("a seed is enough")
    }

    fn choice(option: u8) -> Answer {
        Answer { marks: Marks::Plurality(Some(option)), write_in: None }
    }

    #[test]
    fn a_vote_has_the_issuers_token_and_proofs_that_hold_in_its_own_lists() {
        let asking = asking();
        let answer = answer(&asking, &issuer());
        let voter = asking.finish(&booth(), &answer).expect("the issuer is honest");
        let token = Token { input: voter.key().0.to_vec(), output: voter.token };
        issuer().redeem(&token).expect("it is the issuer's own");
        let (booth, mut rng) = (booth(), StdRng::seed_from_u64(3));
        let entry = voter.vote(&booth, &[choice(0), choice(1)], 1, &mut rng).expect("it is a vote");
        let caster = Caster { voter: &entry.voter.0, token: &entry.token.0 };
        let ballot =
            |place: usize| Ballot::<Ristretto>::from_bytes(&entry.ballots[place].0).expect("a ballot");
        let own = booth.pollings(3).expect("it is a weight");
        let others = booth.pollings(1).expect("it is a weight");
        for place in [0, 1] {
            own[place].verify(caster, &ballot(place)).expect("the proof holds");
            others[place].verify(caster, &ballot(place)).expect_err("it is of another weight");
        }
        own[0].verify(caster, &ballot(1)).expect_err("it is of another contest");
        let again = voter.vote(&booth, &[choice(0), choice(1)], 1, &mut rng).expect("it is a vote");
        assert_ne!(again.tracker(), entry.tracker(), "each vote is another");
    }

    #[test]
    fn an_issuer_with_another_key_for_this_voter_is_found_out() {
        let asking = asking();
        let answer = answer(&asking, &TokenKey::derive(&[2; 32], b"tests"));
        assert!(matches!(asking.finish(&booth(), &answer), Err(VoterError::Token(_))));
    }

    #[test]
    fn an_issuer_that_names_another_key_to_this_voter_than_to_everybody_is_found_out() {
        let (asking, other) = (asking(), TokenKey::derive(&[2; 32], b"tests"));
        let answer = TokenAnswer { issuer: public(&other), ..answer(&asking, &other) };
        assert!(matches!(asking.finish(&booth(), &answer), Err(VoterError::OtherIssuer)));
    }

    #[test]
    fn what_fits_no_vote_is_refused_before_anything_is_sent() {
        let asking = asking();
        let answer = answer(&asking, &issuer());
        let voter = asking.finish(&booth(), &answer).expect("the issuer is honest");
        let mut rng = StdRng::seed_from_u64(3);
        let mut vote = |answers: &[Answer]| voter.vote(&booth(), answers, 1, &mut rng);
        assert!(matches!(vote(&[choice(0)]), Err(VoterError::Answers { answers: 1, contests: 2 })));
        assert!(matches!(vote(&[choice(0), choice(2)]), Err(VoterError::Answer(_))));
        let light = Voter { weight: 2, ..voter };
        let voted = light.vote(&booth(), &[choice(0), choice(1)], 1, &mut rng);
        assert!(matches!(voted, Err(VoterError::Weight(2))));
    }
}
