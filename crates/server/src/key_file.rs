//! The key file at a start: made when everything is new, and never in the place of one that was lost.

use anyhow::Context;
use clock::Clock;
use seal::{Keys, PersonKeys};
use store::Databases;

use crate::data_folder::DataFolder;

/// The databases of one deployment.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) keys: Databases,
    pub(crate) services: Databases,
}

/// Opens the key file; makes one only if nothing was ever made with another.
pub(crate) fn open(folder: &DataFolder, engines: &Engines, clock: &Clock) -> anyhow::Result<Keys> {
    let Some(made) = made_with_keys(folder, engines)? else {
        return Keys::open(&folder.keys(), clock).context("cannot open the key file");
    };
    Keys::open_existing(&folder.keys(), clock).with_context(|| {
        format!(
            "cannot open the key file, and {made} was made with one: if it is missing, restore keys.json from its \
             copy to {}; no new one will do",
            folder.keys().display()
        )
    })
}

/// Something that was made with a key file, if anything was.
fn made_with_keys(folder: &DataFolder, engines: &Engines) -> anyhow::Result<Option<String>> {
    let checkpoint = folder.checkpoint(identity::SERVICE);
    if checkpoint.exists() {
        return Ok(Some(checkpoint.display().to_string()));
    }
    if PersonKeys::exist(&engines.keys).context("cannot look for the store of persons' keys")? {
        return Ok(Some("the store of persons' keys".to_owned()));
    }
    let exists = engines.services.exists(identity::SERVICE).context("cannot look for the database")?;
    Ok(exists.then(|| format!("the database `{}`", identity::SERVICE)))
}
