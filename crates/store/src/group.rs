//! Where work waits while the disk syncs. Batches form by themselves: no timer waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A bounded place to wait, emptied by one taker or several.
#[derive(Debug)]
pub struct Group<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    waiting_max: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    closed: bool,
}

/// There is no room, or no taker any more; here is the work back.
#[derive(Debug)]
pub enum Full<T> {
    Crowded(T),
    Closed(T),
}

/// Held by a taker: when it ends, however it ends, nobody joins any more, and those who still wait are
/// dropped, so that whoever waits for their answers learns that none will come.
#[derive(Debug)]
pub struct TakerGuard<T>(pub Arc<Group<T>>);

impl<T> Drop for TakerGuard<T> {
    fn drop(&mut self) {
        self.0.close();
        let abandoned = std::mem::take(&mut self.0.lock().waiting);
        drop(abandoned);
    }
}

impl<T> Group<T> {
    /// A place where at most `waiting_max` wait.
    #[must_use]
    pub fn new(waiting_max: usize) -> Self {
        Self {
            state: Mutex::new(State { waiting: Vec::new(), closed: false }),
            arrived: Condvar::new(),
            waiting_max,
        }
    }

    /// Lets one more wait.
    ///
    /// # Errors
    /// When there is no room, or nobody will take it.
    pub fn join(&self, work: T) -> Result<(), Full<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Full::Closed(work));
        }
        if state.waiting.len() >= self.waiting_max {
            return Err(Full::Crowded(work));
        }
        state.waiting.push(work);
        let first = state.waiting.len() == 1;
        drop(state);
        // The taker sleeps only when nobody waits, so only the first to come need wake it.
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until somebody waits, then takes all of them, up to `batch_max`, into the empty `batch`.
    /// Returns false when the place is closed and empty.
    pub fn take(&self, batch: &mut Vec<T>, batch_max: usize) -> bool {
        let state = self.lock();
        let mut state = self
            .arrived
            .wait_while(state, |state| state.waiting.is_empty() && !state.closed)
            .expect("nobody panics while holding the group");
        if state.waiting.len() <= batch_max {
            std::mem::swap(&mut state.waiting, batch);
        } else {
            batch.extend(state.waiting.drain(..batch_max));
            // Whoever joins only wakes a taker when nobody waited before.
            self.arrived.notify_one();
        }
        !batch.is_empty()
    }

    /// Lets nobody join any more; those who wait are still taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Has it been closed?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Does nobody wait?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("nobody panics while holding the group")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_wait_are_taken_together_and_in_order() {
        let group = Group::new(10);
        (0..5).for_each(|work| group.join(work).expect("there is room"));
        let mut batch = Vec::new();
        assert!(group.take(&mut batch, 3));
        assert_eq!(batch, [0, 1, 2]);
        batch.clear();
        assert!(group.take(&mut batch, 3));
        assert_eq!(batch, [3, 4]);
    }

    #[test]
    fn a_full_place_gives_the_work_back() {
        let group = Group::new(1);
        group.join(1).expect("there is room");
        assert!(matches!(group.join(2), Err(Full::Crowded(2))));
    }

    #[test]
    fn a_taker_that_panics_leaves_nobody_waiting_for_ever() {
        let group = Arc::new(Group::new(2));
        let (answer, answered) = std::sync::mpsc::channel::<()>();
        group.join(answer).expect("there is room");
        let guard = TakerGuard(Arc::clone(&group));
        let taker = std::thread::spawn(move || {
            let _guard = guard;
            panic!("a bug in a taker");
        });
        assert!(taker.join().is_err());
        assert!(answered.recv().is_err());
        assert!(group.is_closed());
    }

    #[test]
    fn several_takers_work_at_the_same_time() {
        let group = std::sync::Arc::new(Group::new(100));
        let together = std::sync::Arc::new(std::sync::Barrier::new(3));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let (group, together) = (std::sync::Arc::clone(&group), std::sync::Arc::clone(&together));
                std::thread::spawn(move || {
                    let mut batch = Vec::new();
                    assert!(group.take(&mut batch, 1));
                    // Passed only when both have taken, while neither is done.
                    together.wait();
                })
            })
            .collect();
        (0..2).for_each(|work| group.join(work).expect("there is room"));
        together.wait();
        takers.into_iter().for_each(|taker| taker.join().expect("it ends"));
    }

    #[test]
    fn a_closed_place_is_emptied_before_it_ends() {
        let group = Group::new(2);
        group.join(1).expect("there is room");
        group.close();
        assert!(matches!(group.join(2), Err(Full::Closed(2))));
        let mut batch = Vec::new();
        assert!(group.take(&mut batch, 9));
        batch.clear();
        assert!(!group.take(&mut batch, 9));
    }
}
