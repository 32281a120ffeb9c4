//! A machine that is busy with something else.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::process::Pid;

use super::{Bite, Fault};
use load::proxy::Proxy;

use crate::ground::Ground;

/// Threads that want each core, besides the node and the generator.
const THREADS_PER_CORE: usize = 2;

static BUSY: AtomicBool = AtomicBool::new(false);

/// Every core is wanted by others too.
pub(super) const BUSY_MACHINE: Fault = Fault {
    name: "busy-machine",
    title: "A machine that others use too serves more slowly, and no worse",
    bite: Bite::WaitsForCores,
    begin: |_: &mut Ground, _: &Proxy| {
        BUSY.store(true, Ordering::Relaxed);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for number in 0..cores * THREADS_PER_CORE {
            let work = || {
                let mut sum = 1_u64;
                while BUSY.load(Ordering::Relaxed) {
                    sum = std::hint::black_box(sum.wrapping_mul(6_364_136_223_846_793_005) ^ (sum >> 7));
                }
            };
            std::thread::Builder::new().name(format!("drill-busy-{number}")).spawn(work)?;
        }
        Ok(())
    },
    end: |_: &mut Ground, _: &Proxy| {
        BUSY.store(false, Ordering::Relaxed);
        Ok(())
    },
};

/// How long all threads of a process have waited for a core while they had something to do, if the kernel tells.
pub(super) fn waited_for_cores(process: Pid) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).ok()?;
    let mut waited_ns = 0;
    for thread in threads {
        // One that ends meanwhile waits no more.
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).unwrap_or_default();
        waited_ns +=
            text.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
    }
    Some(Duration::from_nanos(waited_ns))
}
