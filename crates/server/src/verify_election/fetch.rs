//! Everything that an election published, into a folder.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, ensure};
use board::{Event, Hex, sha256};
use ledger::{checkpoint::Checkpoint, note::Note};
use verifier::{CHECKPOINT, ENTRIES, KEYS, Leaf, blob_file};

use crate::remote::Remote;

/// Entries of a full bundle.
const BUNDLE: u64 = 256;

/// Fetches an election's record. What is there already and has the right hash is not fetched again.
pub(crate) async fn fetch(remote: &Remote, election: &str, folder: &Path) -> anyhow::Result<()> {
    let blobs = folder.join("blobs");
    fs::create_dir_all(&blobs).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let base = format!("/api/v1/public/elections/{election}");
    let shown = remote.get(&base).await?.ok("the election")?.json()?;
    let keys = shown["board"]["keys"].as_array().context("the server shows no keys of the board")?;
    let keys: Vec<_> = keys.iter().filter_map(|key| key.as_str()).collect();
    fs::write(folder.join(KEYS), keys.join("\n"))?;
    let note = remote.get(&format!("{base}/board/checkpoint")).await?.ok("the checkpoint")?.body;
    let checkpoint = Checkpoint::parse(Note::parse(&note)?.text())?;
    let mut entries = Vec::new();
    for number in 0..checkpoint.size().div_ceil(BUNDLE) {
        let width = (checkpoint.size() - number * BUNDLE).min(BUNDLE);
        let path = format!("{base}/board/tile/entries/{}", tile_path(number, width));
        entries.extend_from_slice(&remote.get(&path).await?.ok("a bundle of entries")?.body);
    }
    for hash in named(&entries)? {
        let file = blob_file(folder, &hash);
        if fs::read(&file).is_ok_and(|bytes| sha256(&bytes) == hash) {
            continue;
        }
        let bytes = remote.get(&format!("{base}/blobs/{hash}")).await?.ok("what an entry names")?.body;
        ensure!(sha256(&bytes) == hash, "what the server sends as {hash} has another hash");
        fs::write(file, bytes)?;
    }
    fs::write(folder.join(ENTRIES), entries)?;
    // Last, so that a folder with a checkpoint is whole.
    fs::write(folder.join(CHECKPOINT), &note)?;
    Ok(())
}

/// The path of a tile, as C2SP tlog-tiles has it.
fn tile_path(number: u64, width: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < BUNDLE { format!("{path}.p/{width}") } else { path }
}

/// What entries name by its hash.
fn named(mut entries: &[u8]) -> anyhow::Result<BTreeSet<Hex<32>>> {
    let mut hashes = BTreeSet::new();
    while let Some((length, rest)) = entries.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, rest) = rest.split_at_checked(length).context("a bundle of entries is cut off")?;
        entries = rest;
        let leaf = Leaf::read(bytes)?;
        hashes.extend(Event::read(leaf.command, leaf.body)?.blobs());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_have_the_paths_that_the_specification_gives_them() {
        assert_eq!(tile_path(67, 256), "067");
        assert_eq!(tile_path(1_234_067, 256), "x001/x234/067");
        assert_eq!(tile_path(1000, 8), "x001/000.p/8");
    }
}
