//! The job of one mixer: every list is put into another order and encrypted anew, and that is proven. The last one
//! also proves the tokens, and says what is to be decrypted.

use std::{collections::BTreeMap, sync::Arc};

use board::{
    BallotEntry, Decrypting, Election, Event, Hex, ListRows, Mixed, RollCall, WhyRefused, generators_label,
    mix_context,
};
use ids::Id;
use ledger::ENTRIES_MAX;
use mixnet::{Ballot, Encoded, Generators, Mix as Mixing, Ristretto, Row, Rows};
use problem::Problem;
use queue::{Attempt, Job, JobError};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use super::{later, prove_tokens::RefusedToken};
use crate::{
    Elections,
    ask::AskToMix,
    board_rows::Phase,
    boards::{Agreed, Board},
    sql,
};

/// Mixes all lists once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mix {
    pub(crate) election: Id<Election>,
    /// Counted from 1.
    pub(crate) mixer: u16,
}

impl Job for Mix {
    const NAME: &'static str = "elections/mix";
    const QUEUE: &'static str = "mixnet";
    const ATTEMPTS_MAX: u16 = 10_000;
    type Context = Elections;
    type Done = ();

    async fn run(self, elections: Elections, attempt: Attempt) -> Result<(), JobError> {
        elections.mix(&self, &attempt).await.map_err(|problem| later(&problem))
    }
}

impl Elections {
    async fn mix(&self, job: &Mix, attempt: &Attempt) -> Result<(), Problem> {
        let board = self.board(job.election).await?;
        let agreed = board.agreed().await?.ok_or_else(crate::create_election::no_such_election)?;
        let phase = board.phase_for(&[Phase::Closed]).await?;
        if phase > Phase::Closed {
            return Ok(());
        }
        if phase < Phase::Closed {
            return Err(behind());
        }
        let known = board.ledger.readers().read(sql::mixes).await?;
        let Votes { standing: votes, refused } = read_votes(&board).await?;
        let votes = Arc::new(votes);
        let lists: Vec<u32> = agreed.manifest.lists().all().collect();
        let count = u32::try_from(lists.len()).unwrap_or(u32::MAX).max(1);
        for list in lists {
            if known.iter().any(|mix| (mix.list, mix.mixer) == (list, job.mixer)) {
                continue;
            }
            let input = match known.iter().find(|mix| mix.list == list && mix.mixer + 1 == job.mixer) {
                Some(before) => read_rows(&board.named_blob(Hex(before.output)).await?)?,
                None => match rows_cast(&votes, &agreed, list)? {
                    Some(rows) if job.mixer == 1 => rows,
                    _ => continue,
                },
            };
            self.mix_list(&board, &agreed, list, job.mixer, input).await?;
            attempt.progress.tell(u8::try_from((list + 1) * 99 / count).unwrap_or(99), "mixing");
        }
        if job.mixer < u16::from(agreed.manifest.mixers) {
            let next = AskToMix { election: job.election, mixer: job.mixer + 1, job: self.clock().id() };
            return self.ask_once(next).await;
        }
        self.prove_tokens(&board, &agreed, &votes).await?;
        self.prove_refused(&board, &agreed, &refused).await?;
        self.say_what_to_decrypt(&board, &agreed).await
    }

    async fn mix_list(
        &self,
        board: &Board,
        agreed: &Arc<Agreed>,
        list: u32,
        mixer: u16,
        input: Rows<Ristretto>,
    ) -> Result<(), Problem> {
        let (agreed, seed) = (Arc::clone(agreed), self.clock().random());
        let rows = u32::try_from(input.len()).unwrap_or(u32::MAX);
        let mixed = self.work(move || {
            let keys = agreed.keys.as_ref()?;
            let generators = Generators::derive(&generators_label(&agreed.hash.0), input.len());
            let context = mix_context(&agreed.hash.0, list, mixer);
            let mix = Mixing { context: &context, key: keys.key(), generators: &generators, input: &input };
            let (output, proof) = mix.shuffle(&mut StdRng::from_seed(seed)).ok()?;
            Some((output.encoded().to_vec(), proof.to_bytes()))
        });
        let (output, proof) = mixed.await?.ok_or_else(broken)?;
        let (output, proof) = (board.keep(&output).await?, board.keep(&proof).await?);
        board.post_once(Mixed { list, mixer, rows, output, proof }).await
    }

    async fn say_what_to_decrypt(&self, board: &Board, agreed: &Agreed) -> Result<(), Problem> {
        let last = u16::from(agreed.manifest.mixers);
        let mixes = board.ledger.readers().read(sql::mixes).await?;
        let last = mixes.into_iter().filter(|mix| mix.mixer == last);
        let lists: Vec<_> =
            last.map(|mix| ListRows { list: mix.list, rows: mix.rows_out, blob: Hex(mix.output) }).collect();
        board.post_once(Decrypting { lists }).await?;
        // Where nobody voted, nobody has anything to decrypt.
        self.look_after(board.election).await
    }
}

/// What is read here is not all of it yet: it is tried again.
pub(crate) fn behind() -> Problem {
    let detail = "what this node reads of the board is behind";
    Problem::unavailable("elections/behind", detail, std::time::Duration::from_secs(1))
}

pub(super) fn broken() -> Problem {
    Problem::internal(&std::io::Error::other("what stands on the board cannot be mixed"))
}

pub(crate) fn read_rows(bytes: &[u8]) -> Result<Rows<Ristretto>, Problem> {
    Rows::from_bytes(bytes).map_err(|error| Problem::internal(&error))
}

/// All entries of a board that were read, one after the other.
pub(crate) async fn each_event(board: &Board, mut take: impl FnMut(u64, Event)) -> Result<(), Problem> {
    let mut at = 0;
    loop {
        let entries = board.ledger.entries(at, ENTRIES_MAX).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        at = last.index + 1;
        for entry in &entries {
            let event =
                Event::read(&entry.command, &entry.body).map_err(|error| Problem::internal(&error))?;
            take(entry.index, event);
        }
    }
}

/// The votes that count, and the tokens that others were refused for, each in the order of the board.
struct Votes {
    standing: Vec<BallotEntry>,
    refused: Vec<RefusedToken>,
}

async fn read_votes(board: &Board) -> Result<Votes, Problem> {
    let (mut roll, mut refused, mut closed) = (RollCall::default(), BTreeMap::new(), false);
    each_event(board, |index, event| {
        closed |= matches!(event, Event::Closed(_));
        if let Event::BallotEntry(vote) = event {
            roll.vote(index, (&vote).into(), vote);
        } else if let Event::Verdicts(verdicts) = event {
            // Strangers may send millions of these: nothing is kept of them but what is to be proven.
            let all = roll.verdicts(&verdicts).into_iter();
            let for_token = all.filter(|refused| refused.reason == WhyRefused::Token);
            refused.extend(for_token.map(|refused| (refused.index, RefusedToken::of(&refused.vote))));
        }
    })
    .await?;
    if !closed || roll.unchecked() > 0 {
        return Err(behind());
    }
    let standing = roll.standing().into_iter().map(|standing| standing.vote.clone()).collect();
    Ok(Votes { standing, refused: refused.into_values().collect() })
}

/// What the first mixer of a list gets; nothing if nobody voted there.
fn rows_cast(votes: &[BallotEntry], agreed: &Agreed, list: u32) -> Result<Option<Rows<Ristretto>>, Problem> {
    let lists = agreed.manifest.lists();
    let weight = agreed.manifest.issuers.get(lists.weight(list)).map(|issuer| issuer.weight);
    let ballots = votes.iter().filter(|vote| Some(vote.weight) == weight);
    let rows: Result<Vec<Row<Ristretto>>, _> = ballots
        .filter_map(|vote| vote.ballots.get(lists.contest(list)))
        .map(|ballot| Ok(Ballot::<Ristretto>::from_bytes(&ballot.0)?.row().clone()))
        .collect();
    let rows = rows.map_err(|error: mixnet::Malformed| Problem::internal(&error))?;
    if rows.is_empty() {
        return Ok(None);
    }
    Rows::new(&rows).map(Some).map_err(|error| Problem::internal(&error))
}
