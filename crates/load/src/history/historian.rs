//! Keeps what is acknowledged to one thread of the generator.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use ledger::merkle::Hash;
use serde_json::Value;
use uuid::Uuid;

use super::{Acknowledgement, Commands};
use crate::{Load, journey::Step, people::Person};

const BUFFER_BYTES: usize = 256 << 10;
/// What the files of a history are called: of the ledger of people, and of the board of an election.
pub const EXTENSION: &str = "acknowledged";
pub const VOTES_EXTENSION: &str = "voted";

/// Votes stand on a board of their own, with places of their own.
fn is_vote(command: &str) -> bool {
    command.starts_with("election/")
}

/// May what was asked for have happened all the same? Something failed inside, or the target says itself that it does
/// not know; a refusal says that nothing happened.
pub fn may_have_happened(status: u16, body: &[u8]) -> bool {
    status >= 500 && (status != 503 || memchr::memmem::find(body, b"in-doubt").is_some())
}

/// Writes one file, which only grows.
#[derive(Debug)]
pub struct Historian {
    file: Option<BufWriter<File>>,
    votes: Option<BufWriter<File>>,
    commands: Commands,
    /// The first thing that went wrong with the file.
    failed: Option<std::io::Error>,
}

impl Historian {
    /// Opens the file of one thread of a load, if the load keeps a history.
    pub fn open(load: &Load, number: usize) -> anyhow::Result<Self> {
        match &load.history {
            Some(folder) => Self::in_folder(folder, &format!("{}-{number}", load.names), &load.commands),
            None => Ok(Self { file: None, votes: None, commands: load.commands.clone(), failed: None }),
        }
    }

    /// Opens a file of this name.
    pub fn in_folder(folder: &Path, name: &str, commands: &Commands) -> anyhow::Result<Self> {
        let open = |extension: &str| {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(format!("{name}.{extension}"));
            let file = File::options().create(true).append(true).open(path)?;
            anyhow::Ok(BufWriter::with_capacity(BUFFER_BYTES, file))
        };
        let file = Some(open(EXTENSION).context("cannot keep a history")?);
        let votes = Some(open(VOTES_EXTENSION).context("cannot keep a history")?);
        Ok(Self { file, votes, commands: commands.clone(), failed: None })
    }

    /// Takes from a good answer what later steps need, and what it acknowledges. Nothing if it lacks either.
    pub fn acknowledge(
        &mut self,
        step: &Step,
        person: Option<&Person>,
        body: &[u8],
        now: Duration,
        kept: &mut Vec<String>,
    ) -> Option<()> {
        let answer: Value = serde_json::from_slice(body).ok()?;
        for pointer in &step.keep {
            let value = answer.pointer(pointer)?;
            kept.push(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let Some(command) = &step.acknowledges else { return Some(()) };
        let receipt = answer.pointer(&step.receipt)?;
        let subject =
            answer.get("personId").and_then(Value::as_str).or(person.map(|person| person.id.as_str()));
        // Whose vote it is stands nowhere but in their own hands.
        let subject = subject.filter(|_| !is_vote(command));
        self.take(command, receipt, subject, now)
    }

    /// Keeps what a receipt acknowledges. Nothing if it is none.
    pub fn take(
        &mut self,
        command: &str,
        receipt: &Value,
        subject: Option<&str>,
        now: Duration,
    ) -> Option<()> {
        let index = receipt.get("index")?.as_u64()?;
        let leaf = Hash::from_base64(receipt.get("leafHash")?.as_str()?).ok()?;
        let subject = subject.and_then(|subject| Uuid::parse_str(subject).ok()).unwrap_or_default();
        self.keep(command, now, Some(index), leaf, subject);
        Some(())
    }

    /// A command was asked for, and no answer came: it may have happened or not.
    pub fn unknown(&mut self, command: &str, now: Duration) {
        self.keep(command, now, None, Hash([0; 32]), Uuid::nil());
    }

    fn keep(&mut self, command: &str, now: Duration, index: Option<u64>, leaf: Hash, subject: Uuid) {
        let kept = if is_vote(command) { &mut self.votes } else { &mut self.file };
        let Some(file) = kept else { return };
        let command = self.commands.number(command).unwrap_or(u8::MAX);
        let at_ms = u32::try_from(now.as_millis()).unwrap_or(u32::MAX);
        let bytes = Acknowledgement { command, at_ms, index, leaf, subject }.to_bytes();
        if let Err(error) = file.write_all(&bytes) {
            self.failed.get_or_insert(error);
        }
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        for file in self.file.iter_mut().chain(&mut self.votes) {
            file.flush().context("cannot keep the history")?;
        }
        self.failed.take().map_or(Ok(()), |error| Err(error).context("cannot keep the history"))
    }
}
