//! Votes that were refused for their tokens: part by part the issuer proves that those are not its own, and leaves none out.

use std::collections::BTreeMap;

use board::{BallotEntry, Manifest, RefusedTokens};
use mixnet::{
    Encoded,
    tokens::{BatchProof, TOKENS_MAX, Token, TokenError},
};

use crate::tokens::{issuer_of, read_multiples, token_of};

/// The tokens that votes were refused for, weight by weight.
pub(crate) struct RefusedVotes(BTreeMap<u32, OfWeight>);

#[derive(Default)]
struct OfWeight {
    /// In the order of the board.
    tokens: Vec<Token>,
    proven: usize,
}

impl RefusedVotes {
    /// Of votes in the order of the board.
    pub(crate) fn of<'v>(votes: impl Iterator<Item = &'v BallotEntry>) -> Self {
        let mut weights = BTreeMap::<u32, OfWeight>::new();
        votes.for_each(|vote| weights.entry(vote.weight).or_default().tokens.push(token_of(vote)));
        Self(weights)
    }

    /// Is it proven of all of them?
    pub(crate) fn are_proven(&self) -> bool {
        self.0.values().all(|own| own.proven == own.tokens.len())
    }

    /// The next ones of a weight are proven: a full part, or all that are left.
    pub(crate) fn prove(
        &mut self,
        manifest: &Manifest,
        said: &RefusedTokens,
        multiples: &[u8],
    ) -> Result<(), String> {
        let issuer = issuer_of(manifest, said.weight).ok_or("nobody gives tokens of this weight")?;
        let own = self.0.get_mut(&said.weight).ok_or("no vote of this weight was refused for its token")?;
        if usize::try_from(said.first) != Ok(own.proven) {
            return Err("the proofs about refused tokens do not follow one another".to_owned());
        }
        let left = own.tokens.get(own.proven..).unwrap_or_default();
        let part = left.chunks(TOKENS_MAX).next().unwrap_or_default();
        if usize::try_from(said.tokens) != Ok(part.len()) || multiples.len() != 32 * part.len() {
            return Err("other tokens are proven than were refused".to_owned());
        }
        let proof = BatchProof::from_bytes(&said.proof.0).map_err(|_| "a proof cannot be read".to_owned())?;
        match issuer.verify_refused(part, &read_multiples(multiples)?, &proof) {
            Ok(()) => own.proven += part.len(),
            Err(TokenError::Issued(_)) => {
                return Err("a vote was refused although its token is the issuer's".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use board::{Hex, Issuer, sha256};
    use mixnet::tokens::TokenKey;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn key(weight: u32) -> TokenKey {
        TokenKey::derive(&[7; 32], &weight.to_be_bytes())
    }

    fn vote(weight: u32, voter: u32) -> BallotEntry {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&voter.to_be_bytes());
        BallotEntry {
            voter: Hex(bytes),
            token: Hex([9; 64]),
            weight,
            sequence: 1,
            ballots: Vec::new(),
            signature: Hex([0; 64]),
        }
    }

    fn manifest() -> Manifest {
        let issuer = |weight: u32| {
            let key = Hex(key(weight).public().to_bytes().try_into().expect("32 bytes"));
            Issuer { weight, key: Some(key) }
        };
        let json = r#"{"title": {}, "contests": []}"#;
        let definition: board::Definition = serde_json::from_str(json).expect("a definition");
        Manifest::of(ids::Id::new(1, [1; 10]), &definition, vec![issuer(1), issuer(2)], None)
    }

    /// What the issuer proves of these votes of one weight.
    fn proof(votes: &[BallotEntry], first: u32) -> (RefusedTokens, Vec<u8>) {
        let weight = votes.first().map_or(1, |vote| vote.weight);
        let tokens: Vec<Token> = votes.iter().map(token_of).collect();
        let proven = key(weight).prove_redeemed(&tokens, &mut StdRng::from_seed([3; 32]));
        let (evaluated, proof) = proven.expect("a proof");
        let mut multiples = Vec::new();
        evaluated.iter().for_each(|multiple| multiple.encode(&mut multiples));
        let proof = Hex(proof.to_bytes().try_into().expect("64 bytes"));
        let tokens = u32::try_from(votes.len()).expect("few");
        (RefusedTokens { weight, first, tokens, multiples: sha256(&multiples), proof }, multiples)
    }

    #[track_caller]
    fn refused(refused: &mut RefusedVotes, (said, multiples): &(RefusedTokens, Vec<u8>), why: &str) {
        let found = refused.prove(&manifest(), said, multiples).expect_err("it is wrong");
        assert!(found.contains(why), "{found}");
    }

    #[test]
    fn every_weight_is_proven_by_its_own_issuer() {
        let votes = [vote(1, 1), vote(2, 2), vote(1, 3), vote(1, 3)];
        let mut all = RefusedVotes::of(votes.iter());
        let (of_one, of_two) = ([votes[0].clone(), votes[2].clone(), votes[3].clone()], [votes[1].clone()]);
        assert!(!all.are_proven());
        let (said, multiples) = proof(&of_two, 0);
        all.prove(&manifest(), &said, &multiples).expect("it holds");
        assert!(!all.are_proven());
        let (mut said, multiples) = proof(&of_one, 0);
        all.prove(&manifest(), &said, &multiples).expect("it holds");
        assert!(all.are_proven());
        refused(&mut all, &(said.clone(), multiples.clone()), "do not follow one another");
        said.first = 3;
        refused(&mut all, &(said.clone(), multiples.clone()), "other tokens are proven");
        said.tokens = 0;
        refused(&mut all, &(said.clone(), Vec::new()), "1 to 65536 are possible");
        said.weight = 3;
        refused(&mut all, &(said, multiples), "nobody gives tokens");
        let mut of_two_alone = RefusedVotes::of(of_two.iter());
        refused(&mut of_two_alone, &proof(&of_one, 0), "no vote of this weight");
    }

    #[test]
    fn a_part_is_neither_shorter_nor_longer_nor_in_another_order() {
        let votes = [vote(1, 1), vote(1, 2), vote(1, 3)];
        let mut all = RefusedVotes::of(votes.iter());
        refused(&mut all, &proof(&votes[..2], 0), "other tokens are proven");
        refused(&mut all, &proof(&votes[1..], 1), "do not follow one another");
        let longer: Vec<BallotEntry> = votes.iter().cloned().chain([vote(1, 4)]).collect();
        refused(&mut all, &proof(&longer, 0), "other tokens are proven");
        let swapped = [votes[1].clone(), votes[0].clone(), votes[2].clone()];
        refused(&mut all, &proof(&swapped, 0), "the proof does not hold");
        let (said, mut multiples) = proof(&votes, 0);
        multiples.truncate(64);
        refused(&mut all, &(said, multiples), "other tokens are proven");
        assert!(!all.are_proven());
    }

    #[test]
    fn a_vote_with_the_issuers_token_is_not_refused() {
        let mut votes = [vote(1, 1), vote(1, 2)];
        let (_, multiples) = proof(&votes, 0);
        let hashed = [&[0, 32], &votes[1].voter.0[..], &[0, 32], &multiples[32..], b"Finalize"].concat();
        votes[1].token = Hex(<sha2::Sha512 as sha2::Digest>::digest(hashed).into());
        refused(&mut RefusedVotes::of(votes.iter()), &proof(&votes, 0), "its token is the issuer's");
    }

    #[test]
    fn more_than_one_proof_can_be_about_are_proven_part_by_part() {
        let votes: Vec<BallotEntry> = (0..=65_536).map(|voter| vote(1, voter)).collect();
        let mut all = RefusedVotes::of(votes.iter());
        refused(&mut all, &proof(&votes[..9], 0), "other tokens are proven");
        refused(&mut all, &proof(&votes[65_536..], 65_536), "do not follow one another");
        let (said, multiples) = proof(&votes[..65_536], 0);
        all.prove(&manifest(), &said, &multiples).expect("it holds");
        assert!(!all.are_proven());
        refused(&mut all, &(said, multiples), "do not follow one another");
        let (said, multiples) = proof(&votes[65_536..], 65_536);
        all.prove(&manifest(), &said, &multiples).expect("it holds");
        assert!(all.are_proven());
    }
}
