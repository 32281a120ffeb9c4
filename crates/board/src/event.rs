//! The entries of an election's ledger, its board: one type each, whose JSON is the entry's body.

use ids::Id;
use mixnet::Answer;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{
    Election,
    bytes::{self, Cast},
    text::{Base64, Hex},
};

/// What can stand on a board.
pub trait OnBoard: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// The permanent name of such entries.
    const NAME: &'static str;
}

/// What cannot be read as an entry of a board.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("there is no entry of the kind `{0}` on a board")]
    Kind(String),
    #[error("the body is not that of `{kind}`")]
    Body { kind: String, source: serde_json::Error },
    #[error("the body of `{0}` is not written as it is to be")]
    Form(String),
}

/// Declares the kinds of entries, and one type for all of them.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

            impl OnBoard for $name {
                const NAME: &'static str = $kind;
            }
        )+

        /// One entry of a board.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name($name),)+ }

        impl Event {
            /// Reads an entry. There is one way to write it: whoever hashes or compares bodies hashes the same.
            ///
            /// # Errors
            /// When there is no such kind, or the body is not one of it, or written in another way.
            pub fn read(kind: &str, body: &[u8]) -> Result<Self, EventError> {
                match kind {
                    $($kind => read_exactly(kind, body).map(Self::$name),)+
                    other => Err(EventError::Kind(other.chars().take(80).collect())),
                }
            }
        }
    };
}

fn read_exactly<E: Serialize + for<'de> Deserialize<'de>>(kind: &str, body: &[u8]) -> Result<E, EventError> {
    let unreadable = |source| EventError::Body { kind: kind.to_owned(), source };
    let read: E = serde_json::from_slice(body).map_err(unreadable)?;
    let again = serde_json::to_vec(&read).map_err(unreadable)?;
    if again == body { Ok(read) } else { Err(EventError::Form(kind.to_owned())) }
}

events! {
    /// The trustees begin to make a key.
    BeginCeremony "election/ceremony" {
        election: Id<Election>,
        /// Counted from 1.
        attempt: u16,
        threshold: u16,
        /// In the order of their numbers.
        trustees: Vec<String>,
    }
    /// A trustee says their part.
    Said "election/said" {
        attempt: u16,
        trustee: u16,
        step: CeremonyStep,
        bytes: Base64,
    }
    /// An attempt at a ceremony is over, without a key.
    Void "election/void" {
        attempt: u16,
        /// Who is to blame, if anybody.
        faults: Vec<TrusteeFault>,
    }
    /// All is decided.
    Defined "election/defined" {
        /// The manifest's exact text.
        manifest: String,
    }
    /// Votes are taken from now on.
    Opened "election/opened" {}
    /// A secret vote.
    BallotEntry "election/ballot" {
        voter: Hex<32>,
        token: Hex<64>,
        weight: u32,
        /// Which of the voter's votes it is, by their own count: the highest stands, in whatever order they arrive.
        sequence: u32,
        /// One for each contest, in order.
        ballots: Vec<Base64>,
        signature: Hex<64>,
    }
    /// A vote in an election that is declared not to be secret.
    OpenBallotEntry "election/open-ballot" {
        /// The same for all votes of one voter, and of nobody else.
        voter: Hex<32>,
        weight: u32,
        salt: Hex<16>,
        /// One for each contest, in order.
        answers: Vec<Answer>,
    }
    /// Votes were checked: those from one place of the board on and before another.
    Verdicts "election/verdicts" {
        from: u64,
        to: u64,
        /// How many stand there.
        votes: u32,
        /// All others are confirmed.
        refused: Vec<RefusedBallot>,
    }
    /// Votes are taken no more.
    Closed "election/closed" {
        /// How many might vote and how many tokens were given out, by weight.
        issued: Vec<RollCount>,
    }
    /// A list was mixed.
    Mixed "election/mixed" {
        list: u32,
        /// Counted from 1.
        mixer: u16,
        rows: u32,
        /// SHA-256 of the rows that came out.
        output: Hex<32>,
        /// SHA-256 of the proof.
        proof: Hex<32>,
    }
    /// The issuer proves that the tokens of one weight are its own.
    Redeemed "election/redeemed" {
        weight: u32,
        tokens: u32,
        /// SHA-256 of the multiples, 32 bytes each, in the order of the votes that count.
        multiples: Hex<32>,
        /// One for each 65,536 of them.
        proofs: Vec<Hex<64>>,
    }
    /// The issuer proves of votes of one weight that were refused for their tokens that those are not its own. Nobody
    /// bounds how many such votes strangers send, so there may be several of these for a weight.
    RefusedTokens "election/refused-tokens" {
        weight: u32,
        /// How many of that weight were proven before, in the order of the board.
        first: u32,
        /// 65,536, or in the last of these as many as are left.
        tokens: u32,
        /// SHA-256 of the issuer's multiples of the votes' keys' hashes, 32 bytes each, in the order of the board.
        multiples: Hex<32>,
        /// That they are multiples by its key.
        proof: Hex<64>,
    }
    /// All is mixed: these lists are to be decrypted.
    Decrypting "election/decrypting" {
        lists: Vec<ListRows>,
    }
    /// A trustee's part of the decryption, which holds.
    Decrypted "election/decrypted" {
        trustee: u16,
        partials: Vec<ListBlob>,
    }
    /// A trustee's part that does not.
    Lied "election/lied" {
        trustee: u16,
        partial: ListBlob,
        offence: String,
    }
    /// The votes are counted.
    Counted "election/counted" {
        /// The trustees whose parts were used.
        decrypted_by: Vec<u16>,
        /// Those who are known to have lied.
        lied: Vec<u16>,
        /// Those of whom nothing came.
        absent: Vec<u16>,
        /// The answers of each list: JSON, `null` for what is none, sorted.
        answers: Vec<ListBlob>,
        /// SHA-256 of the results: JSON, a [`ContestResult`](crate::ContestResult) for each contest.
        results: Hex<32>,
    }
    /// The officers publish the results.
    Published "election/published" {}
    /// The officers abandon the election.
    Abandoned "election/abandoned" {}
}

/// What a trustee says when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CeremonyStep {
    TransportKey,
    SealedOpening,
    Opening,
    Dealing,
    /// All shares were right: with the last of these the key is made.
    Approval,
    /// One was not.
    Complaint,
}

/// A trustee who broke the protocol, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrusteeFault {
    pub trustee: u16,
    pub offence: String,
}

/// A vote that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusedBallot {
    pub index: u64,
    pub reason: WhyRefused,
}

/// Why a vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhyRefused {
    /// It is not one ballot for each contest, or none of this election's weights.
    Malformed,
    /// The voter's key did not sign it.
    Signature,
    /// The token is not the issuer's.
    Token,
    /// A ballot's proof does not hold.
    Proof,
}

/// How many voters of a weight are on the roll, and how many of them got a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollCount {
    pub weight: u32,
    pub voters: u64,
    pub issued: u64,
}

/// A list as the last mixer left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListRows {
    pub list: u32,
    pub rows: u32,
    /// SHA-256 of the rows.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub blob: Hex<32>,
}

/// What belongs to a list and is too large for an entry: it is served by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListBlob {
    pub list: u32,
    /// Its SHA-256.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub blob: Hex<32>,
}

impl BallotEntry {
    /// What the voter's key signed for the election of this hash.
    #[must_use]
    pub fn statement(&self, election_hash: &[u8; 32]) -> Vec<u8> {
        self.cast(|cast| bytes::statement(election_hash, cast))
    }

    /// What the voter finds it by.
    #[must_use]
    pub fn tracker(&self) -> Hex<32> {
        self.cast(bytes::tracker)
    }

    fn cast<T>(&self, with: impl FnOnce(&Cast<'_>) -> T) -> T {
        let ballots: Vec<&[u8]> = self.ballots.iter().map(|ballot| ballot.0.as_slice()).collect();
        let Self { voter, token, weight, sequence, .. } = self;
        with(&Cast {
            voter: &voter.0,
            token: &token.0,
            weight: *weight,
            sequence: *sequence,
            ballots: &ballots,
        })
    }
}

impl OpenBallotEntry {
    /// What the voter finds it by.
    ///
    /// # Panics
    /// Never: everything in it has a JSON form.
    #[must_use]
    pub fn tracker(&self) -> Hex<32> {
        bytes::tracker_of(&self.voter.0, &serde_json::to_vec(self).expect("everything in it has a JSON form"))
    }
}

impl Event {
    /// What the entry names by its hash, if anything.
    #[must_use]
    pub fn blobs(&self) -> Vec<Hex<32>> {
        match self {
            Self::Mixed(mixed) => vec![mixed.output, mixed.proof],
            Self::Redeemed(redeemed) => vec![redeemed.multiples],
            Self::RefusedTokens(refused) => vec![refused.multiples],
            Self::Decrypting(decrypting) => decrypting.lists.iter().map(|list| list.blob).collect(),
            Self::Decrypted(decrypted) => decrypted.partials.iter().map(|part| part.blob).collect(),
            Self::Lied(lied) => vec![lied.partial.blob],
            Self::Counted(counted) => {
                let answers = counted.answers.iter().map(|list| list.blob);
                answers.chain([counted.results]).collect()
            }
            Self::BeginCeremony(_)
            | Self::Said(_)
            | Self::Void(_)
            | Self::Defined(_)
            | Self::Opened(_)
            | Self::BallotEntry(_)
            | Self::OpenBallotEntry(_)
            | Self::Verdicts(_)
            | Self::Closed(_)
            | Self::Published(_)
            | Self::Abandoned(_) => Vec::new(),
        }
    }
}

impl CeremonyStep {
    /// Every step, in order.
    pub const ALL: [Self; 6] = [
        Self::TransportKey,
        Self::SealedOpening,
        Self::Opening,
        Self::Dealing,
        Self::Approval,
        Self::Complaint,
    ];

    /// What all must have said before anybody says this: who sees the others' first would choose theirs by it.
    #[must_use]
    pub const fn before(self) -> Option<Self> {
        match self {
            Self::TransportKey => None,
            Self::SealedOpening => Some(Self::TransportKey),
            Self::Opening => Some(Self::SealedOpening),
            Self::Dealing => Some(Self::Opening),
            Self::Approval | Self::Complaint => Some(Self::Dealing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_nothing_else_does() {
        let verdicts = Verdicts {
            from: 3,
            to: 9,
            votes: 5,
            refused: vec![RefusedBallot { index: 4, reason: WhyRefused::Proof }],
        };
        let body = serde_json::to_vec(&verdicts).expect("it has a body");
        assert_eq!(
            String::from_utf8_lossy(&body),
            r#"{"from":3,"to":9,"votes":5,"refused":[{"index":4,"reason":"proof"}]}"#
        );
        let read = Event::read("election/verdicts", &body).expect("it reads");
        assert_eq!(read, Event::Verdicts(verdicts));
        assert!(Event::read("election/closed", &body).is_err());
        assert!(Event::read("election/king", b"{}").is_err());
        assert!(Event::read("election/opened", br#"{"more": 1}"#).is_err());
        let other_ways: [&[u8]; 3] = [
            br#"{"from":3, "to":9,"votes":5,"refused":[{"index":4,"reason":"proof"}]}"#,
            br#"{"to":9,"from":3,"votes":5,"refused":[{"index":4,"reason":"proof"}]}"#,
            br#"{"from":3,"to":9,"votes":5,"refused":[{"index":4,"reason":"pro\u006ff"}]}"#,
        ];
        for body in other_ways {
            assert!(matches!(Event::read("election/verdicts", body), Err(EventError::Form(_))));
        }
    }
}
