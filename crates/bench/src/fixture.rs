//! Folders of data that take long to fill: made once, and kept beside the build.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use rig::Server;
use store::{Databases, SqliteConfig, Writer};

/// The folder of data of this name; `fill` writes what is to be in the identity service's database.
pub(crate) fn kept(
    name: &str,
    fill: impl FnOnce(&mut Writer) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target =
        own.ancestors().find(|folder| folder.ends_with("target")).context("a bench lies in target")?;
    let data = target.join("bench").join(name);
    let done = target.join("bench").join(format!("{name}.done"));
    if done.exists() {
        return Ok(data);
    }
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(target.join("bench"))?;
    // A first start makes the keys, the tables and the administrator.
    Server::start(&data)?.stop()?;
    let mut database = opened(&data)?;
    fill(&mut database)?;
    database.fold_log()?;
    fs::write(done, "")?;
    Ok(data)
}

/// The identity service's database, with a cache for millions of rows.
fn opened(data: &Path) -> anyhow::Result<Writer> {
    let sqlite = SqliteConfig { write_cache_mib: 2048.try_into()?, ..SqliteConfig::default() };
    let databases = Databases::in_files(&data.join("services")).with_sqlite(sqlite);
    Ok(databases.open(identity::SERVICE, &identity::schema())?.writer)
}
