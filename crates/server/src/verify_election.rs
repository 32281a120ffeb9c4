//! `holdfast verify-election`: checks an election from what it published, at a URL or in a folder.

mod fetch;

use std::{io::Write, path::PathBuf};

use anyhow::{Context, ensure};
use board::{RollCount, TrusteesNamed};
use clap::Args;
pub(crate) use fetch::fetch;
use verifier::{Checked, Prefix, Record, check};

use crate::remote::Remote;

/// Which election.
#[derive(Debug, Clone, Args)]
pub struct VerifyElectionOptions {
    /// An election's public URL, such as `https://vote.example.gov/api/v1/public/elections/0198f1de-…`, or a folder
    /// that was saved.
    #[arg(value_name = "URL|FOLDER")]
    place: String,
    /// Also keep what was published in this folder.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// A key that must have signed the board (C2SP), as it was learned elsewhere; once for each of its two. Without
    /// them the keys that come with the record are believed, and printed.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
}

/// Checks the election, and prints what was found.
///
/// # Errors
/// The first thing that is wrong; the process then ends with a failure.
pub fn verify_election(options: &VerifyElectionOptions) -> anyhow::Result<()> {
    let (folder, asked, _temporary) = match options.place.split_once("/api/v1/public/elections/") {
        Some((server, election)) => {
            let temporary = tempfile::tempdir().context("cannot make a folder for the record")?;
            let folder = options.save.clone().unwrap_or_else(|| temporary.path().to_owned());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let remote = Remote::new(server)?;
            let election = election.trim_end_matches('/');
            runtime.block_on(fetch(&remote, election, &folder))?;
            (folder, Some(election), Some(temporary))
        }
        None => (PathBuf::from(&options.place), None, None),
    };
    let keys = (!options.keys.is_empty()).then_some(options.keys.as_slice());
    let record = Record::open(&folder, keys)?;
    let checked = check(&record)?;
    if let Some(election) = asked {
        ensure!(
            checked.election.to_string() == election,
            "this is the record of another election, {}",
            checked.election
        );
    }
    let text = tell(&record, &checked, keys.is_none());
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// What was checked, line by line.
fn tell(record: &Record, checked: &Checked, unknown_keys: bool) -> String {
    let mut text = format!("election {} holds as far as it goes:", checked.election);
    let mut line = |said: String| {
        text.push_str("\n- ");
        text.push_str(&said);
    };
    line(format!(
        "the checkpoint of {} is signed by both keys, over {} entries",
        record.origin(),
        checked.entries
    ));
    if unknown_keys {
        line(
            "the keys came with the record: compare them with what the officers announced, with --key"
                .to_owned(),
        );
    }
    match (&checked.manifest, &checked.hash) {
        (Some(manifest), Some(hash)) => {
            line(format!("its manifest has the hash {hash}"));
            manifest.trustees.iter().for_each(|trustees| line(whose_key(trustees)));
        }
        (None, _) | (_, None) => line("nothing is decided yet".to_owned()),
    }
    let Checked { votes, refused, standing, unchecked, .. } = checked;
    line(format!("{votes} votes: {refused} refused rightly, {unchecked} not yet checked, {standing} count"));
    for issued in &checked.issued {
        let RollCount { weight, voters, issued } = issued;
        line(format!(
            "{voters} may vote with weight {weight}, {issued} tokens were given out: compare it with the roll and with who was \
             seen to vote"
        ));
    }
    if checked.mixes > 0 {
        line(format!("{} mixes hold, and every token that counts is the issuer's", checked.mixes));
    }
    if let Some(Prefix { entries, root }) = checked.decrypting {
        line(format!(
            "the first {entries} entries say what is to be decrypted, their root is {root}: the trustees saw the same"
        ));
    }
    checked.remarks.iter().for_each(|remark| line(remark.clone()));
    if !checked.decrypted_by.is_empty() || !checked.lied.is_empty() {
        line(format!(
            "trustees {:?} decrypted; what was sent in the names of {:?} is rightly called false",
            checked.decrypted_by, checked.lied
        ));
    }
    match &checked.results {
        Some(results) => {
            for result in results {
                let names: Vec<_> =
                    result.elected.iter().filter_map(|place| result.candidates.get(*place)).collect();
                line(format!("contest {}: {} votes, elected {names:?}", result.contest_id, result.ballots));
            }
            line(
                if checked.published {
                    "the results are published"
                } else {
                    "the results are not published yet"
                }
                .to_owned(),
            );
        }
        None if checked.abandoned => line("the election was abandoned".to_owned()),
        None => line("the votes are not counted yet".to_owned()),
    }
    text
}

/// Nothing on a board shows who spoke in the trustees' names.
fn whose_key(TrusteesNamed { threshold, names }: &TrusteesNamed) -> String {
    format!(
        "its key was made in the names of {names:?}, of whom {threshold} are enough to decrypt: only they can say that it was they, \
         so ask them whether their programs confirmed this hash"
    )
}
