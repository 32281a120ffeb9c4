//! What the service answers with.

use board::{
    Choice, ContestResult, Counted, Definition, Election, FormOf, Hex, Issuer, Method, Question, RollCount,
    Texts, TrusteeFault, TrusteesNamed,
};
use clock::Timestamp;
use ids::Id;
use mixnet::Encoded;
use problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    create_election::no_such_election,
    read::{Known, state_word},
};

/// An election, as everybody may see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ElectionBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    /// `draft`, `ceremony`, `ready`, `open`, `closed`, `mixing`, `decrypting`, `counted`, `published` or `abandoned`.
    #[schema(example = "open")]
    pub(crate) state: &'static str,
    secret: bool,
    title: Texts,
    description: Texts,
    #[schema(value_type = Option<String>, format = "date-time")]
    opens_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = "date-time")]
    closes_at: Option<Timestamp>,
    mixers: u8,
    contests: Vec<QuestionBody>,
    trustees: Option<TrusteesNamed>,
    issuers: Vec<Issuer>,
    /// The hash of the manifest: it names the election in every proof.
    #[schema(value_type = Option<String>)]
    election_hash: Option<Hex<32>>,
    /// The trustees' keys (section 8 of the specification), in hexadecimal.
    keys: Option<String>,
    /// The key that votes are encrypted with, in hexadecimal.
    key: Option<String>,
    /// The ceremony that makes, or made, the key.
    attempt: u16,
    /// Who is to blame, if it failed.
    faults: Vec<TrusteeFault>,
    board: Option<BoardBody>,
    /// What it is to the caller, if they say who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) you: Option<YouBody>,
}

/// A question, and how many elements an answer to it takes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QuestionBody {
    contest_id: String,
    title: Texts,
    form: FormOf,
    count: Method,
    seats: u16,
    write_in_bytes_max: u8,
    options: Vec<Choice>,
    /// Elements that an encrypted answer takes.
    width: usize,
}

impl QuestionBody {
    fn of(question: Question) -> Self {
        let width = question.contest().map_or(0, |contest| contest.width());
        let Question { contest_id, title, form, count, seats, write_in_bytes_max, options } = question;
        Self { contest_id, title, form, count, seats, write_in_bytes_max, options, width }
    }
}

/// An election's ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BoardBody {
    /// The origin line of its checkpoints.
    origin: String,
    /// Its entries.
    size: u64,
    /// The keys that sign its checkpoints, as C2SP writes them: Ed25519 and ML-DSA-44.
    keys: Vec<String>,
}

/// What an election is to the caller.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct YouBody {
    pub(crate) officer: bool,
    /// The caller's number among the trustees.
    pub(crate) trustee: Option<u16>,
    /// Are they on the roll?
    pub(crate) eligible: bool,
    pub(crate) weight: Option<u32>,
    pub(crate) token_issued: bool,
    /// Lines of the roll, for officers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) voters: Option<u64>,
}

impl ElectionBody {
    pub(crate) fn of(known: &Known) -> Result<Self, Problem> {
        let row = &known.row;
        let Definition { title, description, opens_at, closes_at, secret, mixers, contests, .. } =
            row.definition()?;
        let agreed = known.agreed.as_deref();
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let keys = agreed.and_then(|agreed| agreed.keys.as_ref());
        Ok(Self {
            election_id: row.id,
            state: state_word(row, known.state.phase(), secret),
            secret,
            title,
            description,
            opens_at,
            closes_at,
            mixers,
            contests: contests.into_iter().map(QuestionBody::of).collect(),
            trustees: row.trustees_named()?,
            issuers: known.issuers.clone(),
            election_hash: agreed.map(|agreed| agreed.hash),
            keys: keys.map(|keys| hex(keys.to_bytes())),
            key: keys.map(|keys| hex(keys.key().to_bytes())),
            // An officer may have asked for another ceremony in the moment in which one concluded.
            attempt: agreed.and_then(|agreed| agreed.manifest.attempt).unwrap_or(row.attempt),
            faults: known.faults.clone(),
            board: known.board.as_ref().map(|board| BoardBody {
                origin: board.origin().to_owned(),
                size: known.state.entries,
                keys: board.log_keys().to_vec(),
            }),
            you: None,
        })
    }
}

/// How many may vote, may do so now, and have done so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TurnoutBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    state: &'static str,
    /// Lines of the roll.
    eligible: u64,
    /// Tokens that were given out.
    issued: u64,
    issued_by_weight: Vec<RollCount>,
    /// Votes on the board, also those that were sent again.
    received: u64,
    confirmed: u64,
    refused: u64,
}

impl TurnoutBody {
    pub(crate) fn of(known: &Known, issued_by_weight: Vec<RollCount>) -> Result<Self, Problem> {
        let (row, state) = (&known.row, &known.state);
        Ok(Self {
            election_id: row.id,
            state: state_word(row, state.phase(), row.definition()?.secret),
            eligible: row.voters,
            issued: issued_by_weight.iter().map(|count| count.issued).sum(),
            issued_by_weight,
            received: state.votes,
            confirmed: state.checked.saturating_sub(state.refused),
            refused: state.refused,
        })
    }
}

/// The results of an election.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    #[schema(value_type = String)]
    election_hash: Hex<32>,
    #[schema(value_type = String, format = "date-time")]
    counted_at: Timestamp,
    /// Trustees whose parts were used.
    decrypted_by: Vec<u16>,
    /// Trustees who sent a false part.
    lied: Vec<u16>,
    /// Trustees of whom nothing came before there was enough.
    absent: Vec<u16>,
    contests: Vec<ContestResultBody>,
}

/// The result of one contest. Weights are counted in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ContestResultBody {
    contest_id: String,
    ballots: u64,
    blank: u64,
    invalid: u64,
    count: Method,
    seats: u16,
    #[schema(value_type = Vec<Object>)]
    candidates: serde_json::Value,
    /// By their places among the candidates.
    elected: Vec<usize>,
    /// The whole count.
    #[schema(value_type = Object)]
    log: serde_json::Value,
}

impl ResultBody {
    pub(crate) fn of(
        election_id: Id<Election>,
        election_hash: Hex<32>,
        counted_at: Timestamp,
        counted: &Counted,
        contests: Vec<ContestResult>,
    ) -> Self {
        let Counted { decrypted_by, lied, absent, .. } = counted.clone();
        let contests = contests.into_iter().map(ContestResultBody::of).collect();
        Self { election_id, election_hash, counted_at, decrypted_by, lied, absent, contests }
    }
}

impl ContestResultBody {
    fn of(result: ContestResult) -> Self {
        let ContestResult { contest_id, ballots, blank, invalid, count, seats, candidates, elected, log } =
            result;
        Self {
            contest_id,
            ballots,
            blank,
            invalid,
            count,
            seats,
            candidates: serde_json::to_value(candidates).unwrap_or_default(),
            elected,
            log: serde_json::to_value(log).unwrap_or_default(),
        }
    }
}

/// An election that may be seen: by officers, or because it is no draft any more.
pub(super) fn visible(known: Option<Known>, officer: bool) -> Result<Known, Problem> {
    known.filter(|known| officer || known.row.is_announced()).ok_or_else(no_such_election)
}
