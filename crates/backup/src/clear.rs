//! Taking out of a target what is erasable of people who were erased.

use std::collections::BTreeSet;

use authz::Person;
use clock::Clock;
use ids::Id;
use ledger::Entry;
use seal::BackupKey;
use store::{Column, StoreError, Writer};

use crate::{
    names::{self, Span},
    segment,
    snapshot::SnapshotError,
    target::Target,
};

/// How often segments are looked for that were merged meanwhile; what comes after that, the next snapshot finds.
const ROUNDS_MAX: usize = 4;

/// Writes every segment anew that holds something erasable of these people, without it. The leaves of the
/// entries stay what they were.
pub(crate) async fn clear(
    service: &str,
    database: &Writer,
    target: &Target,
    key: &BackupKey,
    clock: &Clock,
    people: &BTreeSet<Id<Person>>,
) -> Result<(), SnapshotError> {
    let places = about(database, people)?;
    if places.is_empty() {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        // Every span, and not only those that a restore would read: what another node shipped, too.
        let listed = target.list(&names::segments(service)).await?;
        let spans = listed.iter().filter_map(|name| Span::of_name(name));
        let new: Vec<_> = spans
            .filter(|span| places.range(span.first..span.end).next().is_some() && !seen.contains(span))
            .collect();
        if new.is_empty() {
            break;
        }
        for span in &new {
            clear_segment(&span.name(service), target, key, clock, people).await?;
        }
        // Segments may have been merged meanwhile, from what they were before.
        seen.extend(new);
    }
    Ok(())
}

async fn clear_segment(
    name: &str,
    target: &Target,
    key: &BackupKey,
    clock: &Clock,
    people: &BTreeSet<Id<Person>>,
) -> Result<(), SnapshotError> {
    let Some(object) = target.get(name).await? else { return Ok(()) };
    let mut entries = segment::open(name, &object, key)
        .map_err(|source| SnapshotError::Segment { name: name.to_owned(), source })?;
    let mut changed = false;
    for entry in &mut entries {
        let erased = entry.subject.is_some_and(|subject| people.contains(&subject));
        changed |= erased && entry.erasable.take().is_some();
    }
    if changed {
        target.put(name, segment::seal(name, &entries, key, clock)?).await?;
    }
    Ok(())
}

/// The places of all entries about these people.
fn about(database: &Writer, people: &BTreeSet<Id<Person>>) -> Result<BTreeSet<u64>, StoreError> {
    let mut places = BTreeSet::new();
    for person in people {
        let entries =
            database.read(|snapshot| snapshot.rows::<Entry>("WHERE subject = $1", &[person.cell()]))?;
        places.extend(entries.iter().map(|entry| entry.index));
    }
    Ok(places)
}
