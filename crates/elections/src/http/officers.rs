//! What officers do: make elections, say who may vote, and bring them from one stage to the next.

use authz::{Actor, Person, Role};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use board::{Definition, Election, Hex, Question, Texts};
use clock::Timestamp;
use edge::{Body, Caller, Params, Refusals};
use futures_util::{StreamExt, TryStreamExt, stream};
use ids::Id;
use ledger::SubmitError;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ElectionBody, Service, private, public::seen_by};
use crate::{
    AdvanceElection, AdvanceError, ChangeElection, CreateElection, Draft, Elections, ImportRoll,
    ImportRollError, LINES_MAX, RollImported, Stage, Trustee, board_rows::Phase, people::voter_hash,
    post::PostError,
};

/// Names of a roll that are looked up at the same time.
const NAMES_AT_ONCE: usize = 16;

/// Lines of the roll in one request, at most.
const VOTERS_MAX: usize = 2000;

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(change, abandon))
        .routes(routes!(import_roll))
        .routes(routes!(begin_ceremony))
        .routes(routes!(open))
        .routes(routes!(close))
        .routes(routes!(tally))
        .routes(routes!(publish))
}

/// An election to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "title": {"en": "Council"},
    "contests": [{"contestId": "mayor", "title": {"en": "Mayor"}, "form": {"kind": "plurality"}, "count": "most",
        "options": [{"optionId": "ada", "title": {"en": "Ada"}}, {"optionId": "bob", "title": {"en": "Bob"}}]}],
    "trustees": {"threshold": 2, "persons": [{"userId": "court", "name": "Court"}, {"userId": "press", "name": "Press"},
        {"userId": "university", "name": "University"}]},
}))]
struct DraftBody {
    /// By language.
    title: Texts,
    #[serde(default)]
    description: Texts,
    /// Opens then by itself; without it, an officer opens it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    opens_at: Option<Timestamp>,
    /// Closes then by itself; without it, an officer closes it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    closes_at: Option<Timestamp>,
    /// Nobody can tell who voted how: so it is if absent.
    #[serde(default)]
    secret: Option<bool>,
    /// The weights that voters may have; 1 alone if absent.
    #[serde(default)]
    #[schema(value_type = Option<Vec<u32>>, min_items = 1, max_items = 8)]
    weights: Option<Vec<u32>>,
    /// How often the ballots are mixed; three times if absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    mixers: Option<u8>,
    #[schema(min_items = 1, max_items = 50)]
    contests: Vec<Question>,
    /// Who keeps the key: in elections with secret votes.
    #[serde(default)]
    trustees: Option<TrusteesBody>,
}

/// Who keeps the key, and how many of them it takes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TrusteesBody {
    #[schema(minimum = 1, maximum = 100)]
    threshold: u16,
    /// All of them are needed, so that one lost key is a lost election.
    #[serde(default)]
    unanimous: bool,
    #[schema(max_items = 100)]
    persons: Vec<TrusteeBody>,
}

/// Somebody who keeps a share of the key, by one of `personId` and `userId`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TrusteeBody {
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "uuid")]
    person_id: Option<Id<Person>>,
    #[serde(default)]
    user_id: Option<String>,
    /// As everybody reads it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

impl DraftBody {
    async fn draft(self, elections: &Elections) -> Result<Draft, Problem> {
        let Self { title, description, opens_at, closes_at, secret, weights, mixers, contests, trustees } =
            self;
        let (secret, mixers) = (secret.unwrap_or(true), mixers.unwrap_or(3));
        let weights = weights.unwrap_or_else(|| vec![1]);
        let definition =
            Definition { title, description, opens_at, closes_at, secret, weights, mixers, contests };
        let Some(TrusteesBody { threshold, unanimous, persons }) = trustees else {
            return Ok(Draft { definition, trustees: Vec::new(), threshold: 0, unanimous: false });
        };
        let mut trustees = Vec::new();
        for TrusteeBody { person_id, user_id, name } in persons {
            let person = match (person_id, user_id) {
                (Some(person), None) => elections.people().index_of(person).await?.map(|_| person),
                (None, Some(user)) => {
                    let index = elections.people().index_of_name(&user)?;
                    elections.people().person_of(index).await?
                }
                (Some(_), Some(_)) | (None, None) => {
                    let detail = "name each trustee by personId or by userId";
                    return Err(Problem::unprocessable("elections/trustees-unfit", detail));
                }
            };
            let person = person.ok_or_else(|| {
                let detail =
                    format!("there is nobody to be the trustee `{name}`: they have to register first");
                Problem::unprocessable("elections/trustees-unfit", detail)
            })?;
            trustees.push(Trustee { person, name });
        }
        let draft = Draft { definition, trustees, threshold, unanimous };
        draft.check()?;
        Ok(draft)
    }
}

fn officer(actor: &Actor) -> Result<(), Problem> {
    match (actor.has(Role::Officer), actor == &Actor::ANONYMOUS) {
        (true, _) => Ok(()),
        (false, true) => Err(authz::Denied::Anonymous.into()),
        (false, false) => Err(authz::Denied::Known.into()),
    }
}

/// Makes an election: a draft that only officers see.
#[utoipa::path(
    post, path = "/api/v1/elections", tag = "elections", security(("bearer" = [])), request_body = DraftBody,
    responses((status = 201, description = "Made", body = ElectionBody), Refusals),
)]
async fn create(
    State(elections): Service,
    Caller(actor): Caller,
    Body(body): Body<DraftBody>,
) -> Result<Response, Problem> {
    officer(&actor)?;
    let id = elections.clock().id();
    let draft = body.draft(&elections).await?;
    elections.ledger().submit(actor.permit(CreateElection { id, draft })?).await?;
    Ok(private(StatusCode::CREATED, &seen_by(&elections, &actor, id).await?))
}

/// Changes an election that is a draft.
#[utoipa::path(
    put, path = "/api/v1/elections/{id}", tag = "elections", security(("bearer" = [])), request_body = DraftBody,
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "Changed", body = ElectionBody), Refusals),
)]
async fn change(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
    Body(body): Body<DraftBody>,
) -> Result<Response, Problem> {
    officer(&actor)?;
    let draft = body.draft(&elections).await?;
    elections.ledger().submit(actor.permit(ChangeElection { id, draft })?).await?;
    Ok(private(StatusCode::OK, &seen_by(&elections, &actor, id).await?))
}

/// Who may vote.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"voters": [{"userId": "ada"}, {"userId": "bob", "weight": 1}]}))]
struct RollBody {
    #[schema(max_items = 2000)]
    voters: Vec<VoterBody>,
}

/// Somebody who may vote.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VoterBody {
    /// Their sign-in name; they need not have registered yet.
    user_id: String,
    /// The election's first weight if absent.
    #[serde(default)]
    weight: Option<u32>,
}

/// What became of the lines.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RollBodyDone {
    added: u64,
    known: u64,
    /// Lines of the roll now.
    voters: u64,
    /// How many of the names that were sent nobody has registered. Whoever registers one first votes by it: see that it is who
    /// you mean.
    unregistered: u64,
}

/// Adds voters to an election's roll. Only keyed hashes of their names are kept.
#[utoipa::path(
    post, path = "/api/v1/elections/{id}/roll", tag = "elections", security(("bearer" = [])), request_body = RollBody,
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "Added", body = RollBodyDone), Refusals),
)]
async fn import_roll(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
    Body(RollBody { voters }): Body<RollBody>,
) -> Result<Response, Problem> {
    officer(&actor)?;
    if voters.is_empty() || voters.len() > VOTERS_MAX {
        let detail = format!("send 1 to {VOTERS_MAX} voters at a time");
        return Err(Problem::unprocessable("elections/roll-unfit", detail));
    }
    let weights = elections.row(id).await?.definition()?.weights;
    let first = weights.first().copied().unwrap_or(1);
    let (mut lines, mut indexes) = (Vec::with_capacity(voters.len()), Vec::with_capacity(voters.len()));
    for VoterBody { user_id, weight } in voters {
        let index = elections.people().index_of_name(&user_id)?;
        let weight = weight.unwrap_or(first);
        // Before any line is added: it takes more than one entry.
        if !weights.contains(&weight) {
            return Err(ImportRollError::NoSuchWeight(weight).into());
        }
        lines.push((Hex(voter_hash(elections.keys(), id, &index)), weight));
        indexes.push(index);
    }
    let unregistered = elections.unregistered(indexes).await?;
    let mut done = RollBodyDone { added: 0, known: 0, voters: 0, unregistered };
    for lines in lines.chunks(LINES_MAX) {
        let import = ImportRoll { election: id, lines: lines.to_vec() };
        let receipt = elections.ledger().submit(actor.permit(import)?).await?;
        let RollImported { added, known, voters } = receipt.done;
        done = RollBodyDone { added: done.added + added, known: done.known + known, voters, unregistered };
    }
    Ok(private(StatusCode::OK, &done))
}

impl Elections {
    /// How many of these names nobody has.
    async fn unregistered(&self, indexes: Vec<[u8; 32]>) -> Result<u64, Problem> {
        let people = self.people();
        let asked = stream::iter(indexes).map(|index| people.person_of(index));
        let known: Vec<_> = asked.buffer_unordered(NAMES_AT_ONCE).try_collect().await?;
        Ok(known.iter().filter(|person| person.is_none()).count() as u64)
    }

    /// Brings an election to a stage, if its board has come so far.
    async fn advance(
        &self,
        actor: &Actor,
        election: Id<Election>,
        to: Stage,
        phases: &[Phase],
    ) -> Result<(), Problem> {
        officer(actor)?;
        let row = self.row(election).await?;
        if row.is_announced() {
            let phase = self.board(election).await?.phase_for(phases).await?;
            if !phases.contains(&phase) {
                return Err(PostError::NotNow(phase).into());
            }
        }
        let attempt = if to == Stage::Ceremony { row.attempt + 1 } else { 0 };
        match self.ledger().submit(actor.permit(AdvanceElection { election, to, attempt })?).await {
            Ok(_) => {}
            // Asked again because the first time came to nothing: the board has to follow.
            Err(SubmitError::Refused(AdvanceError::NotNow)) if row.stage() == to => {}
            Err(error) => return Err(error.into()),
        }
        self.look_after(election).await
    }
}

/// Declares the routes that bring an election to its next stage.
macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident $path:literal $status:literal $to:ident [$($phase:ident),*];)+) => { $(
        $(#[$doc])*
        #[utoipa::path(
            post, path = $path, tag = "elections", security(("bearer" = [])),
            params(("id" = String, Path, format = "uuid", description = "The election")),
            responses((status = $status, description = "Done, or begun", body = ElectionBody), Refusals),
        )]
        async fn $name(
            State(elections): Service,
            Caller(actor): Caller,
            Params(id): Params<Id<Election>>,
        ) -> Result<Response, Problem> {
            elections.advance(&actor, id, Stage::$to, &[$(Phase::$phase),*]).await?;
            let status = StatusCode::from_u16($status).unwrap_or(StatusCode::OK);
            Ok(private(status, &seen_by(&elections, &actor, id).await?))
        }
    )+ };
}

stages! {
    /// Freezes the definition and lets the trustees begin to make a key, or begin anew. An election whose votes are not
    /// secret is ready at once.
    begin_ceremony "/api/v1/elections/{id}/ceremony" 202 Ceremony [New, Ceremony, Void];
    /// Opens an election.
    open "/api/v1/elections/{id}/opening" 200 Open [Ready];
    /// Closes it.
    close "/api/v1/elections/{id}/closing" 200 Closed [Open];
    /// Has the votes mixed and counted.
    tally "/api/v1/elections/{id}/tally" 202 Tally [Closed];
    /// Publishes the results.
    publish "/api/v1/elections/{id}/publication" 200 Published [Counted];
}

/// Abandons an election whose votes are not counted yet.
#[utoipa::path(
    delete, path = "/api/v1/elections/{id}", tag = "elections", security(("bearer" = [])),
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 204, description = "Abandoned"), Refusals),
)]
async fn abandon(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
) -> Result<Response, Problem> {
    use Phase::{Ceremony, Closed, Decrypting, New, Open, Ready, Void};
    let before = [New, Ceremony, Void, Ready, Open, Closed, Decrypting];
    elections.advance(&actor, id, Stage::Abandoned, &before).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
