//! The job that checks a trustee's part of the decryption. A part of a million rows takes minutes: longer than any request.

use std::sync::Arc;

use board::{Decrypted, Election, Lied, ListBlob, ListRows, decryption_context};
use ids::Id;
use ledger::SubmitError;
use mixnet::{Encoded, PartialDecryption, Ristretto, Rows};
use problem::Problem;
use queue::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{later, mix::read_rows};
use crate::{
    Elections,
    board_rows::Phase,
    boards::{Agreed, Board},
    decryption::own_part,
    post::PostError,
};

/// Checks what a trustee sent, and says on the board whether it holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckPart {
    pub(crate) election: Id<Election>,
    pub(crate) trustee: u16,
    /// One for each list.
    pub(crate) partials: Vec<ListBlob>,
}

impl Job for CheckPart {
    const NAME: &'static str = "elections/check-part";
    const QUEUE: &'static str = "mixnet";
    const ATTEMPTS_MAX: u16 = 10_000;
    type Context = Elections;
    type Done = ();

    async fn run(self, elections: Elections, attempt: Attempt) -> Result<(), JobError> {
        elections.check_part(&self, &attempt).await.map_err(|problem| later(&problem))
    }
}

impl CheckPart {
    /// One part of a trustee is checked at a time.
    pub(crate) fn key(election: Id<Election>, trustee: u16) -> String {
        format!("{election}/part/{trustee}")
    }
}

impl Elections {
    async fn check_part(&self, job: &CheckPart, attempt: &Attempt) -> Result<(), Problem> {
        let CheckPart { election, trustee, partials } = job;
        let board = self.board(*election).await?;
        let decided =
            own_part(&board, *trustee).await?.is_some_and(|part| part.holds || part.is_of(partials));
        if decided || board.phase_for(&[Phase::Decrypting]).await? != Phase::Decrypting {
            return Ok(());
        }
        let agreed = board.agreed().await?.ok_or_else(crate::create_election::no_such_election)?;
        let lists = self.lists(&board).await?;
        let count = lists.len().max(1);
        for (done, list) in lists.iter().enumerate() {
            attempt.progress.tell(u8::try_from(done * 99 / count).unwrap_or(99), "checking a trustee's part");
            let Some(part) = partials.iter().find(|part| part.list == list.list) else { return Ok(()) };
            let Some(bytes) = staged(&board, *trustee, *part).await? else { return Ok(()) };
            if let Some(offence) = self.offence(&board, &agreed, *trustee, list, bytes).await? {
                return self.tell_lie(&board, Lied { trustee: *trustee, partial: *part, offence }).await;
            }
        }
        // Kept only now: what no entry names would lie there for ever.
        for part in partials {
            let Some(bytes) = staged(&board, *trustee, *part).await? else { return Ok(()) };
            board.keep(&bytes).await?;
        }
        match board.post(Decrypted { trustee: *trustee, partials: partials.clone() }).await {
            Ok(_) | Err(SubmitError::Refused(PostError::AlreadyThere | PostError::NotNow(_))) => {}
            Err(error) => return Err(error.into()),
        }
        board.clear_staged(Some(*trustee)).await?;
        self.look_after(*election).await
    }

    /// Says on the board that a part is false, where everybody can look at it; once of each trustee.
    async fn tell_lie(&self, board: &Board, lie: Lied) -> Result<(), Problem> {
        let trustee = lie.trustee;
        if own_part(board, trustee).await?.is_none() {
            let Some(bytes) = staged(board, trustee, lie.partial).await? else { return Ok(()) };
            board.keep(&bytes).await?;
            board.post_once(lie).await?;
        }
        board.clear_staged(Some(trustee)).await
    }

    /// What is wrong with a part, if something is.
    async fn offence(
        &self,
        board: &Board,
        agreed: &Arc<Agreed>,
        trustee: u16,
        list: &ListRows,
        bytes: Vec<u8>,
    ) -> Result<Option<String>, Problem> {
        let rows = read_rows(&board.named_blob(list.blob).await?)?;
        let (agreed, list) = (Arc::clone(agreed), list.list);
        self.work(move || wrong(&agreed, trustee, list, &rows, &bytes)).await
    }
}

/// What a trustee sent; nothing if they have sent other things since, which took its place: then they have to send it
/// again.
async fn staged(board: &Board, trustee: u16, part: ListBlob) -> Result<Option<Vec<u8>>, Problem> {
    match board.staged(trustee, part.blob).await {
        Err(gone) if gone.status() == 404 => Ok(None),
        bytes => bytes.map(Some),
    }
}

fn wrong(agreed: &Agreed, trustee: u16, list: u32, rows: &Rows<Ristretto>, bytes: &[u8]) -> Option<String> {
    let keys = agreed.keys.as_ref()?;
    let partial = match PartialDecryption::from_bytes(bytes) {
        Ok(partial) if partial.trustee() == trustee => partial,
        Ok(_) => return Some("this is another trustee's part".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    let context = decryption_context(&agreed.hash.0, list);
    keys.verify(&context, rows, &partial).err().map(|fault| fault.offence.to_string())
}
