//! Faults of the network between callers and the node.

use std::time::Duration;

use super::{Bite, Fault};
use load::proxy::{Proxy, Weather};

use crate::ground::Ground;

const DELAY: Duration = Duration::from_millis(100);
const LOST_PERMILLE: u16 = 200;

fn fair(_: &mut Ground, proxy: &Proxy) -> anyhow::Result<()> {
    proxy.set(Weather::Fair);
    Ok(())
}

/// Nothing passes, and nobody is told.
pub(super) const CUT: Fault = Fault {
    name: "cut-off",
    title: "A node that is cut off serves again when it is not",
    bite: Bite::Stops,
    begin: |_: &mut Ground, proxy: &Proxy| {
        proxy.set(Weather::Cut);
        Ok(())
    },
    end: fair,
};

/// Everything takes a tenth of a second longer each way.
pub(super) const SLOW: Fault = Fault {
    name: "delayed",
    title: "A slow network makes answers late, and no worse",
    // A sign-in asks twice, and each question goes there and back.
    bite: Bite::SlowerBy(Duration::from_millis(300)),
    begin: |_: &mut Ground, proxy: &Proxy| {
        proxy.set(Weather::Slow(DELAY));
        Ok(())
    },
    end: fair,
};

/// One piece in five is lost and sent again.
pub(super) const LOSSY: Fault = Fault {
    name: "lossy",
    title: "A network that loses a fifth makes answers late, and no worse",
    bite: Bite::SlowerBy(Duration::from_millis(100)),
    begin: |_: &mut Ground, proxy: &Proxy| {
        proxy.set(Weather::Lossy(LOST_PERMILLE));
        Ok(())
    },
    end: fair,
};
