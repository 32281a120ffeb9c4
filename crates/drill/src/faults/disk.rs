//! A disk that is full: nothing is promised that is not kept, and there is room again when there is.

use std::{fs, time::Duration};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tokio::time;

use load::target::Target;
use report::Area;

use crate::{
    client::Client,
    ground::{Ground, device, sign_in_device},
    local::{Local, NodeOptions},
};

const NAME: &str = "failure/disk-full";
const TITLE: &str = "A full disk promises nothing, and loses nothing";
const DISK: &str = "size=48m,mode=0700";
/// How long the node may take to serve again when there is room.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A small disk that is taken away when dropped.
struct Disk(std::path::PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        // If it cannot be taken away, it stays until the machine ends: 48 MiB.
        unmount(&self.0, UnmountFlags::DETACH).unwrap_or_default();
    }
}

/// Fills the disk of a node of its own, and empties it again.
pub(super) fn full(ground: &mut Ground) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("holdfast-drill-disk-").tempdir()?;
    let options = std::ffi::CString::new(DISK)?;
    let mounted = mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), options.as_c_str());
    if let Err(error) = mounted {
        ground.skipped(Area::Failure, NAME, TITLE, format!("no small file system can be mounted: {error}"));
        return Ok(());
    }
    let disk = Disk(folder.path().to_owned());
    let mut local = Local::start(NodeOptions { data: Some(disk.0.join("data")), ..NodeOptions::default() })?;
    let client = Client::new(&Target::at(local.public));
    let against = ground.block_on(fill_and_empty(&client, &disk.0, &ground.names))?;
    local.stop()?;
    let mut against = against;
    if let Err(error) = local.verify() {
        against.push(format!("its ledger is not in order afterwards: {error:#}"));
    }
    drop((local, disk));
    let detail = "a node on a disk of 48 MiB was filled up, asked, given room, and verified";
    ground.judged(Area::Failure, NAME, TITLE, detail, against);
    Ok(())
}

async fn fill_and_empty(client: &Client, disk: &std::path::Path, names: &str) -> anyhow::Result<Vec<String>> {
    let person = device(client, &format!("{names}-disk")).await?;
    let ballast = disk.join("ballast");
    // As much as there is room for: the write fails when there is none.
    drop(fs::write(&ballast, vec![0; 48 << 20]));
    let mut against = Vec::new();
    let (mut refused, mut promised) = (0, Vec::new());
    for number in 0..60 {
        match device(client, &format!("{names}-full-{number}")).await {
            Ok(person) => promised.push(person),
            Err(_) => refused += 1,
        }
    }
    if refused == 0 {
        against.push("nothing was refused: the disk was not full".to_owned());
    }
    fs::remove_file(&ballast)?;
    let began = crate::ground::stopwatch();
    let mut well = false;
    while !well && crate::ending::ended_by().is_none() && began.elapsed() < PATIENCE {
        time::sleep(LOOK_EVERY).await;
        well = sign_in_device(client, &person).await.is_ok_and(|answer| answer.status == 200);
    }
    if !well {
        against.push("it does not serve again with room on its disk".to_owned());
    }
    for person in promised {
        let signed_in = sign_in_device(client, &person).await.is_ok_and(|answer| answer.status == 200);
        if well && !signed_in {
            against.push(format!("{} was acknowledged, and is lost", person.user));
        }
    }
    Ok(against)
}
