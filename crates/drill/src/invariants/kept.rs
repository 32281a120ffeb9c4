//! Nothing that was acknowledged is lost, altered or doubled, and nothing happened that nobody asked for.

use std::path::{Path, PathBuf};

use super::{Called, audit::Entries};
use load::history::{Breach, Checked, Commands, EXTENSION, Stands, check as compare, sort};
use report::{Area, Flow};
use uuid::Uuid;

use crate::{ground::Ground, secret::Secret};

const NAME: &str = "invariants/acknowledged";
const TITLE: &str = "Every acknowledged change stands in the ledger, once, as it was acknowledged";
pub(super) const CHECK: Called = (NAME, TITLE);

/// The files of this run's history that are called so.
pub(super) fn files(ground: &Ground, called: &str) -> anyhow::Result<Vec<PathBuf>> {
    files_in(&ground.history, called)
}

fn files_in(folder: &Path, called: &str) -> anyhow::Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder)?;
    let mut paths = files.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == called));
    paths.sort();
    Ok(paths)
}

/// Compares the whole history with the whole audit trail.
pub(super) fn check(ground: &mut Ground) -> anyhow::Result<Option<Flow>> {
    ground.keeper.finish()?;
    let Some(entries) = Entries::of(ground) else {
        ground.skipped(Area::Invariants, NAME, TITLE, "no auditor's token was given (--auditor-token-file)");
        return Ok(None);
    };
    let trustees = ground.secret.as_ref().map_or(&[][..], Secret::persons);
    let entries = entries.map(|entry| entry.map(|entry| of_a_trustee(entry, trustees)));
    let (checked, mut against) = compare_all(&ground.history, entries, &ground.commands, ground.alone)?;
    let flow = flow(&checked);
    let detail = format!(
        "{} acknowledgements and {} questions without an answer were compared with {} entries",
        checked.acknowledged, checked.unknown, checked.entries
    );
    if checked.acknowledged == 0 {
        against.push("nothing was acknowledged at all".to_owned());
    }
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(Some(flow))
}

/// The drill's trustees sign in by themselves, and again when they have to: nobody was acknowledged that.
fn of_a_trustee(mut entry: Stands, trustees: &[Uuid]) -> Stands {
    let own = entry.subject.is_some_and(|subject| trustees.contains(&subject));
    if own && entry.command == "identity/sign-in" {
        entry.command = "a trustee's sign-in".to_owned();
    }
    entry
}

/// Compares a folder's history with all entries of a ledger; what speaks against it.
pub(crate) fn compare_all(
    history: &Path,
    entries: impl IntoIterator<Item = anyhow::Result<Stands>>,
    commands: &Commands,
    alone: bool,
) -> anyhow::Result<(Checked, Vec<String>)> {
    let checked = compare(sort(&files_in(history, EXTENSION)?)?, entries, commands, alone)?;
    let against = told(&checked);
    Ok((checked, against))
}

/// What speaks against a ledger: some of it in words, and how much more there is.
pub(super) fn told(checked: &Checked) -> Vec<String> {
    let mut against: Vec<_> = checked.told.iter().map(said).collect();
    let untold = checked.breaches.saturating_sub(against.len() as u64);
    if untold > 0 {
        against.push(format!("and {untold} more"));
    }
    against
}

fn flow(checked: &Checked) -> Flow {
    let Checked { acknowledged, unknown, lost, altered, doubled, unasked, .. } = *checked;
    Flow {
        asked: acknowledged + unknown,
        acknowledged,
        unknown,
        refused: 0,
        found: acknowledged.saturating_sub(lost + altered + doubled),
        lost,
        altered,
        doubled: doubled + unasked,
        proven: 0,
    }
}

fn said(breach: &Breach) -> String {
    match breach {
        Breach::Lost { index, command } => {
            format!("{command} was acknowledged as entry {index}, and is not there")
        }
        Breach::Altered { index, said, stands } => {
            format!("entry {index} was acknowledged as {said}; there stands {stands}")
        }
        Breach::Doubled { index } => format!("entry {index} was acknowledged twice"),
        Breach::Gap { after, next } => format!("behind entry {after} comes entry {next}"),
        Breach::Unasked { command, stand, acknowledged, unknown } => format!(
            "{command} stands there {stand} times; {acknowledged} were acknowledged, and {unknown} had no answer"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_count_what_is_not_told_too() {
        let examples = vec![Breach::Doubled { index: 1 }; 20];
        let checked = Checked {
            acknowledged: 1000,
            breaches: 601,
            lost: 300,
            altered: 200,
            doubled: 100,
            unasked: 7,
            told: examples,
            ..Checked::default()
        };
        let Flow { found, lost, altered, doubled, .. } = flow(&checked);
        assert_eq!((found, lost, altered, doubled), (400, 300, 200, 107));
        assert_eq!(told(&checked).last().map(String::as_str), Some("and 581 more"));
    }
}
