//! Is every acknowledgement what the ledger says? One pass over both, side by side.

use std::io;

use ledger::merkle::Hash;
use uuid::Uuid;

use super::{Acknowledgement, Commands};

/// Breaches that are told one by one; the rest are counted.
const TOLD_MAX: usize = 20;

/// An entry as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    pub index: u64,
    pub command: String,
    pub subject: Option<Uuid>,
    /// Where the source of entries tells it.
    pub leaf: Option<Hash>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", tag = "breach")]
pub enum Breach {
    /// Acknowledged, and not there.
    Lost { index: u64, command: String },
    /// Something else stands in its place.
    Altered { index: u64, said: String, stands: String },
    /// Two acknowledgements of one entry.
    Doubled { index: u64 },
    /// The ledger's entries do not follow each other.
    Gap { after: u64, next: u64 },
    /// More commands stand there than were acknowledged or may have happened.
    Unasked { command: String, stand: u64, acknowledged: u64, unknown: u64 },
}

/// What a check has found.
#[derive(Debug, Clone, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    pub acknowledged: u64,
    /// Asked for without an answer.
    pub unknown: u64,
    pub entries: u64,
    pub breaches: u64,
    /// All of each kind, however few of them are told.
    pub lost: u64,
    pub altered: u64,
    pub doubled: u64,
    /// Entries that nobody asked for.
    pub unasked: u64,
    /// The first breaches, as examples.
    pub told: Vec<Breach>,
}

impl Checked {
    fn breach(&mut self, breach: Breach) {
        self.breaches += 1;
        match &breach {
            Breach::Lost { .. } => self.lost += 1,
            Breach::Altered { .. } => self.altered += 1,
            Breach::Doubled { .. } => self.doubled += 1,
            Breach::Gap { .. } => {}
            Breach::Unasked { stand, acknowledged, unknown, .. } => {
                self.unasked += stand.saturating_sub(acknowledged + unknown);
            }
        }
        if self.told.len() < TOLD_MAX {
            self.told.push(breach);
        }
    }
}

/// Compares acknowledgements, in the order of their index, with entries, in theirs. If only the drill asks for its
/// commands, `alone`, nothing more may stand there than was asked for.
///
/// # Errors
/// When either cannot be read.
pub fn check(
    acknowledged: impl IntoIterator<Item = io::Result<Acknowledgement>>,
    entries: impl IntoIterator<Item = anyhow::Result<Stands>>,
    commands: &Commands,
    alone: bool,
) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    let mut entries = entries.into_iter();
    let mut tallies = vec![[0_u64; 3]; commands.names().count()];
    let mut here: Option<Stands> = None;
    let mut last: Option<u64> = None;
    for one in acknowledged {
        let one = one?;
        let tally = tallies.get_mut(usize::from(one.command));
        let Some(index) = one.index else {
            checked.unknown += 1;
            tally.into_iter().for_each(|tally| tally[2] += 1);
            continue;
        };
        checked.acknowledged += 1;
        tally.into_iter().for_each(|tally| tally[1] += 1);
        if last == Some(index) {
            checked.breach(Breach::Doubled { index });
            continue;
        }
        last = Some(index);
        while here.as_ref().is_none_or(|entry| entry.index < index) {
            let Some(entry) = take(&mut entries, here.as_ref(), &mut checked, commands, &mut tallies)? else {
                break;
            };
            here = Some(entry);
        }
        judge(&one, index, here.as_ref(), commands, &mut checked);
    }
    while let Some(entry) = take(&mut entries, here.as_ref(), &mut checked, commands, &mut tallies)? {
        here = Some(entry);
    }
    for (name, [stand, acknowledged, unknown]) in commands.names().zip(tallies) {
        if alone && stand > acknowledged + unknown {
            checked.breach(Breach::Unasked { command: name.to_owned(), stand, acknowledged, unknown });
        }
    }
    Ok(checked)
}

/// The next entry, which must follow the one before.
fn take(
    entries: &mut impl Iterator<Item = anyhow::Result<Stands>>,
    before: Option<&Stands>,
    checked: &mut Checked,
    commands: &Commands,
    tallies: &mut [[u64; 3]],
) -> anyhow::Result<Option<Stands>> {
    let Some(entry) = entries.next().transpose()? else { return Ok(None) };
    checked.entries += 1;
    if let Some(before) = before.filter(|before| before.index + 1 != entry.index) {
        checked.breach(Breach::Gap { after: before.index, next: entry.index });
    }
    if let Some(tally) =
        commands.number(&entry.command).and_then(|number| tallies.get_mut(usize::from(number)))
    {
        tally[0] += 1;
    }
    Ok(Some(entry))
}

fn judge(
    one: &Acknowledgement,
    index: u64,
    entry: Option<&Stands>,
    commands: &Commands,
    checked: &mut Checked,
) {
    let command = commands.name(one.command);
    let Some(entry) = entry.filter(|entry| entry.index == index) else {
        return checked.breach(Breach::Lost { index, command: command.to_owned() });
    };
    let other_subject = !one.subject.is_nil() && entry.subject.is_some_and(|subject| subject != one.subject);
    let other_leaf = entry.leaf.is_some_and(|leaf| leaf != one.leaf);
    if entry.command != command || other_subject || other_leaf {
        let said = format!("{command} about {} with leaf {}", one.subject, one.leaf);
        let subject = entry.subject.unwrap_or_default();
        let leaf = entry.leaf.map_or_else(String::new, |leaf| format!(" with leaf {leaf}"));
        let stands = format!("{} about {subject}{leaf}", entry.command);
        checked.breach(Breach::Altered { index, said, stands });
    }
}

#[cfg(test)]
mod tests;
