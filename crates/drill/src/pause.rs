//! Waiting where no runtime does.

use std::time::Duration;

/// Sleeps on this thread.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever waits for another process here has no runtime's timer"
)]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}
