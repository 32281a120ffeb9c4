//! The audit trail can be verified, and a change to it cannot be hidden.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
};

use report::Area;

use crate::ground::Ground;

const NAME: &str = "compliance/audit";
const TITLE: &str = "The audit trail can be verified, and a change to it is found";
/// Places at which one bit of the database is changed, in thousandths of its length.
const PLACES: [u64; 3] = [250, 500, 900];

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let Some(node) = &mut ground.local else {
        ground.skipped(Area::Compliance, NAME, TITLE, "the target's files are not ours to read");
        return Ok(());
    };
    node.stop()?;
    let mut against = Vec::new();
    let words = match node.verify() {
        Ok(words) => words.lines().collect::<Vec<_>>().join("; "),
        Err(error) => {
            against.push(format!("{error:#}"));
            String::new()
        }
    };
    let database = node.data().join("services/identity.db");
    let mut found = 0;
    if database.exists() {
        let kept = database.with_extension("kept");
        fs::copy(&database, &kept)?;
        for place in PLACES {
            flip(&database, place)?;
            match node.verify() {
                Err(_) => found += 1,
                Ok(_) => against
                    .push(format!("one changed bit, {place} thousandths into the database, was not found")),
            }
            fs::copy(&kept, &database)?;
        }
        fs::remove_file(kept)?;
    }
    node.begin()?;
    let detail = format!("{words}; {found} of {} changes of one bit were found", PLACES.len());
    ground.judged(Area::Compliance, NAME, TITLE, detail, against);
    Ok(())
}

fn flip(path: &std::path::Path, thousandths: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let at = file.metadata()?.len() * thousandths / 1000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, at)
}
