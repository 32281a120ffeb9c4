//! What was decided before the first vote, and the hash that names it in every proof.

use clock::Timestamp;
use ids::Id;
use mixnet::{EncryptionKey, Polling, Ristretto, TrusteeKeys};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{
    Definition, Election,
    definition::{Question, Texts},
    text::Hex,
};

/// What a manifest says it is.
pub const PROTOCOL: &str = "holdfast election 1";

/// What was decided before the first vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    pub protocol: String,
    pub election_id: Id<Election>,
    pub title: Texts,
    pub description: Texts,
    pub opens_at: Option<Timestamp>,
    pub closes_at: Option<Timestamp>,
    pub secret: bool,
    pub mixers: u8,
    pub contests: Vec<Question>,
    /// Who keeps the key; nobody if nothing is secret.
    pub trustees: Option<TrusteesNamed>,
    /// The ceremony that made the key.
    pub attempt: Option<u16>,
    /// `TrusteeKeys`, in hexadecimal.
    pub keys: Option<String>,
    pub issuers: Vec<Issuer>,
}

/// Who keeps the key, and how many of them it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrusteesNamed {
    pub threshold: u16,
    pub names: Vec<String>,
}

/// Who gives tokens to the voters of one weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    pub weight: u32,
    /// The issuer's public key (RFC 9497), if ballots are secret.
    #[schema(value_type = Option<String>)]
    pub key: Option<Hex<32>>,
}

/// How the ballots of an election are told apart: each contest of each weight is a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lists {
    contests: u32,
    weights: u32,
}

impl Manifest {
    /// What a definition becomes.
    #[must_use]
    pub fn of(
        election_id: Id<Election>,
        definition: &Definition,
        issuers: Vec<Issuer>,
        key: Option<(TrusteesNamed, u16, String)>,
    ) -> Self {
        let Definition { title, description, opens_at, closes_at, secret, mixers, contests, .. } =
            definition.clone();
        let (trustees, attempt, keys) = match key {
            Some((trustees, attempt, keys)) => (Some(trustees), Some(attempt), Some(keys)),
            None => (None, None, None),
        };
        let protocol = PROTOCOL.to_owned();
        Self {
            protocol,
            election_id,
            title,
            description,
            opens_at,
            closes_at,
            secret,
            mixers,
            contests,
            trustees,
            attempt,
            keys,
            issuers,
        }
    }

    /// The hash that names an election with this manifest, whose exact text it is of.
    #[must_use]
    pub fn hash(text: &str) -> Hex<32> {
        Hex(Sha256::new_with_prefix(b"holdfast/election/v1\n").chain_update(text).finalize().into())
    }

    /// The manifest as officers wrote it.
    #[must_use]
    pub fn definition(&self) -> Definition {
        let Self { title, description, opens_at, closes_at, secret, mixers, contests, .. } = self.clone();
        let weights = self.issuers.iter().map(|issuer| issuer.weight).collect();
        Definition { title, description, opens_at, closes_at, secret, weights, mixers, contests }
    }

    /// The trustees' keys.
    #[must_use]
    pub fn trustee_keys(&self) -> Option<TrusteeKeys<Ristretto>> {
        use mixnet::Encoded;
        TrusteeKeys::from_bytes(&hex::decode(self.keys.as_ref()?).ok()?).ok()
    }

    /// How its ballots are told apart.
    #[must_use]
    pub fn lists(&self) -> Lists {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Lists { contests: number(self.contests.len()), weights: number(self.issuers.len()) }
    }

    /// What ballots of each list are bound to, in the lists' order.
    #[must_use]
    pub fn pollings(&self, hash: &Hex<32>, key: EncryptionKey<Ristretto>) -> Option<Vec<Polling<Ristretto>>> {
        let widths: Option<Vec<usize>> =
            self.contests.iter().map(|question| Some(question.contest().ok()?.width())).collect();
        let widths = widths?;
        let polling =
            |list: u32| Some(Polling::new(&hash.0, list, *widths.get(self.lists().contest(list))?, key));
        self.lists().all().map(polling).collect()
    }
}

impl Lists {
    /// The number of the list of a contest and a weight, by their places.
    #[must_use]
    pub fn list(self, weight: usize, contest: usize) -> u32 {
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        number(weight).saturating_mul(self.contests).saturating_add(number(contest))
    }

    /// The place of a list's contest.
    #[must_use]
    pub fn contest(self, list: u32) -> usize {
        usize::try_from(list % self.contests.max(1)).unwrap_or(usize::MAX)
    }

    /// The place of a list's weight.
    #[must_use]
    pub fn weight(self, list: u32) -> usize {
        usize::try_from(list / self.contests.max(1)).unwrap_or(usize::MAX)
    }

    /// The numbers of all lists.
    pub fn all(self) -> impl Iterator<Item = u32> {
        0..self.contests.saturating_mul(self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_list_has_one_number_and_a_number_one_list(contests in 1..60_u32, weights in 1..9_u32, list in 0..540_u32) {
            let lists = Lists { contests, weights };
            let list = list % (contests * weights);
            proptest::prop_assert_eq!(lists.list(lists.weight(list), lists.contest(list)), list);
            proptest::prop_assert!(lists.all().any(|known| known == list));
        }
    }

    #[test]
    fn every_list_is_one_contest_of_one_weight() {
        let lists = Lists { contests: 3, weights: 2 };
        let found: Vec<_> = lists.all().map(|list| (lists.weight(list), lists.contest(list))).collect();
        assert_eq!(found, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
        assert!(lists.all().all(|list| lists.list(lists.weight(list), lists.contest(list)) == list));
    }
}
