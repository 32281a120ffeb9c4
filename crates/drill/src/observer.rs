//! Somebody who reads the newest checkpoint all the time, as a witness would: what a ledger once signed, it stands by.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use ledger::{checkpoint::Checkpoint, note::Note};

use crate::{
    client::{Answer, Client},
    ground::stopwatch,
    put_off::later,
};

const EVERY: Duration = Duration::from_millis(250);
/// Checkpoints that are kept, at most: then every second one is forgotten.
const KEPT_MAX: usize = 4096;

/// The path of the newest checkpoint.
pub(crate) const PATH: &str = "/ledger/identity/checkpoint";

/// A checkpoint as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) note: String,
    pub(crate) checkpoint: Checkpoint,
}

/// Watches until it is ended.
#[derive(Debug)]
pub(crate) struct Observer {
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    pub(crate) fn begin(client: &Client) -> anyhow::Result<Self> {
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, kept, ended) =
            (client.with_patience(EVERY * 4).without_waits(), Arc::clone(&seen), Arc::clone(&over));
        let watch = move || {
            runtime.block_on(async {
                while !ended.load(Ordering::Relaxed) {
                    let answer = client.get(PATH).await;
                    let wait = answer.as_ref().ok().and_then(|answer| later(answer.status, &answer.fields));
                    if let Ok(one) = answer.and_then(|answer| read(&answer)) {
                        keep(&kept, one);
                    }
                    // Whoever asks on while they are blocked is blocked for longer, and all others of this machine with them.
                    let again = stopwatch();
                    while !ended.load(Ordering::Relaxed) && again.elapsed() < wait.unwrap_or(EVERY) {
                        tokio::time::sleep(EVERY).await;
                    }
                }
            });
        };
        let thread = thread::Builder::new().name("drill-observer".to_owned()).spawn(watch)?;
        Ok(Self { seen, over, thread: Some(thread) })
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }

    /// Ends, and tells what was seen, in the order in which it was seen.
    pub(crate) fn end(mut self) -> Vec<Seen> {
        self.stop();
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn keep(kept: &Mutex<Vec<Seen>>, one: Seen) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.last().is_none_or(|last| last.checkpoint != one.checkpoint) {
        kept.push(one);
    }
    if kept.len() > KEPT_MAX {
        let mut number = 0;
        kept.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }
}

/// The newest checkpoint, as it is told.
pub(crate) async fn look(client: &Client) -> anyhow::Result<Seen> {
    read(&client.get(PATH).await?)
}

fn read(answer: &Answer) -> anyhow::Result<Seen> {
    anyhow::ensure!(answer.status == 200, "{PATH} gave {}", answer.status);
    let note = String::from_utf8(answer.bytes.to_vec()).context("a checkpoint is text")?;
    let checkpoint = Checkpoint::parse(Note::parse(note.as_bytes())?.text())?;
    Ok(Seen { note, checkpoint })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        sync::atomic::AtomicUsize,
    };

    use load::target::Target;

    use super::*;

    #[test]
    fn who_is_blocked_does_not_ask_on_and_ends_at_once_all_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let target = Target::at(listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _read = stream.read(&mut [0; 4096]);
                counted.fetch_add(1, Ordering::Relaxed);
                let head =
                    "HTTP/1.1 429 Wait\r\nretry-after: 60\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(head.as_bytes()).expect("somebody reads it");
            }
        });
        let observer = Observer::begin(&Client::new(&target)).expect("it begins");
        crate::pause::sleep(EVERY * 6);
        let began = stopwatch();
        assert!(observer.end().is_empty() && began.elapsed() < EVERY * 4);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
