//! One core for the server and another for those who ask it.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores of those that this process may use, or the same twice if there is only one.
pub(crate) fn two() -> anyhow::Result<[usize; 2]> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let first = cores.next().unwrap_or(0);
    Ok([first, cores.next().unwrap_or(first)])
}

/// Keeps this thread, and whatever it starts from now on, on one core.
pub(crate) fn stay_on(core: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}
