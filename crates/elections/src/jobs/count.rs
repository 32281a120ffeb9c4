//! The job that counts: what enough trustees decrypted is put together, read, and counted.

use std::{collections::BTreeMap, sync::Arc};

use board::{
    ContestResult, Counted, Election, Event, ListBlob, ListRows, RollCall, Votes, count, decryption_context,
    lots_seed,
};
use ids::Id;
use mixnet::{Answer, Encoded, PartialDecryption, Ristretto, Rows, combine};
use problem::Problem;
use queue::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{
    later,
    mix::{behind, each_event, read_rows},
};
use crate::{
    Elections,
    board_rows::{Phase, kept},
    boards::{Agreed, Board},
    decryption::without_part,
    sql,
};

/// Counts an election.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Count {
    pub(crate) election: Id<Election>,
}

/// The answers of one list; nothing for what says nothing that is allowed.
type Answers = Vec<Option<Answer>>;

impl Job for Count {
    const NAME: &'static str = "elections/count";
    const QUEUE: &'static str = "mixnet";
    const ATTEMPTS_MAX: u16 = 10_000;
    type Context = Elections;
    type Done = ();

    async fn run(self, elections: Elections, _: Attempt) -> Result<(), JobError> {
        elections.count(self.election).await.map_err(|problem| later(&problem))
    }
}

impl Elections {
    async fn count(&self, election: Id<Election>) -> Result<(), Problem> {
        let board = self.board(election).await?;
        let agreed = board.agreed().await?.ok_or_else(crate::create_election::no_such_election)?;
        let wanted = if agreed.manifest.secret { Phase::Decrypting } else { Phase::Closed };
        let phase = board.phase_for(&[wanted]).await?;
        if phase > wanted {
            return Ok(());
        }
        if phase < wanted {
            return Err(behind());
        }
        let (decrypted_by, lied, absent, lists) = if agreed.manifest.secret {
            self.decrypt(&board, &agreed).await?
        } else {
            (Vec::new(), Vec::new(), Vec::new(), open_answers(&board, &agreed).await?)
        };
        let mut answers = Vec::new();
        for (list, said) in &lists {
            let json = serde_json::to_vec(said).map_err(|error| Problem::internal(&error))?;
            answers.push(ListBlob { list: *list, blob: board.keep(&json).await? });
        }
        let seed = lots_seed(&agreed.hash.0, &lists);
        let counted = Arc::clone(&agreed);
        let results = self.work(move || results(&counted, &lists, &seed)).await??;
        let json = serde_json::to_vec(&results).map_err(|error| Problem::internal(&error))?;
        let results = board.keep(&json).await?;
        board.post_once(Counted { decrypted_by, lied, absent, answers, results }).await?;
        board.clear_staged(None).await
    }

    /// What the trustees' parts say, and who sent them: used, false, and not at all.
    async fn decrypt(
        &self,
        board: &Board,
        agreed: &Arc<Agreed>,
    ) -> Result<(Vec<u16>, Vec<u16>, Vec<u16>, BTreeMap<u32, Answers>), Problem> {
        let rows = board.ledger.readers().read(sql::decrypted).await?;
        let quorum = agreed.keys.as_ref().map_or(0, |keys| keys.quorum().threshold());
        let good: Vec<_> = rows.iter().filter(|row| row.holds).take(quorum.into()).collect();
        let used: Vec<u16> = good.iter().map(|row| row.trustee).collect();
        let trustees = agreed.manifest.trustees.as_ref().map_or(0, |trustees| trustees.names.len());
        let (lied, absent) = without_part(&rows, u16::try_from(trustees).unwrap_or(u16::MAX));
        let mut lists = BTreeMap::new();
        for ListRows { list, blob, .. } in self.lists(board).await? {
            let rows = read_rows(&board.named_blob(blob).await?)?;
            let mut partials = Vec::new();
            for row in &good {
                let said: Vec<ListBlob> = kept(&row.partials, "board_decrypted")?;
                let Some(part) = said.iter().find(|part| part.list == list) else { continue };
                let partial = PartialDecryption::from_bytes(&board.named_blob(part.blob).await?);
                partials.push(partial.map_err(|error| Problem::internal(&error))?);
            }
            let agreed = Arc::clone(agreed);
            let answers = self.work(move || read_answers(&agreed, list, &rows, &partials)).await??;
            lists.insert(list, answers);
        }
        Ok((used, lied, absent, lists))
    }
}

/// What a list says, in an order that tells nothing.
fn read_answers(
    agreed: &Agreed,
    list: u32,
    rows: &Rows<Ristretto>,
    partials: &[PartialDecryption<Ristretto>],
) -> Result<Answers, Problem> {
    let context = decryption_context(&agreed.hash.0, list);
    let question = agreed.manifest.contests.get(agreed.manifest.lists().contest(list));
    let contest = question.and_then(|question| question.contest().ok());
    let (Some(keys), Some(contest)) = (&agreed.keys, contest) else {
        return Err(Problem::internal(&std::io::Error::other("a list of no contest")));
    };
    let combined = combine(keys, &context, rows, partials).map_err(|error| Problem::internal(&error))?;
    let mut answers: Answers =
        combined.messages.iter().map(|row| contest.extract::<Ristretto>(row).ok()).collect();
    answers.sort();
    Ok(answers)
}

/// The answers of an election whose votes are not secret.
async fn open_answers(board: &Board, agreed: &Agreed) -> Result<BTreeMap<u32, Answers>, Problem> {
    let mut roll = RollCall::default();
    each_event(board, |index, event| {
        if let Event::OpenBallotEntry(vote) = event {
            roll.vote(index, (&vote).into(), vote);
        } else if let Event::Verdicts(verdicts) = event {
            roll.verdicts(&verdicts);
        }
    })
    .await?;
    if roll.unchecked() > 0 {
        return Err(behind());
    }
    let lists = agreed.manifest.lists();
    let mut answers: BTreeMap<u32, Answers> = BTreeMap::new();
    for standing in roll.standing() {
        let weight = agreed.manifest.issuers.iter().position(|issuer| issuer.weight == standing.vote.weight);
        for (contest, answer) in standing.vote.answers.iter().enumerate() {
            let Some(weight) = weight else { continue };
            answers.entry(lists.list(weight, contest)).or_default().push(Some(answer.clone()));
        }
    }
    answers.values_mut().for_each(|answers| answers.sort());
    Ok(answers)
}

fn results(
    agreed: &Agreed,
    lists: &BTreeMap<u32, Answers>,
    seed: &[u8; 32],
) -> Result<Vec<ContestResult>, Problem> {
    let numbers = agreed.manifest.lists();
    let result = |(contest, question): (usize, &board::Question)| {
        let votes: Vec<_> = agreed
            .manifest
            .issuers
            .iter()
            .enumerate()
            .filter_map(|(place, issuer)| {
                let answers = lists.get(&numbers.list(place, contest))?;
                Some(Votes { weight: issuer.weight, answers })
            })
            .collect();
        let number = u32::try_from(contest).unwrap_or(u32::MAX);
        count(question, number, &votes, seed).map_err(|error| Problem::internal(&error))
    };
    agreed.manifest.contests.iter().enumerate().map(result).collect()
}
