//! The audit trail can be verified, and a change to it cannot be hidden.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
};

use report::Area;

use crate::{ground::Ground, local::Local};

const NAME: &str = "compliance/audit";
const TITLE: &str = "The audit trail can be verified";
const TAMPERING: &str = "compliance/tampering";
const TAMPERING_TITLE: &str = "A change to the database behind the target's back is found";
/// Places at which one bit of the database is changed, in thousandths of its length.
const PLACES: [u64; 3] = [250, 500, 900];

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let Some(node) = &mut ground.local else {
        let why = "the target's files are not ours to read; what its public interfaces say of it is checked at the end";
        ground.skipped(Area::Compliance, NAME, TITLE, why);
        ground.skipped(Area::Compliance, TAMPERING, TAMPERING_TITLE, why);
        return Ok(());
    };
    node.stop()?;
    let verified = node.verify();
    let tampered = match (&verified, node.database().exists()) {
        (Ok(_), true) => Some(tamper(node)?),
        _ => None,
    };
    node.begin()?;
    let in_order = verified.is_ok();
    match verified {
        Ok(words) => {
            let words = words.lines().collect::<Vec<_>>().join("; ");
            ground.judged(Area::Compliance, NAME, TITLE, words, Vec::new());
        }
        Err(error) => ground.judged(Area::Compliance, NAME, TITLE, "", vec![format!("{error:#}")]),
    }
    match tampered {
        Some(unfound) => {
            let found = PLACES.len() - unfound.len();
            let detail = format!("{found} of {} changes of one bit were found", PLACES.len());
            ground.judged(Area::Compliance, TAMPERING, TAMPERING_TITLE, detail, unfound);
        }
        None if in_order => {
            let why = "the database is a server's: its files are not ours to change";
            ground.skipped(Area::Compliance, TAMPERING, TAMPERING_TITLE, why);
        }
        None => {
            let why = "what is not in order before it is changed shows nothing afterwards";
            ground.skipped(Area::Compliance, TAMPERING, TAMPERING_TITLE, why);
        }
    }
    Ok(())
}

/// Changes one bit after the other, each in a database that is in order; those that nobody noticed.
fn tamper(node: &Local) -> anyhow::Result<Vec<String>> {
    let database = node.database();
    let (kept, mut unfound) = (database.with_extension("kept"), Vec::new());
    fs::copy(&database, &kept)?;
    for place in PLACES {
        flip(&database, place)?;
        if node.verify().is_ok() {
            unfound.push(format!("one changed bit, {place} thousandths into the database, was not found"));
        }
        fs::copy(&kept, &database)?;
    }
    fs::remove_file(kept)?;
    Ok(unfound)
}

fn flip(path: &std::path::Path, thousandths: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let at = file.metadata()?.len() * thousandths / 1000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, at)
}
