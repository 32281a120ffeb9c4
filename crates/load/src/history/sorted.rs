//! Acknowledgements in the order of the ledger, however many there are: sorted in runs that fit, then merged.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use super::{Acknowledgement, BYTES};

/// Acknowledgements that are sorted at once: 64 MiB of them.
const RUN: usize = 1 << 20;
const BUFFER_BYTES: usize = 1 << 20;

/// Reads what is in the order of its index, with what had no answer at the end.
pub struct Sorted {
    runs: Vec<BufReader<File>>,
    next: BinaryHeap<Reverse<(u64, usize, [u8; BYTES])>>,
    /// Holds the runs; they go with it.
    _folder: tempfile::TempDir,
}

impl std::fmt::Debug for Sorted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sorted").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

/// Sorts the acknowledgements in these files, which have one set of commands.
///
/// # Errors
/// When a file cannot be read, or the runs cannot be written.
pub fn sort(files: &[PathBuf]) -> io::Result<Sorted> {
    let folder = tempfile::tempdir()?;
    let (mut runs, mut run) = (Vec::new(), Vec::with_capacity(RUN));
    for path in files {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        while let Some(record) = read(&mut file)? {
            run.push((index_of(&record), record));
            if run.len() == RUN {
                runs.push(write(&mut run, folder.path(), runs.len())?);
            }
        }
    }
    runs.push(write(&mut run, folder.path(), runs.len())?);
    let mut sorted = Sorted { runs, next: BinaryHeap::new(), _folder: folder };
    for at in 0..sorted.runs.len() {
        sorted.take_from(at)?;
    }
    Ok(sorted)
}

/// Unknown ones have the largest index there is.
fn index_of(record: &[u8; BYTES]) -> u64 {
    Acknowledgement::from_bytes(record).index.unwrap_or(u64::MAX)
}

fn write(run: &mut Vec<(u64, [u8; BYTES])>, folder: &Path, number: usize) -> io::Result<BufReader<File>> {
    run.sort_unstable();
    let path = folder.join(format!("{number}.run"));
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(&path)?);
    run.drain(..).try_for_each(|(_, record)| file.write_all(&record))?;
    file.flush()?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, File::open(path)?))
}

/// The next record; what a crash cut off at the end of a file is none.
fn read(file: &mut impl Read) -> io::Result<Option<[u8; BYTES]>> {
    let mut record = [0; BYTES];
    match file.read_exact(&mut record) {
        Ok(()) => Ok(Some(record)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl Sorted {
    fn take_from(&mut self, at: usize) -> io::Result<()> {
        if let Some(record) = read(&mut self.runs[at])? {
            self.next.push(Reverse((index_of(&record), at, record)));
        }
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Acknowledgement>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, at, record)) = self.next.pop()?;
        Some(self.take_from(at).map(|()| Acknowledgement::from_bytes(&record)))
    }
}
