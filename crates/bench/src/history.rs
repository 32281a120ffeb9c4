//! Ten million acknowledgements, compared with ten million entries.

use std::{
    fs::File,
    io::{BufWriter, Write},
};

use ::load::history::{Acknowledgement, Commands, Stands, check, sort};
use anyhow::ensure;
use clock::Clock;
use ledger::merkle::leaf_hash;
use uuid::Uuid;

use crate::figures::{Figures, median};

const COMMANDS: [&str; 2] = ["identity/register-person", "identity/sign-in"];
/// Files that threads of a generator would have written.
const FILES: u64 = 2;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, acknowledged) = if quick { (1, 2_000_000) } else { (3, 10_000_000) };
    let folder = tempfile::tempdir()?;
    let commands = Commands::of(COMMANDS);
    let mut files = Vec::new();
    for number in 0..FILES {
        let path = folder.path().join(number.to_string());
        let mut file = BufWriter::new(File::create(&path)?);
        // Answers come in no order: the ledger's places are strewn, here by a step that hits each once.
        for place in 0..acknowledged / FILES {
            let index = (place * FILES + number) * 7_368_787 % acknowledged;
            file.write_all(&acknowledgement(index).to_bytes())?;
        }
        file.flush()?;
        files.push(path);
    }
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let stopwatch = Clock::System.stopwatch();
        let entries = (0..acknowledged).map(|index| Ok(entry(index, &commands)));
        let checked = check(sort(&files)?, entries, &commands, true)?;
        ensure!(checked.breaches == 0 && checked.acknowledged == acknowledged, "{checked:?}");
        seconds.push(stopwatch.elapsed().as_secs_f64());
    }
    let seconds = median(seconds);
    let mut figures = Figures::new("history");
    let of_ten_million = seconds * 1e7 / ::load::float(acknowledged);
    figures.add(
        "seconds_10m",
        of_ten_million,
        "sorted in runs of 64 MiB, merged, each compared with its entry",
    );
    figures.add("per_s", ::load::float(acknowledged) / seconds, "acknowledgements compared");
    Ok(figures)
}

fn acknowledgement(index: u64) -> Acknowledgement {
    Acknowledgement {
        command: u8::from(index.is_multiple_of(2)),
        at_ms: 0,
        index: Some(index),
        leaf: leaf_hash(&index.to_le_bytes()),
        subject: Uuid::from_u128(u128::from(index) + 1),
    }
}

fn entry(index: u64, commands: &Commands) -> Stands {
    Stands {
        index,
        command: commands.name(u8::from(index.is_multiple_of(2))).to_owned(),
        subject: Some(Uuid::from_u128(u128::from(index) + 1)),
        leaf: Some(leaf_hash(&index.to_le_bytes())),
    }
}
