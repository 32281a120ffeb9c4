//! A snapshot: the rows that a ledger's first so many entries made, in parts of bounded size, and a manifest
//! that names them and holds a signed checkpoint over exactly those entries. With one, a restore replays only
//! what came after it.

use clock::{Clock, Timestamp};
use ledger::{Head, PublishError, RebuildError, checkpoint::Checkpoint, open_checkpoint, sign_checkpoint};
use seal::{BackupKey, Keys};
use serde::{Deserialize, Serialize};
use store::{Durability, Schema, Snapshot, StoreError, Table, each_encoded_row, pack_encoded};

use crate::{
    names::{Part, Place},
    segment::seal_packed,
};

/// A part is closed once its rows take so much before they are compressed.
const PART_BYTES: usize = 4 << 20;

/// What a snapshot holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The form of the manifest itself.
    pub(crate) format: u32,
    /// When the last of the entries was applied.
    pub(crate) at: Timestamp,
    /// A checkpoint over exactly the entries that made the rows, signed by the ledger's keys.
    pub(crate) checkpoint: String,
    pub(crate) tables: Vec<Contents>,
    /// Of everybody who was erased by an entry from this one on, nothing erasable was left in the target when
    /// this was written.
    pub(crate) cleared_from: u64,
}

pub(crate) const FORMAT: u32 = 1;

/// What a snapshot holds of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Contents {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) parts: u32,
    pub(crate) rows: u64,
}

impl Manifest {
    /// Its checkpoint, if the ledger's own keys signed it for this size.
    pub(crate) fn checkpoint(
        &self,
        place: Place,
        origin: &str,
        keys: &Keys,
    ) -> Result<Option<Checkpoint>, PublishError> {
        let checkpoint = open_checkpoint(self.checkpoint.as_bytes(), origin, keys)?;
        Ok((checkpoint.size() == place.size).then_some(checkpoint))
    }

    /// Can this program use the rows?
    pub(crate) fn fits(&self, schema: &Schema) -> bool {
        let known: Vec<_> = replayed(schema).collect();
        let alike = |contents: &Contents, table: &&Table| {
            contents.table == table.name && contents.columns == columns(table)
        };
        self.format == FORMAT
            && self.tables.len() == known.len()
            && self.tables.iter().zip(&known).all(|(contents, table)| alike(contents, table))
    }

    /// Every part that must be there.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        (0..)
            .zip(&self.tables)
            .flat_map(|(table, contents)| (0..contents.parts).map(move |part| Part::Rows { table, part }))
    }
}

/// The tables whose rows a snapshot holds.
pub(crate) fn replayed(schema: &Schema) -> impl Iterator<Item = &'static Table> + '_ {
    schema.tables().iter().copied().filter(|table| table.durability == Durability::Replayed)
}

fn columns(table: &Table) -> Vec<String> {
    let named = table.columns.iter();
    named.map(|column| format!("{} {}", column.name, column.column_type.sql())).collect()
}

/// Why no snapshot was made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the ledger's database cannot be read")]
    Store(#[from] StoreError),
    #[error("the ledger's tree cannot be read")]
    Tree(#[from] RebuildError),
    #[error("a part cannot be made")]
    Pack(#[from] std::io::Error),
    #[error("the snapshot cannot be signed for")]
    Sign(#[from] PublishError),
    #[error("the target cannot be used")]
    Target(#[from] crate::TargetError),
    #[error("segment `{name}` of the target cannot be read")]
    Segment { name: String, source: crate::SegmentError },
    #[error("parts of the snapshot were taken away before it was whole")]
    Disturbed,
    #[error("whoever puts the parts into the target has ended")]
    Ended,
}

/// What a snapshot is made with.
pub(crate) struct Making<'m> {
    pub(crate) service: &'m str,
    pub(crate) origin: &'m str,
    pub(crate) schema: &'m Schema,
    pub(crate) keys: &'m Keys,
    pub(crate) clock: &'m Clock,
}

impl Making<'_> {
    /// Tells `put` each part, and answers what the manifest will say; nothing of a ledger without entries.
    pub(crate) fn write(
        &self,
        snapshot: &Snapshot<'_>,
        mut put: impl FnMut(String, Vec<u8>) -> Result<(), SnapshotError>,
    ) -> Result<Option<(Place, Manifest)>, SnapshotError> {
        let head: Head = ledger::head_of(snapshot)?;
        if head.size == 0 {
            return Ok(None);
        }
        let made_at_ms = self.clock.now().millis();
        let place = Place { size: head.size, made_at_ms, id: u64::from_be_bytes(self.clock.random()) };
        let key = self.keys.backup_key();
        let mut tables = Vec::new();
        for (number, table) in (0..).zip(replayed(self.schema)) {
            tables.push(self.write_table(snapshot, place, number, table, &key, &mut put)?);
        }
        let checkpoint = sign_checkpoint(self.origin, &head, self.keys, self.clock)?;
        Ok(Some((place, Manifest { format: FORMAT, at: head.at, checkpoint, tables, cleared_from: 0 })))
    }

    fn write_table(
        &self,
        snapshot: &Snapshot<'_>,
        place: Place,
        number: u32,
        table: &'static Table,
        key: &BackupKey,
        put: &mut impl FnMut(String, Vec<u8>) -> Result<(), SnapshotError>,
    ) -> Result<Contents, SnapshotError> {
        let (mut packed, mut parts, mut rows) = (Vec::new(), 0, 0);
        let mut close = |packed: &mut Vec<u8>| {
            let name = place.name(self.service, Part::Rows { table: number, part: parts });
            parts += 1;
            let sealed = seal_packed(&name, packed, key, self.clock)?;
            packed.clear();
            put(name, sealed)
        };
        each_encoded_row(snapshot, table, |row| {
            rows += 1;
            pack_encoded(row, &mut packed);
            if packed.len() >= PART_BYTES { close(&mut packed) } else { Ok::<_, SnapshotError>(()) }
        })?;
        if !packed.is_empty() {
            close(&mut packed)?;
        }
        Ok(Contents { table: table.name.to_owned(), columns: columns(table), parts, rows })
    }
}
