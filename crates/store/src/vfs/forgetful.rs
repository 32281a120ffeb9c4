//! What was written to a file and not yet synced, kept apart from the file, so that the end of the process
//! takes it.

use std::{
    collections::BTreeMap,
    ffi::c_int,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::real::{Code, Filled, RealFile};

const BLOCK_BYTES: usize = 4096;

/// Changes by file. They stay when the file is closed: a close syncs nothing.
static FILES: Mutex<BTreeMap<PathBuf, Arc<Mutex<Unsynced>>>> = Mutex::new(BTreeMap::new());

/// The changes of one file that have not been synced, shared by all who have it open.
#[derive(Debug, Default)]
pub(super) struct Unsynced(Option<Image>);

/// The file as it would be, where that is not how it is.
#[derive(Debug)]
struct Image {
    size: u64,
    /// From here on the real file's bytes do not count, whatever they are.
    kept: u64,
    /// Whole blocks, by their number.
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

/// What is not synced of the file at `path`.
pub(super) fn unsynced_of(path: &Path) -> Arc<Mutex<Unsynced>> {
    let mut files = FILES.lock().expect("nobody panics while holding the list of files");
    Arc::clone(files.entry(path.to_owned()).or_default())
}

/// The file is no more.
pub(super) fn forget(path: &Path) {
    FILES.lock().expect("nobody panics while holding the list of files").remove(path);
}

impl Unsynced {
    pub(super) fn read(&self, real: &mut RealFile, buffer: &mut [u8], offset: u64) -> Result<Filled, Code> {
        match &self.0 {
            None => real.read(buffer, offset),
            Some(image) => image.read(real, buffer, offset),
        }
    }

    pub(super) fn write(&mut self, real: &mut RealFile, bytes: &[u8], offset: u64) -> Result<(), Code> {
        let image = self.image(real)?;
        for (number, within) in blocks_of(bytes.len(), offset) {
            if !image.blocks.contains_key(&number) {
                let mut block = Box::new([0; BLOCK_BYTES]);
                image.read(real, block.as_mut_slice(), number * BLOCK_BYTES as u64)?;
                image.blocks.insert(number, block);
            }
            let begin = place_in(number * BLOCK_BYTES as u64 + within.start as u64, offset);
            if let Some(block) = image.blocks.get_mut(&number) {
                block[within.clone()].copy_from_slice(&bytes[begin..begin + within.len()]);
            }
        }
        image.size = image.size.max(offset + bytes.len() as u64);
        Ok(())
    }

    pub(super) fn truncate(&mut self, real: &mut RealFile, size: u64) -> Result<(), Code> {
        let image = self.image(real)?;
        image.size = size;
        image.kept = image.kept.min(size);
        image.blocks.retain(|number, _| *number < size.div_ceil(BLOCK_BYTES as u64));
        if let Some(block) = image.blocks.get_mut(&(size / BLOCK_BYTES as u64)) {
            block[place_in(size, size - size % BLOCK_BYTES as u64)..].fill(0);
        }
        Ok(())
    }

    /// Lets the real file have it all, and syncs that.
    pub(super) fn sync(&mut self, real: &mut RealFile, flags: c_int) -> Result<(), Code> {
        if let Some(image) = &self.0 {
            image.write_to(real)?;
        }
        real.sync(flags)?;
        self.0 = None;
        Ok(())
    }

    pub(super) fn size(&self, real: &mut RealFile) -> Result<u64, Code> {
        self.0.as_ref().map_or_else(|| real.size(), |image| Ok(image.size))
    }

    fn image(&mut self, real: &mut RealFile) -> Result<&mut Image, Code> {
        let size = self.size(real)?;
        Ok(self.0.get_or_insert_with(|| Image { size, kept: size, blocks: BTreeMap::new() }))
    }
}

impl Image {
    fn read(&self, real: &mut RealFile, buffer: &mut [u8], offset: u64) -> Result<Filled, Code> {
        buffer.fill(0);
        let length = buffer.len();
        let kept = place_in(self.kept.max(offset), offset).min(length);
        if kept > 0 {
            real.read(&mut buffer[..kept], offset)?;
        }
        for (number, within) in blocks_of(length, offset) {
            if let Some(block) = self.blocks.get(&number) {
                let begin = place_in(number * BLOCK_BYTES as u64 + within.start as u64, offset);
                buffer[begin..begin + within.len()].copy_from_slice(&block[within]);
            }
        }
        let whole = offset + length as u64 <= self.size;
        Ok(if whole { Filled::Whole } else { Filled::Short })
    }

    fn write_to(&self, real: &mut RealFile) -> Result<(), Code> {
        if real.size()? > self.kept {
            real.truncate(self.kept)?;
        }
        for (number, block) in &self.blocks {
            let offset = number * BLOCK_BYTES as u64;
            let length = place_in(self.size, offset).min(BLOCK_BYTES);
            real.write(&block[..length], offset)?;
        }
        if real.size()? == self.size { Ok(()) } else { real.truncate(self.size) }
    }
}

/// The blocks that a run of bytes touches: the number of each, and the part of it that is touched.
fn blocks_of(length: usize, offset: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let block = BLOCK_BYTES as u64;
    let end = offset + length as u64;
    (offset / block..end.div_ceil(block)).map(move |number| {
        let begin = number * block;
        (number, place_in(offset.max(begin), begin)..place_in(end.min(begin + block), begin))
    })
}

/// How far `offset` is from `begin`, which is not behind it.
fn place_in(offset: u64, begin: u64) -> usize {
    usize::try_from(offset - begin).expect("a file that fits the memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(length: usize, offset: u64, expected: &[(u64, Range<usize>)]) {
        assert_eq!(blocks_of(length, offset).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_whole_block_touches_itself_alone() {
        check(4096, 8192, &[(2, 0..4096)]);
    }

    #[test]
    fn bytes_across_a_boundary_touch_both_sides() {
        check(30, 4090, &[(0, 4090..4096), (1, 0..24)]);
    }

    #[test]
    fn no_bytes_touch_no_block() {
        check(0, 4096, &[]);
    }
}
