//! What is too large for an entry: kept beside the ledger in pieces, and named in the entry by its SHA-256.

use std::collections::BTreeSet;

use clock::Clock;
use ledger::{Entry, Rebuild};
use seal::BackupKey;
use sha2::{Digest, Sha256};
use store::{Batch, Snapshot, StoreError, Writer};

use crate::{names, restore::RestoreError, ship::ShipError, target::Target};

/// Reads one piece.
type ReadPiece = fn(&Snapshot<'_>, [u8; 32], u32) -> Result<Option<Vec<u8>>, StoreError>;

/// How a service keeps what its entries name.
#[derive(Debug, Clone, Copy)]
pub struct Attachments {
    /// What an entry names.
    pub named: fn(&Entry) -> Vec<[u8; 32]>,
    /// A piece of it, counted from nought; nothing after the last.
    pub piece: ReadPiece,
    /// Puts a piece where [`Attachments::piece`] finds it.
    pub put: fn(&mut Batch<'_>, [u8; 32], u32, Vec<u8>),
}

impl Attachments {
    /// What any of these entries names.
    pub(crate) fn named(&self, entries: &[Entry]) -> BTreeSet<[u8; 32]> {
        entries.iter().flat_map(|entry| (self.named)(entry)).collect()
    }

    /// Puts it into the target, piece by piece; false if it is not in the database.
    pub(crate) async fn ship(
        &self,
        service: &str,
        hash: [u8; 32],
        database: &Writer,
        target: &Target,
        key: &BackupKey,
        clock: &Clock,
    ) -> Result<bool, ShipError> {
        let read = |number| database.read(|snapshot| (self.piece)(snapshot, hash, number));
        let mut next = read(0)?;
        let found = next.is_some();
        for number in 0.. {
            let Some(piece) = next else { break };
            next = read(number + 1)?;
            let name = names::piece(service, &hash, number, next.is_none());
            target.put(&name, key.seal(&name, &piece, clock)).await?;
        }
        Ok(found)
    }

    /// Its pieces, from the target.
    pub(crate) async fn fetch(
        &self,
        service: &str,
        hash: [u8; 32],
        target: &Target,
        key: &BackupKey,
    ) -> Result<Vec<Vec<u8>>, RestoreError> {
        let missing = || RestoreError::Attachment { name: names::hex(&hash) };
        let mut pieces = Vec::new();
        for number in 0.. {
            let last = names::piece(service, &hash, number, true);
            let (name, object, is_last) = match target.get(&last).await? {
                Some(object) => (last, object, true),
                None => {
                    let name = names::piece(service, &hash, number, false);
                    let object = target.get(&name).await?.ok_or_else(missing)?;
                    (name, object, false)
                }
            };
            pieces.push(key.open(&name, &object).map_err(|source| RestoreError::Sealed { name, source })?);
            if is_last {
                break;
            }
        }
        if is_of(&pieces, hash) { Ok(pieces) } else { Err(missing()) }
    }

    /// Its pieces, from a database that may be damaged; nothing if they are not all there.
    pub(crate) fn read(&self, hash: [u8; 32], database: &Writer) -> Option<Vec<Vec<u8>>> {
        let mut pieces = Vec::new();
        while let Some(piece) = database
            .read(|snapshot| (self.piece)(snapshot, hash, u32::try_from(pieces.len()).unwrap_or(u32::MAX)))
            .ok()?
        {
            pieces.push(piece);
        }
        is_of(&pieces, hash).then_some(pieces)
    }

    /// Puts its pieces into a database that is being built.
    pub(crate) fn put(
        &self,
        rebuild: &mut Rebuild,
        hash: [u8; 32],
        pieces: Vec<Vec<u8>>,
    ) -> Result<(), RestoreError> {
        let put = |batch: &mut Batch<'_>| {
            (0..).zip(pieces).for_each(|(number, piece)| (self.put)(batch, hash, number, piece));
        };
        Ok(rebuild.put_beside(put)?)
    }
}

fn is_of(pieces: &[Vec<u8>], hash: [u8; 32]) -> bool {
    let mut digest = Sha256::new();
    pieces.iter().for_each(|piece| digest.update(piece));
    <[u8; 32]>::from(digest.finalize()) == hash
}
