//! One core for the server and another for those who ask it.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use, until they were parted; they are its own again when this is dropped.
pub(crate) struct Cores(CpuSet);

impl Cores {
    pub(crate) fn allowed() -> anyhow::Result<Self> {
        Ok(Self(sched_getaffinity(None)?))
    }

    /// Keeps this thread, and whatever it starts from now on, on the core of this number among them; on the last if
    /// there are fewer.
    pub(crate) fn stay_on(&self, number: usize) -> anyhow::Result<()> {
        let cores = (0..CpuSet::MAX_CPU).filter(|core| self.0.is_set(*core));
        let core = cores.take(number + 1).last().context("this process may use no core")?;
        let mut only = CpuSet::new();
        only.set(core);
        Ok(sched_setaffinity(None, &only)?)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // If the system says no now, what is measured next is measured on one core, and says so.
        let _set = sched_setaffinity(None, &self.0);
    }
}
