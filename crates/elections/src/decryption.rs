//! Trustees send their parts of the decryption. Each is checked by a worker; who sends a false one is named.

use authz::Actor;
use board::{Election, Hex, ListBlob, ListRows};
use ids::Id;
use mixnet::{PartialDecryption, Ristretto};
use problem::Problem;
use queue::{Job, is_unfinished};

use crate::{
    Elections,
    ask::AskToCheckPart,
    blobs::PIECE_BYTES_MAX,
    board_rows::{DecryptedRow, ListsRow, Phase, kept},
    boards::{Agreed, Board},
    create_election::no_such_election,
    jobs::CheckPart,
    post::PostError,
};

/// What became of a part that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The board says that it holds.
    Holds,
    /// A worker is asked to check it; the board will say what came of it.
    Checking,
}

/// What the board says of one trustee's part.
pub(crate) struct OwnPart {
    pub(crate) holds: bool,
    partials: Vec<ListBlob>,
}

impl OwnPart {
    /// Is what it says about one of these?
    pub(crate) fn is_of(&self, partials: &[ListBlob]) -> bool {
        self.partials.iter().any(|part| partials.contains(part))
    }
}

/// The trustees, of so many, whose only part was false, and those from whom none came; in order.
pub(crate) fn without_part(parts: &[DecryptedRow], trustees: u16) -> (Vec<u16>, Vec<u16>) {
    let of = |trustee: u16| parts.iter().find(|part| part.trustee == trustee);
    let lied = (1..=trustees).filter(|trustee| of(*trustee).is_some_and(|part| !part.holds));
    let absent = (1..=trustees).filter(|trustee| of(*trustee).is_none());
    (lied.collect(), absent.collect())
}

/// What the board says of a trustee's part, if it says something.
pub(crate) async fn own_part(board: &Board, trustee: u16) -> Result<Option<OwnPart>, Problem> {
    let row = board.ledger.readers().read(move |snapshot| snapshot.get::<DecryptedRow>(&trustee)).await?;
    let own = |row: DecryptedRow| {
        Ok(OwnPart { holds: row.holds, partials: kept(&row.partials, "board_decrypted")? })
    };
    row.map(own).transpose()
}

/// How many bytes a trustee's part of a list has.
fn part_length(agreed: &Agreed, list: &ListRows) -> usize {
    let question = agreed.manifest.contests.get(agreed.manifest.lists().contest(list.list));
    let width = question.and_then(|question| question.contest().ok()).map_or(0, |contest| contest.width());
    PartialDecryption::<Ristretto>::length(usize::try_from(list.rows).unwrap_or(usize::MAX), width)
}

impl Elections {
    /// What is to be decrypted.
    pub(crate) async fn lists(&self, board: &Board) -> Result<Vec<ListRows>, Problem> {
        let row = board.ledger.readers().read(|snapshot| snapshot.get::<ListsRow>(&0)).await?;
        Ok(row.map_or(Ok(Vec::new()), |row| kept(&row.lists, "board_lists"))?)
    }

    /// The trustees, of so many, whose parts are being checked.
    pub(crate) async fn checking(&self, election: Id<Election>, trustees: u16) -> Result<Vec<u16>, Problem> {
        let mut checking = Vec::new();
        for trustee in 1..=trustees {
            let key = CheckPart::key(election, trustee);
            let unfinished =
                move |snapshot: &store::Snapshot<'_>| is_unfinished(snapshot, CheckPart::QUEUE, &key);
            if self.ledger().readers().read(unfinished).await? {
                checking.push(trustee);
            }
        }
        Ok(checking)
    }

    /// Keeps a piece of what a trustee is going to name.
    ///
    /// # Errors
    /// When they are no trustee, or nothing is to be decrypted now.
    pub(crate) async fn take_piece(
        &self,
        actor: &Actor,
        election: Id<Election>,
        hash: Hex<32>,
        piece: u32,
        bytes: Vec<u8>,
    ) -> Result<(), Problem> {
        let trustee = self.trustee(actor, election).await?;
        let board = self.board(election).await?;
        let phase = board.phase_for(&[Phase::Decrypting]).await?;
        if phase != Phase::Decrypting {
            return Err(PostError::NotNow(phase).into());
        }
        let agreed = board.agreed().await?.ok_or_else(no_such_election)?;
        let lists = self.lists(&board).await?;
        let longest = lists.iter().map(|list| part_length(&agreed, list)).max().unwrap_or_default();
        let pieces_max = longest.div_ceil(PIECE_BYTES_MAX);
        if usize::try_from(piece).is_ok_and(|piece| piece >= pieces_max) {
            let detail = format!("a part of any of these lists has at most {pieces_max} pieces");
            return Err(Problem::unprocessable("elections/blob-unfit", detail));
        }
        // What one upload needs, twice: the one before may have broken off.
        let blobs_max = 2 * lists.len().max(1);
        board.stage_piece(trustee, hash, piece, bytes, blobs_max).await
    }

    /// Has a trustee's part of the decryption of all lists checked. While one is checked, no other of theirs is.
    ///
    /// # Errors
    /// When they are no trustee, it is not of all lists, something of it did not come or is of other rows, or the board
    /// says already that it is false.
    pub(crate) async fn take_partials(
        &self,
        actor: &Actor,
        election: Id<Election>,
        partials: Vec<ListBlob>,
    ) -> Result<Taken, Problem> {
        let trustee = self.trustee(actor, election).await?;
        let board = self.board(election).await?;
        let own = own_part(&board, trustee).await?;
        if own.as_ref().is_some_and(|own| own.holds) {
            return Ok(Taken::Holds);
        }
        let phase = board.phase_for(&[Phase::Decrypting]).await?;
        if phase != Phase::Decrypting {
            return Err(PostError::NotNow(phase).into());
        }
        if own.is_some_and(|own| own.is_of(&partials)) {
            let detail = "this part was checked and is false; the board says so";
            return Err(Problem::unprocessable("elections/false-decryption", detail));
        }
        let lists = self.lists(&board).await?;
        let named = |list: &ListRows| partials.iter().filter(|part| part.list == list.list).count() == 1;
        if lists.len() != partials.len() || !lists.iter().all(named) {
            let detail = "name one blob for each list that is to be decrypted";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        let agreed = board.agreed().await?.ok_or_else(no_such_election)?;
        for part in &partials {
            let length =
                lists.iter().find(|list| list.list == part.list).map(|list| part_length(&agreed, list));
            let bytes = board.staged(trustee, part.blob).await?;
            if Some(bytes.len()) != length || !bytes.starts_with(&trustee.to_be_bytes()) {
                let detail = "this is not your part of the rows of this list";
                return Err(Problem::unprocessable("elections/malformed", detail));
            }
        }
        self.ask_once(AskToCheckPart { election, trustee, partials, job: self.clock().id() }).await?;
        Ok(Taken::Checking)
    }
}
