//! Waiting on a thread for what happens on another.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use clock::Clock;

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `future` on this thread until it is done or its time is over; nothing then. Unlike a runtime of its
/// own this may stand anywhere, in a thread that runs one, too.
pub(super) fn wait<F: Future>(future: F, time: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let waiting = Clock::System.stopwatch();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = time.checked_sub(waiting.elapsed())?;
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_thread_sends_is_waited_for() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sends = thread::spawn(move || sender.send(7));
        assert_eq!(wait(receiver, Duration::from_secs(10)), Some(Ok(7)));
        sends.join().expect("it ends").expect("it was heard");
    }

    #[test]
    fn what_never_comes_is_not_waited_for_for_ever() {
        assert_eq!(wait(std::future::pending::<()>(), Duration::from_millis(1)), None);
    }
}
