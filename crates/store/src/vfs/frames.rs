//! The write-ahead log: are the pages read from it those that were written to it?
//!
//! SQLite compares a frame with its checksum only when it recovers a log that a crash left behind. Here every
//! page read from the log is compared: with a digest taken when this process wrote it, or, if another process
//! wrote it, with the checksum that SQLite itself put into the frame. Frames of a transaction at work may carry
//! stale checksums until it commits, but only the process that writes them reads those.
//!
//! What this cannot see is a log whose end is cut off or spoilt before a crash is recovered: SQLite takes the
//! rest for all there is. The checkpoint file that a ledger publishes beside its database finds that.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use super::{
    medium::Medium,
    page::{self, PAGE_BYTES},
    real::{Code, Filled},
};

const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
const FRAME_BYTES: u64 = FRAME_HEADER_BYTES + PAGE_BYTES as u64;

/// Digests by log, for as long as somebody has it open.
static LOGS: Mutex<BTreeMap<PathBuf, Weak<Mutex<Frames>>>> = Mutex::new(BTreeMap::new());

/// A digest of each page in a log that this process knows to be right.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<Option<u64>>);

/// Two running sums, as SQLite's own format has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checksum(u32, u32);

/// The order of bytes in which a log's words are summed.
type Word = fn([u8; 4]) -> u32;

/// The frames of the log at `path`, shared by all who have it open.
pub(super) fn frames_of(path: &Path) -> Arc<Mutex<Frames>> {
    let mut logs = LOGS.lock().expect("nobody panics while holding the list of logs");
    logs.retain(|_, frames| frames.strong_count() > 0);
    let known = logs.get(path).and_then(Weak::upgrade);
    known.unwrap_or_else(|| {
        let frames = Arc::default();
        logs.insert(path.to_owned(), Arc::downgrade(&frames));
        frames
    })
}

/// The log is no more: one of the same name is another.
pub(super) fn forget(path: &Path) {
    LOGS.lock().expect("nobody panics while holding the list of logs").remove(path);
}

/// Which frame's page these bytes are, counted from nought, if they are one.
pub(super) fn frame_at(length: usize, offset: u64) -> Option<u64> {
    let place = offset.checked_sub(LOG_HEADER_BYTES + FRAME_HEADER_BYTES)?;
    (length == PAGE_BYTES && place.is_multiple_of(FRAME_BYTES)).then_some(place / FRAME_BYTES)
}

impl Frames {
    /// Takes note of a write.
    pub(super) fn wrote(&mut self, bytes: &[u8], offset: u64) {
        let Some(frame) = frame_at(bytes.len(), offset) else {
            self.unknow(bytes.len() as u64, offset);
            return;
        };
        self.know(frame, page::digest(bytes));
    }

    /// Takes note that the log ends here now.
    pub(super) fn cut(&mut self, size: u64) {
        let frames = size.saturating_sub(LOG_HEADER_BYTES) / FRAME_BYTES;
        self.0.truncate(place(frames));
    }

    /// Is this what was written to that frame, as far as this process knows?
    pub(super) fn knows(&self, frame: u64, bytes: &[u8]) -> bool {
        self.0.get(place(frame)).copied().flatten() == Some(page::digest(bytes))
    }

    pub(super) fn know(&mut self, frame: u64, digest: u64) {
        let place = place(frame);
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        self.0[place] = Some(digest);
    }

    /// Part of a page was written over: the digest of the whole says nothing any more.
    fn unknow(&mut self, length: u64, offset: u64) {
        let first = offset.saturating_sub(LOG_HEADER_BYTES) / FRAME_BYTES;
        let last = (offset + length).saturating_sub(LOG_HEADER_BYTES).div_ceil(FRAME_BYTES);
        for frame in first..last {
            let page_begins = LOG_HEADER_BYTES + frame * FRAME_BYTES + FRAME_HEADER_BYTES;
            if offset + length > page_begins
                && let Some(known) = self.0.get_mut(place(frame))
            {
                *known = None;
            }
        }
    }
}

/// Does the page fit the checksum in its frame, which goes on from the one in the frame before?
pub(super) fn fits_its_frame(log: &mut Medium, frame: u64, page: &[u8]) -> Result<bool, Code> {
    let (mut log_header, mut frame_header, mut before) = ([0; 32], [0; 24], [0; 8]);
    let begins = LOG_HEADER_BYTES + frame * FRAME_BYTES;
    // The checksum before this one: the last eight bytes of the log's header or of the frame header before.
    let before_at =
        if frame == 0 { LOG_HEADER_BYTES - 8 } else { begins - FRAME_BYTES + FRAME_HEADER_BYTES - 8 };
    for (buffer, offset) in [
        (log_header.as_mut_slice(), 0),
        (frame_header.as_mut_slice(), begins),
        (before.as_mut_slice(), before_at),
    ] {
        if log.read(buffer, offset)? == Filled::Short {
            return Ok(false);
        }
    }
    let word: Word = if log_header[3] & 1 == 1 { u32::from_be_bytes } else { u32::from_le_bytes };
    let sum = Checksum::stored(&before).add(&frame_header[..8], word).add(page, word);
    Ok(sum == Checksum::stored(&frame_header[16..]))
}

impl Checksum {
    fn stored(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        Self(u32::from_be_bytes(words[0]), u32::from_be_bytes(words[1]))
    }

    fn add(mut self, bytes: &[u8], word: Word) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        for pair in words.chunks_exact(2) {
            self.0 = self.0.wrapping_add(word(pair[0])).wrapping_add(self.1);
            self.1 = self.1.wrapping_add(word(pair[1])).wrapping_add(self.0);
        }
        self
    }
}

fn place(frame: u64) -> usize {
    usize::try_from(frame).expect("a log that fits the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_PAGE: u64 = LOG_HEADER_BYTES + FRAME_HEADER_BYTES;

    #[test]
    fn a_written_page_is_known_until_part_of_it_is_written_over() {
        let mut frames = Frames::default();
        frames.wrote(&[7; PAGE_BYTES], FIRST_PAGE + FRAME_BYTES);
        assert!(frames.knows(1, &[7; PAGE_BYTES]));
        assert!(!frames.knows(1, &[8; PAGE_BYTES]));
        frames.wrote(&[7; 24], LOG_HEADER_BYTES + FRAME_BYTES);
        assert!(frames.knows(1, &[7; PAGE_BYTES]), "the header of a frame is not its page");
        frames.wrote(&[7; 10], FIRST_PAGE + FRAME_BYTES + 100);
        assert!(!frames.knows(1, &[7; PAGE_BYTES]));
    }

    #[test]
    fn pages_behind_a_new_end_are_not_known_any_more() {
        let mut frames = Frames::default();
        (0..3).for_each(|frame| frames.wrote(&[7; PAGE_BYTES], FIRST_PAGE + frame * FRAME_BYTES));
        frames.cut(LOG_HEADER_BYTES + 2 * FRAME_BYTES);
        assert!(frames.knows(1, &[7; PAGE_BYTES]));
        assert!(!frames.knows(2, &[7; PAGE_BYTES]));
    }
}
