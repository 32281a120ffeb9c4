//! Somebody who asks all the time whether the target is well: a fault that this one does not see has not happened.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use clock::Stopwatch;
use tokio::{task::JoinSet, time};

use load::people::People;

use crate::{client::Client, ground::sign_in_device};

/// How often the drill's own node is asked: what lasts shorter is not seen.
pub(crate) const OFTEN: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);

/// One question: when it was asked, how long it took, and whether the answer was good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) good: bool,
}

/// Asks on a thread of its own until it is dropped: signs in with a device, which is read, written and synced.
#[derive(Debug)]
pub(crate) struct Probe {
    asked: Kept,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Kept = Arc<Mutex<Vec<Asked>>>;

impl Probe {
    /// Begins to ask.
    pub(crate) fn begin(
        client: &Client,
        people: &Arc<People>,
        stopwatch: &Stopwatch,
        every: Duration,
    ) -> anyhow::Result<Self> {
        let (asked, over) = (Kept::default(), Arc::new(AtomicBool::new(false)));
        let (client, people, stopwatch) = (client.clone(), Arc::clone(people), stopwatch.clone());
        let (kept, ended) = (Arc::clone(&asked), Arc::clone(&over));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || runtime.block_on(ask_until(every, &ended, &client, &people, &stopwatch, &kept));
        let thread = thread::Builder::new().name("drill-probe".to_owned()).spawn(work)?;
        Ok(Self { asked, over, thread: Some(thread) })
    }

    /// What was asked from then on, so far.
    pub(crate) fn since(&self, from: Duration) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().copied().filter(|asked| asked.at >= from).collect()
    }

    /// The first good answer to a question that was asked from then on: when it came.
    pub(crate) fn well_since(&self, from: Duration) -> Option<Duration> {
        self.since(from).iter().filter(|asked| asked.good).map(|asked| asked.at + asked.took).min()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn ask_until(
    every: Duration,
    ended: &AtomicBool,
    client: &Client,
    people: &Arc<People>,
    stopwatch: &Stopwatch,
    kept: &Kept,
) {
    let mut ticks = time::interval(every);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let mut number = 0_usize;
    let mut asking = JoinSet::new();
    while !ended.load(Ordering::Relaxed) {
        ticks.tick().await;
        number += 1;
        // A connection of its own for each: one that hangs must not hide what others would see.
        let client = client.with_patience(PATIENCE);
        let (people, stopwatch, kept) = (Arc::clone(people), stopwatch.clone(), Arc::clone(kept));
        asking.spawn(async move {
            let at = stopwatch.elapsed();
            let Some(person) = people.devices.get(number % people.devices.len().max(1)) else { return };
            let good = sign_in_device(&client, person).await.is_ok_and(|answer| answer.status == 200);
            let asked = Asked { at, took: stopwatch.elapsed().saturating_sub(at), good };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        });
        while asking.try_join_next().is_some() {}
    }
    // What is still asked may be promised still: it is waited for.
    while asking.join_next().await.is_some() {}
}
