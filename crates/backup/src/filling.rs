//! Beginning a restore with a snapshot: which one, and how its rows get into the database.

use ledger::{Erased, Rebuild, checkpoint::Checkpoint};
use seal::Keys;
use store::{Schema, unpack_encoded};

use crate::{
    names::{Part, Place},
    restore::{RestoreError, Segments, Until, Way, chunks},
    segment::{SegmentError, open_packed},
    snapshot::{Manifest, replayed},
    snapshots::{list, read_manifest},
    target::Target,
};

/// Rows that are put into the database together.
const ROWS: usize = 2000;

/// What a snapshot is chosen by.
pub(crate) struct Choosing<'c> {
    pub(crate) service: &'c str,
    pub(crate) origin: &'c str,
    pub(crate) schema: &'c Schema,
    pub(crate) target: &'c Target,
    pub(crate) keys: &'c Keys,
    /// Entries in the target.
    pub(crate) shipped: u64,
    pub(crate) erased: &'c [Erased],
}

/// A snapshot that can be used.
struct Chosen {
    place: Place,
    manifest: Manifest,
    checkpoint: Checkpoint,
}

impl Choosing<'_> {
    /// Lays down the entries that a snapshot follows, compares the tree with its checkpoint, and fills in its
    /// rows. Answers how many entries these are: nought if all are to be replayed.
    pub(crate) async fn begin(
        &self,
        rebuild: &mut Rebuild,
        way: Way,
        segments: &mut Segments<'_>,
    ) -> Result<u64, RestoreError> {
        let begun = rebuild.next();
        // With rows, what was begun goes on by replaying: rows are filled in all at once.
        if begun > 0 && rebuild.has_rows()? {
            return Ok(0);
        }
        let chosen = if way.full { None } else { self.choose(begun, way.until).await? };
        let Some(Chosen { place, manifest, checkpoint }) = chosen else {
            return if begun == 0 { Ok(0) } else { Err(RestoreError::Unfinished { entries: begun }) };
        };
        while rebuild.next() < place.size {
            let Some(mut entries) = segments.follow(rebuild).await? else { break };
            entries.retain(|entry| entry.index < place.size);
            for chunk in chunks(entries) {
                rebuild.lay(chunk)?;
            }
        }
        rebuild.check(&checkpoint)?;
        self.fill(rebuild, place, &manifest).await?;
        Ok(place.size)
    }

    /// The newest snapshot that leads to `until`.
    async fn choose(&self, begun: u64, until: Until) -> Result<Option<Chosen>, RestoreError> {
        let all = list(self.service, self.target).await?;
        for (place, parts) in all.into_iter().rev().filter(|(_, parts)| parts.contains(&Part::Manifest)) {
            if place.size < begun || !self.leads(place, until) {
                continue;
            }
            let Some(manifest) = read_manifest(self.service, place, self.target, self.keys).await? else {
                tracing::warn!(
                    code = "backup/snapshot-unreadable",
                    entries = place.size,
                    "a snapshot is passed over"
                );
                continue;
            };
            let in_time = match until {
                Until::End | Until::Entries(_) => true,
                Until::Time(time) => manifest.at <= time,
            };
            let whole = manifest.parts().all(|part| parts.contains(&part));
            if !in_time || !whole || !manifest.fits(self.schema) {
                continue;
            }
            if let Some(checkpoint) = manifest.checkpoint(place, self.origin, self.keys)? {
                return Ok(Some(Chosen { place, manifest, checkpoint }));
            }
        }
        Ok(None)
    }

    /// Does a restore that begins with this snapshot come to its end with nobody in it who was erased? The
    /// rows of those who were erased later are in the snapshot, and only their erasure takes them out.
    fn leads(&self, place: Place, until: Until) -> bool {
        let end = match until {
            Until::End => self.shipped,
            Until::Entries(count) => count.min(self.shipped),
            // Which entry that is nobody knows yet: no erasure may be among those that might be left out.
            Until::Time(_) => place.size,
        };
        let later = |erased: &Erased| erased.entry >= place.size && erased.entry >= end;
        let fits = place.size <= self.shipped && (place.size <= end);
        fits && !self.erased.iter().any(later)
    }

    /// Fills in the rows, all or none.
    async fn fill(
        &self,
        rebuild: &mut Rebuild,
        place: Place,
        manifest: &Manifest,
    ) -> Result<(), RestoreError> {
        let key = self.keys.backup_key();
        let mut batch = rebuild.fill()?;
        for ((number, contents), table) in (0..).zip(&manifest.tables).zip(replayed(self.schema)) {
            let mut filled = 0;
            for part in 0..contents.parts {
                let name = place.name(self.service, Part::Rows { table: number, part });
                let object = self.target.get(&name).await?.unwrap_or_default();
                let wrong = |source| RestoreError::Snapshot { name: name.clone(), source };
                let packed = open_packed(&name, &object, &key).map_err(wrong)?;
                let rows = unpack_encoded(&packed).ok_or_else(|| wrong(SegmentError::Entries))?;
                for rows in rows.chunks(ROWS) {
                    batch.fill(table, rows)?;
                }
                filled += rows.len() as u64;
            }
            if filled != contents.rows {
                return Err(RestoreError::Garbled { name: place.name(self.service, Part::Manifest) });
            }
        }
        Ok(batch.commit()?)
    }
}
