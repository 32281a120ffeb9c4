//! Closes the connections of a thread that nobody has used for long, or that their upstreams have ended: nobody may come by
//! who would notice.

use std::{cell::Cell, time::Duration};

use tokio::runtime::Handle;

use crate::{line, streams};

const SWEEP_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static SWEEPS: Cell<bool> = const { Cell::new(false) };
}

/// A thread sweeps until this is dropped, at the latest with the runtime.
struct Sweeping;

impl Drop for Sweeping {
    fn drop(&mut self) {
        // A thread that ends has nothing to sweep any more.
        let _told = SWEEPS.try_with(|sweeps| sweeps.set(false));
    }
}

/// The thread has a connection that may become old. It sweeps until it has none.
pub(crate) fn begin() {
    if SWEEPS.get() {
        return;
    }
    let Ok(runtime) = Handle::try_current() else { return };
    SWEEPS.set(true);
    let sweeping = Sweeping;
    runtime.spawn(async move {
        let _sweeping = sweeping;
        let mut is_any_left = true;
        while is_any_left {
            tokio::time::sleep(SWEEP_EVERY).await;
            is_any_left = line::sweep() | streams::sweep();
        }
    });
}
