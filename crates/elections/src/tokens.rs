//! Tokens: the right to vote, given to a voter by name and taken back from nobody in particular.

use authz::Actor;
use board::{Election, Hex, Issuer};
use ids::Id;
use ledger::SubmitError;
use mixnet::{
    Encoded,
    tokens::{BlindedInput, TokenKey},
};
use problem::Problem;
use rand::{SeedableRng, rngs::StdRng};
use seal::Keys;

use crate::{
    Elections,
    board_rows::Phase,
    issue_token::{IssueToken, IssueTokenError},
    people::voter_hash,
};

/// What a voter gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) weight: u32,
    pub(crate) token: IssuedToken,
}

/// The token, in either kind of election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IssuedToken {
    Blind { issuer: Hex<32>, evaluated: Hex<32>, proof: Hex<64> },
    Open(String),
}

/// The key that gives tokens to voters of a weight.
pub(crate) fn token_key(keys: &Keys, election: Id<Election>, weight: u32) -> TokenKey {
    let seed = keys.derive("election tokens", &election.to_bytes());
    TokenKey::derive(seed.as_bytes(), &weight.to_be_bytes())
}

/// Who gives tokens to voters of which weight.
pub(crate) fn issuers(keys: &Keys, election: Id<Election>, weights: &[u32], secret: bool) -> Vec<Issuer> {
    let key = |weight| Hex(fixed(&token_key(keys, election, weight).public().to_bytes()));
    weights.iter().map(|weight| Issuer { weight: *weight, key: secret.then(|| key(*weight)) }).collect()
}

/// Encodings whose length is known.
pub(crate) fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the encoding has this length")
}

/// The token of a voter where votes are not secret: weight, pseudonym, and a keyed hash over both.
pub(crate) fn open_token(keys: &Keys, election: Id<Election>, weight: u32, voter: &[u8; 32]) -> String {
    let key = keys.derive("election open tokens", &election.to_bytes());
    let pseudonym = *blake3::keyed_hash(key.as_bytes(), voter).as_bytes();
    let tag = open_tag(keys, election, weight, &pseudonym);
    format!("{weight}.{}.{}", Hex(pseudonym), Hex(tag))
}

fn open_tag(keys: &Keys, election: Id<Election>, weight: u32, pseudonym: &[u8; 32]) -> [u8; 32] {
    let key = keys.derive("election open token tags", &election.to_bytes());
    *blake3::Hasher::new_keyed(key.as_bytes())
        .update(&weight.to_be_bytes())
        .update(pseudonym)
        .finalize()
        .as_bytes()
}

/// The weight and pseudonym in a token that [`open_token`] made.
pub(crate) fn read_open_token(keys: &Keys, election: Id<Election>, token: &str) -> Option<(u32, Hex<32>)> {
    let mut parts = token.splitn(3, '.');
    let weight: u32 = parts.next()?.parse().ok()?;
    let pseudonym: Hex<32> = parts.next()?.parse().ok()?;
    let tag: Hex<32> = parts.next()?.parse().ok()?;
    let expected = blake3::Hash::from_bytes(open_tag(keys, election, weight, &pseudonym.0));
    // Compared in constant time.
    (expected == blake3::Hash::from_bytes(tag.0)).then_some((weight, pseudonym))
}

impl Elections {
    /// Gives the voter who asks a token, or the one they have got again.
    ///
    /// # Errors
    /// When they may not vote here, ask with something else than before, or the election is not open.
    pub(crate) async fn issue(
        &self,
        actor: &Actor,
        election: Id<Election>,
        blinded: Option<Hex<32>>,
    ) -> Result<Issued, Problem> {
        let person = actor.by().person().ok_or(authz::Denied::Anonymous)?;
        let board = self.board(election).await?;
        let phase = board.phase_for(&[Phase::Ready, Phase::Open]).await?;
        let agreed = board.agreed().await?.filter(|_| matches!(phase, Phase::Ready | Phase::Open));
        let agreed = agreed.ok_or(IssueTokenError::NotOpen)?;
        let input = input(agreed.manifest.secret, blinded)?;
        let index = self.people().index_of(person).await?.ok_or(IssueTokenError::NotEligible)?;
        let voter = voter_hash(self.keys(), election, &index);
        let command = IssueToken { election, voter: Hex(voter), blinded };
        let weight = match self.ledger().submit(actor.permit(command)?).await {
            Ok(receipt) => receipt.done,
            Err(SubmitError::Refused(IssueTokenError::Again { weight })) => weight,
            Err(error) => return Err(error.into()),
        };
        let Some((blinded, hex)) = input else {
            let token = IssuedToken::Open(open_token(self.keys(), election, weight, &voter));
            return Ok(Issued { weight, token });
        };
        let key = token_key(self.keys(), election, weight);
        // The same question has the same answer, to the last byte.
        let about = [&election.to_bytes()[..], &weight.to_be_bytes(), &hex.0].concat();
        let seed = self.keys().derive("election token proofs", &about);
        let issued = key.issue(&[blinded], &mut StdRng::from_seed(*seed.as_bytes()));
        let (evaluated, proof) = issued.map_err(|error| Problem::internal(&error))?;
        let evaluated = evaluated.first().ok_or_else(|| malformed_input("nothing was evaluated"))?;
        let token = IssuedToken::Blind {
            issuer: Hex(fixed(&key.public().to_bytes())),
            evaluated: Hex(fixed(&evaluated.to_bytes())),
            proof: Hex(fixed(&proof.to_bytes())),
        };
        Ok(Issued { weight, token })
    }
}

/// What a voter asks with, as the kind of election wants it.
fn input(secret: bool, blinded: Option<Hex<32>>) -> Result<Option<(BlindedInput, Hex<32>)>, Problem> {
    match (secret, blinded) {
        (true, None) => Err(malformed_input("this election's votes are secret: send a blindedInput")),
        (false, Some(_)) => {
            Err(malformed_input("this election's votes are not secret: ask without a blindedInput"))
        }
        (false, None) => Ok(None),
        (true, Some(hex)) => {
            let input = BlindedInput::from_bytes(&hex.0);
            let input = input.map_err(|_| malformed_input("the blindedInput is no element"))?;
            Ok(Some((input, hex)))
        }
    }
}

fn malformed_input(detail: &str) -> Problem {
    Problem::unprocessable("elections/malformed", detail)
}
