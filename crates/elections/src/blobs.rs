//! What is too large for an entry: kept in pieces beside the board, found by its hash, and there before an entry
//! names it.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
};

use board::{BLOB_BYTES_MAX, Hex, sha256};
use clock::Timestamp;
use ledger::Operation;
use problem::Problem;
use sha2::{Digest, Sha256};
use store::{Batch, Column, Keys, Scan, Snapshot, StoreError, Tx};
use tokio::sync::OnceCell;

use crate::{
    board_rows::{BlobRow, StagedRow},
    boards::Board,
    sql,
};

/// Bytes of one piece, at most.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;

/// Pieces of one blob, at most: together as many bytes as whoever checks an election reads.
pub const PIECES_MAX: u32 = 2048;

const _: () = assert!(PIECES_MAX as u64 * PIECE_BYTES_MAX as u64 == BLOB_BYTES_MAX);

/// Keeps a piece of a blob.
struct KeepPiece(BlobRow);

impl Operation for KeepPiece {
    type Done = ();

    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        tx.put(self.0);
        Ok(())
    }
}

/// Keeps a piece of what a trustee sends.
struct Stage {
    trustee: u16,
    row: BlobRow,
    blobs_max: usize,
}

impl Operation for Stage {
    type Done = ();

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<StagedRow>((self.trustee, self.row.hash));
    }

    fn apply(self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        let Self { trustee, row, blobs_max } = self;
        let known = tx.get::<StagedRow>((trustee, row.hash))?;
        // Somebody who begins again and again, with other chance each time, takes no more room for it.
        if known.is_none() && all_staged(tx, Some(trustee))?.len() >= blobs_max {
            clear(tx, Some(trustee))?;
        }
        let pieces = known.map_or(0, |known| known.pieces).max(row.piece + 1);
        tx.put(StagedRow { trustee, hash: row.hash, pieces });
        tx.put(row);
        Ok(())
    }
}

/// Clears away what was staged and not named.
struct ClearStaged {
    trustee: Option<u16>,
}

impl Operation for ClearStaged {
    type Done = ();

    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        clear(tx, self.trustee)
    }
}

fn all_staged(tx: &mut Tx<'_>, trustee: Option<u16>) -> Result<Vec<StagedRow>, StoreError> {
    let prefix = trustee.iter().map(Column::cell).collect();
    tx.scan(&Scan { prefix, below: None, limit: usize::MAX })
}

fn clear(tx: &mut Tx<'_>, trustee: Option<u16>) -> Result<(), StoreError> {
    for row in all_staged(tx, trustee)? {
        for piece in 0..row.pieces {
            tx.delete(BlobRow { hash: row.hash, piece, bytes: Vec::new() });
        }
        tx.delete(row);
    }
    Ok(())
}

fn check_fits(piece: u32, bytes: &[u8]) -> Result<(), Problem> {
    if piece < PIECES_MAX && (1..=PIECE_BYTES_MAX).contains(&bytes.len()) {
        return Ok(());
    }
    let detail = format!("a blob has up to {PIECES_MAX} pieces of 1 to {PIECE_BYTES_MAX} bytes");
    Err(Problem::unprocessable("elections/blob-unfit", detail))
}

impl Board {
    /// Keeps a piece of a blob that somebody sends piece by piece.
    async fn keep_piece(&self, hash: Hex<32>, piece: u32, bytes: Vec<u8>) -> Result<(), Problem> {
        check_fits(piece, &bytes)?;
        Ok(self.ledger.operate(KeepPiece(BlobRow { hash: hash.0, piece, bytes })).await?)
    }

    /// Keeps a piece of what a trustee is going to name. It lies apart, so that nobody can spoil what an entry names,
    /// and is cleared away when it was named, when all is counted, or when they send more than `blobs_max` others.
    pub(crate) async fn stage_piece(
        &self,
        trustee: u16,
        hash: Hex<32>,
        piece: u32,
        bytes: Vec<u8>,
        blobs_max: usize,
    ) -> Result<(), Problem> {
        check_fits(piece, &bytes)?;
        let row = BlobRow { hash: staged(trustee, hash).0, piece, bytes };
        Ok(self.ledger.operate(Stage { trustee, row, blobs_max }).await?)
    }

    /// Clears away what this trustee has sent piece by piece, or what all of them have.
    pub(crate) async fn clear_staged(&self, trustee: Option<u16>) -> Result<(), Problem> {
        Ok(self.ledger.operate(ClearStaged { trustee }).await?)
    }

    /// What a trustee sent under this hash, if all of it came.
    pub(crate) async fn staged(&self, trustee: u16, hash: Hex<32>) -> Result<Vec<u8>, Problem> {
        let bytes = self.pieces(staged(trustee, hash)).await?;
        // There may be megabytes of it, and others wait for this thread.
        let hashed = tokio::task::spawn_blocking(move || (sha256(&bytes), bytes)).await;
        let (found, bytes) = hashed.map_err(|error| Problem::internal(&error))?;
        if found == hash { Ok(bytes) } else { Err(no_such_blob()) }
    }

    /// Keeps a blob.
    pub(crate) async fn keep(&self, bytes: &[u8]) -> Result<Hex<32>, Problem> {
        let hash = sha256(bytes);
        for (piece, bytes) in (0..).zip(bytes.chunks(PIECE_BYTES_MAX)) {
            self.keep_piece(hash, piece, bytes.to_vec()).await?;
        }
        Ok(hash)
    }

    /// The blob of this hash, if all of it is there.
    pub(crate) async fn blob(&self, hash: Hex<32>) -> Result<Option<Vec<u8>>, Problem> {
        let bytes = self.pieces(hash).await?;
        Ok((sha256(&bytes) == hash).then_some(bytes))
    }

    /// In how many pieces the blob of this hash is kept, all of which are there. They are read once to find that out,
    /// by whoever asks first; others who ask for the same blob wait for that.
    pub(crate) async fn pieces_of(&self, hash: Hex<32>) -> Result<u32, Problem> {
        let known = self.whole().get(&hash.0).cloned();
        let counted = match known {
            Some(counted) => counted,
            // What is not there at all is not remembered: anybody may ask for anything.
            None if self.piece_if_there(hash, 0).await?.is_none() && hash != sha256(&[]) => {
                return Err(no_such_blob());
            }
            None => Arc::clone(self.whole().entry(hash.0).or_default()),
        };
        counted.get_or_try_init(|| self.count_pieces(hash)).await.copied()
    }

    fn whole(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<OnceCell<u32>>>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn count_pieces(&self, hash: Hex<32>) -> Result<u32, Problem> {
        let (mut digest, mut pieces) = (Sha256::new(), 0);
        while let Some(bytes) = self.piece_if_there(hash, pieces).await? {
            digest.update(&bytes);
            pieces += 1;
        }
        if <[u8; 32]>::from(digest.finalize()) == hash.0 { Ok(pieces) } else { Err(no_such_blob()) }
    }

    /// A piece of a blob.
    pub(crate) async fn piece(&self, hash: Hex<32>, piece: u32) -> Result<Vec<u8>, Problem> {
        self.piece_if_there(hash, piece).await?.ok_or_else(no_such_blob)
    }

    async fn piece_if_there(&self, hash: Hex<32>, piece: u32) -> Result<Option<Vec<u8>>, Problem> {
        Ok(self.ledger.readers().read(move |snapshot| blob_piece(snapshot, hash.0, piece)).await?)
    }

    async fn pieces(&self, hash: Hex<32>) -> Result<Vec<u8>, Problem> {
        let pieces = self.ledger.readers().read(move |snapshot| sql::blob(snapshot, hash.0)).await?;
        Ok(pieces.into_iter().flat_map(|piece| piece.bytes).collect())
    }

    /// The blob of this hash, which an entry names.
    pub(crate) async fn named_blob(&self, hash: Hex<32>) -> Result<Vec<u8>, Problem> {
        self.blob(hash).await?.ok_or_else(no_such_blob)
    }
}

/// A piece of a blob, of a board's database that nobody has open.
///
/// # Errors
/// When the store fails.
pub fn blob_piece(
    snapshot: &Snapshot<'_>,
    hash: [u8; 32],
    piece: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(snapshot.get::<BlobRow>(&(hash, piece))?.map(|row| row.bytes))
}

/// Puts a piece of a blob into a board's database that is being built.
pub fn put_blob_piece(batch: &mut Batch<'_>, hash: [u8; 32], piece: u32, bytes: Vec<u8>) {
    batch.replace(BlobRow { hash, piece, bytes });
}

/// Where what a trustee sends lies until it is checked.
fn staged(trustee: u16, hash: Hex<32>) -> Hex<32> {
    sha256(&[b"staged\n".as_slice(), &trustee.to_be_bytes(), &hash.0].concat())
}

/// Nothing has this hash.
pub(crate) fn no_such_blob() -> Problem {
    Problem::not_found("elections/no-such-blob", "there is nothing with this hash, or not all of it")
}
