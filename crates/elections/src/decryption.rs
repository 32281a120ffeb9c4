//! Trustees send their parts of the decryption. Each is checked when it comes; who sends a false one is named.

use std::sync::Arc;

use authz::Actor;
use board::{Decrypted, Election, Hex, Lied, ListBlob, ListRows, decryption_context};
use ids::Id;
use ledger::SubmitError;
use mixnet::{Encoded, PartialDecryption, Ristretto};
use problem::Problem;

use crate::{
    Elections,
    board_rows::{ListsRow, Phase, kept},
    boards::Board,
    jobs::read_rows,
    post::PostError,
    sql,
};

impl Elections {
    /// What is to be decrypted.
    pub(crate) async fn lists(&self, board: &Board) -> Result<Vec<ListRows>, Problem> {
        let row = board.ledger.readers().read(|snapshot| snapshot.get::<ListsRow>(&0)).await?;
        Ok(row.map_or(Ok(Vec::new()), |row| kept(&row.lists, "board_lists"))?)
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
        // What one upload needs, twice: the one before may have broken off.
        let blobs_max = 2 * self.lists(&board).await?.len().max(1);
        board.stage_piece(trustee, hash, piece, bytes, blobs_max).await
    }

    /// A trustee's part of the decryption of all lists.
    ///
    /// # Errors
    /// When they are no trustee, it is not of all lists, or it is false; that is said on the board.
    pub(crate) async fn take_partials(
        &self,
        actor: &Actor,
        election: Id<Election>,
        partials: Vec<ListBlob>,
    ) -> Result<(), Problem> {
        let trustee = self.trustee(actor, election).await?;
        let board = self.board(election).await?;
        let phase = board.phase_for(&[Phase::Decrypting]).await?;
        if phase != Phase::Decrypting {
            let decrypted = board.ledger.readers().read(sql::decrypted).await?;
            let own = decrypted.iter().any(|row| row.trustee == trustee && row.holds);
            return if own { Ok(()) } else { Err(PostError::NotNow(phase).into()) };
        }
        let lists = self.lists(&board).await?;
        let named = |list: &ListRows| partials.iter().filter(|part| part.list == list.list).count() == 1;
        if lists.len() != partials.len() || !lists.iter().all(named) {
            let detail = "name one blob for each list that is to be decrypted";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        for list in &lists {
            let part = partials.iter().find(|part| part.list == list.list).copied();
            let Some(part) = part else { continue };
            if let Some(offence) = self.offence(&board, trustee, list, part).await? {
                let lie = Lied { trustee, partial: part, offence: offence.clone() };
                board.post_once(lie).await?;
                board.clear_staged(Some(trustee)).await?;
                return Err(Problem::unprocessable("elections/false-decryption", offence));
            }
        }
        match board.post(Decrypted { trustee, partials }).await {
            Ok(_) | Err(SubmitError::Refused(PostError::AlreadyThere)) => {}
            Err(error) => return Err(error.into()),
        }
        board.clear_staged(Some(trustee)).await?;
        self.look_after(election).await
    }

    /// What is wrong with a part, if something is.
    async fn offence(
        &self,
        board: &Board,
        trustee: u16,
        list: &ListRows,
        part: ListBlob,
    ) -> Result<Option<String>, Problem> {
        let agreed = board.agreed().await?.ok_or_else(crate::create_election::no_such_election)?;
        let rows = read_rows(&board.named_blob(list.blob).await?)?;
        let bytes = board.staged(trustee, part.blob).await?;
        let partial = PartialDecryption::<Ristretto>::from_bytes(&bytes)
            .map_err(|error| Problem::unprocessable("elections/malformed", error))?;
        if partial.trustee() != trustee {
            let detail = "this is another trustee's part";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        // True or false, everybody can look at it from now on.
        board.keep(&bytes).await?;
        let (agreed, list) = (Arc::clone(&agreed), list.list);
        let checked = self.work(move || {
            let context = decryption_context(&agreed.hash.0, list);
            let keys = agreed.keys.as_ref()?;
            keys.verify(&context, &rows, &partial).err().map(|fault| fault.offence.to_string())
        });
        checked.await
    }
}
