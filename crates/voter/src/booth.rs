//! What all voters of an election need to know of it.

use board::{Choice, Election, FormOf, Hex, Issuer, Method, Question, Texts};
use ids::Id;
use mixnet::{Contest, Encoded, EncryptionKey, Polling, Ristretto};
use serde::Deserialize;

use crate::VoterError;

/// An election as `GET /api/v1/public/elections/{id}` shows it, as far as voters look.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    election_id: Id<Election>,
    election_hash: Option<Hex<32>>,
    key: Option<Hex<32>>,
    contests: Vec<Shape>,
    issuers: Vec<Issuer>,
}

/// A contest, as far as it says what a ballot looks like.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    contest_id: String,
    form: FormOf,
    count: Method,
    seats: u16,
    #[serde(default)]
    write_in_bytes_max: u8,
    options: Vec<Choice>,
}

/// An election that can be voted in.
#[derive(Debug, Clone)]
pub struct Booth {
    pub(crate) election: Id<Election>,
    pub(crate) hash: Hex<32>,
    pub(crate) contests: Vec<Contest>,
    pub(crate) key: EncryptionKey<Ristretto>,
    issuers: Vec<Issuer>,
}

impl Booth {
    /// The booth of an election that is open.
    ///
    /// # Errors
    /// When it has no key yet, or shows what cannot be.
    pub fn of(shown: Shown) -> Result<Self, VoterError> {
        let hash = shown.election_hash.ok_or(VoterError::NotShown("hash"))?;
        let key = shown.key.ok_or(VoterError::NotShown("key"))?;
        let contests = shown.contests.into_iter().map(Shape::contest).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            election: shown.election_id,
            hash,
            contests,
            key: EncryptionKey::from_bytes(&key.0)?,
            issuers: shown.issuers,
        })
    }

    /// Which election it is of.
    #[must_use]
    pub const fn election(&self) -> Id<Election> {
        self.election
    }

    /// The key of who gives tokens to voters of this weight: the one that the election shows to everybody.
    pub(crate) fn issuer(&self, weight: u32) -> Result<Hex<32>, VoterError> {
        let issuer = self.issuers.iter().find(|issuer| issuer.weight == weight);
        issuer.ok_or(VoterError::Weight(weight))?.key.ok_or(VoterError::NotShown("issuer's key"))
    }

    /// What the ballots of voters of this weight are bound to, contest by contest.
    pub(crate) fn pollings(&self, weight: u32) -> Result<Vec<Polling<Ristretto>>, VoterError> {
        let place = self.issuers.iter().position(|issuer| issuer.weight == weight);
        let first = place.ok_or(VoterError::Weight(weight))? * self.contests.len();
        let polling = |(place, contest): (usize, &Contest)| {
            let list = u32::try_from(first + place).unwrap_or(u32::MAX);
            Polling::new(&self.hash.0, list, contest.width(), self.key)
        };
        Ok(self.contests.iter().enumerate().map(polling).collect())
    }
}

impl Shape {
    fn contest(self) -> Result<Contest, VoterError> {
        let Self { contest_id, form, count, seats, write_in_bytes_max, options } = self;
        let title = Texts::default();
        let question = Question { contest_id, title, form, count, seats, write_in_bytes_max, options };
        Ok(question.contest()?)
    }
}
