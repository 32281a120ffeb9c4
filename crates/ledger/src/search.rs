//! Finding entries: by their command, by who gave it, by whom it is about; the newest first.

use authz::Person;
use ids::Id;
use store::{Cell, Column as _, Snapshot, StoreError};

use crate::{Entry, Ledger, LogError, sql};

/// Entries that one search finds at most.
pub const FOUND_MAX: u32 = 1000;

/// Entries that one search looks at, at most, unless it is for a person: what is rare in a long ledger is found in
/// several steps, so that no reader is held up for long.
const LOOKED_AT_MAX: u64 = 200_000;

/// What is looked for. Whatever is absent may be anything.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The command's whole name.
    pub command: Option<String>,
    /// Who gave it, as entries write it.
    pub actor: Option<String>,
    /// Whom it is about.
    pub subject: Option<Id<Person>>,
    /// Only entries before this one.
    pub before: Option<u64>,
    /// How many, at most [`FOUND_MAX`].
    pub limit: u32,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The newest first.
    pub entries: Vec<Entry>,
    /// From where to search on; absent if everything has been looked at.
    pub next: Option<u64>,
}

impl Ledger {
    /// Finds entries, the newest first.
    ///
    /// # Errors
    /// When the store fails or is busy.
    pub async fn search(&self, search: Search) -> Result<Found, LogError> {
        Ok(self.readers().read(move |snapshot| found(snapshot, &search)).await?)
    }
}

fn found(snapshot: &Snapshot<'_>, search: &Search) -> Result<Found, StoreError> {
    let before = match search.before {
        Some(before) => before,
        None => sql::size(snapshot)?,
    };
    let looked_at = if search.subject.is_some() { before } else { LOOKED_AT_MAX };
    let from = before.saturating_sub(looked_at);
    let limit = search.limit.clamp(1, FOUND_MAX);
    let number = |number: u64| Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let mut condition = "WHERE \"index\" >= $1 AND \"index\" < $2".to_owned();
    let mut values = vec![number(from), number(before)];
    let asked = [
        ("command", search.command.as_ref().map(|command| Cell::Text(command.as_str().into()))),
        ("actor", search.actor.as_ref().map(|actor| Cell::Text(actor.as_str().into()))),
        ("subject", search.subject.as_ref().map(|subject| subject.cell())),
    ];
    for (column, value) in asked {
        let Some(value) = value else { continue };
        values.push(value);
        condition = format!("{condition} AND {column} = ${}", values.len());
    }
    let condition = format!("{condition} ORDER BY \"index\" DESC LIMIT {limit}");
    let entries: Vec<Entry> = snapshot.rows(&condition, &values)?;
    let full = entries.len() == limit as usize;
    let next = if full { entries.last().map(|entry| entry.index) } else { Some(from) };
    Ok(Found { entries, next: next.filter(|next| *next > 0) })
}
