//! Waiting where no runtime does.

use std::time::Duration;

use crate::ending;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Sleeps on this thread; once the run is ended only for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever waits for another process here has no runtime's timer"
)]
pub fn sleep(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let part = left.min(LOOK_EVERY);
        std::thread::sleep(part);
        left -= part;
        if ending::ended_by().is_some() {
            return;
        }
    }
}
