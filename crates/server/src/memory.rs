//! Memory is watched: above one mark what is kept for speed goes, and who can wait is refused; above the next a new
//! process takes this one's place.

use std::{num::NonZeroU32, time::Duration};

use cache::Cache;
use clock::{Clock, Stopwatch};
use edge::{Incident, IncidentKind, Incidents};
use overload::{Class, Overload};
use serde::Deserialize;
use tokio::sync::watch;

use crate::hand_over::HandOver;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever has just emptied the caches must see whether it helped.
const SHRINK_EVERY: Duration = Duration::from_secs(10);

/// Parts of what the control group allows at which something is done, in percent.
const SHRINK_PERCENT: u64 = 80;
const REPLACE_PERCENT: u64 = 90;

/// Where the marks are. What is not said is 80 and 90 % of what the control groups allow; where they allow everything
/// there is no mark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MemoryConfig {
    /// Above so many MiB caches are emptied.
    pub shrink_mib: Option<NonZeroU32>,
    /// Above so many MiB the process hands over to a new one.
    pub replace_mib: Option<NonZeroU32>,
    /// A process is at least so old before it hands over for want of memory: if the next one is soon as large, it does not
    /// help to go on and on.
    pub replace_age_s_min: NonZeroU32,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        let replace_age_s_min = NonZeroU32::new(600).expect("a positive constant");
        Self { shrink_mib: None, replace_mib: None, replace_age_s_min }
    }
}

/// The marks, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    shrink: Option<u64>,
    replace: Option<u64>,
}

/// What is to be done about so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Press {
    None,
    Shrink,
    Replace,
}

impl Marks {
    fn of(config: &MemoryConfig, allowed: Option<u64>) -> Self {
        let part = |mib: Option<NonZeroU32>, percent: u64| {
            let said = mib.map(|mib| u64::from(mib.get()) << 20);
            said.or_else(|| allowed.map(|allowed| allowed / 100 * percent))
        };
        Self {
            shrink: part(config.shrink_mib, SHRINK_PERCENT),
            replace: part(config.replace_mib, REPLACE_PERCENT),
        }
    }

    fn press(&self, resident: u64) -> Press {
        let above = |mark: Option<u64>| mark.is_some_and(|mark| resident > mark);
        match (above(self.shrink), above(self.replace)) {
            (_, true) => Press::Replace,
            (true, false) => Press::Shrink,
            (false, false) => Press::None,
        }
    }
}

/// What is done about it.
pub(crate) struct Relief {
    pub(crate) cache: Cache,
    pub(crate) overload: Overload,
    pub(crate) incidents: Incidents,
}

impl Relief {
    fn tell(&self, kind: IncidentKind) {
        self.incidents.tell(Incident::now(kind, "memory", &Clock::System));
    }
}

/// Who is refused when memory has been short for so long: first those who can come again tomorrow, and if the caches were not
/// enough, everybody who has not signed in.
fn refused(short: Option<Duration>) -> Option<Class> {
    short.map(|short| if short < SHRINK_EVERY { Class::Crawlers } else { Class::Anonymous })
}

/// Watches until told to stop.
pub(crate) async fn watch(
    config: MemoryConfig,
    relief: Relief,
    hand_over: HandOver,
    mut stop: watch::Receiver<bool>,
) {
    let marks = Marks::of(&config, telemetry::memory_allowed());
    let replace_every = Duration::from_secs(config.replace_age_s_min.get().into());
    let (mut shrunk, mut short): (Option<Stopwatch>, Option<Stopwatch>) = (None, None);
    let mut replaced = Clock::System.stopwatch();
    while !*stop.borrow() {
        let resident = telemetry::resident_bytes().unwrap_or_default();
        let press = marks.press(resident);
        short = (press != Press::None).then(|| short.unwrap_or_else(|| Clock::System.stopwatch()));
        relief.overload.spare(refused(short.as_ref().map(Stopwatch::elapsed)));
        let due = shrunk.as_ref().is_none_or(|shrunk| shrunk.elapsed() >= SHRINK_EVERY);
        if press != Press::None && due {
            shrunk = Some(Clock::System.stopwatch());
            tracing::warn!(code = "server/memory-short", resident, "memory is short: the caches are emptied");
            relief.cache.shrink();
            relief.tell(IncidentKind::MemoryShort);
        }
        if press == Press::Replace && replaced.elapsed() >= replace_every {
            replaced = Clock::System.stopwatch();
            tracing::warn!(code = "server/memory-out", resident, "memory is short: a new process takes over");
            hand_over.ask();
            relief.tell(IncidentKind::MemoryOut);
        }
        drop(tokio::time::timeout(LOOK_EVERY, stop.wait_for(|stop| *stop)).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_what_is_said_or_parts_of_what_is_allowed() {
        let said = MemoryConfig { shrink_mib: NonZeroU32::new(1), ..MemoryConfig::default() };
        let marks = Marks::of(&said, Some(1000));
        assert_eq!(marks, Marks { shrink: Some(1 << 20), replace: Some(900) });
        assert_eq!(Marks::of(&MemoryConfig::default(), None), Marks { shrink: None, replace: None });
    }

    #[test]
    fn whoever_can_wait_is_refused_first() {
        let seconds = |seconds| refused(Some(Duration::from_secs(seconds)));
        assert_eq!(
            (refused(None), seconds(0), seconds(9)),
            (None, Some(Class::Crawlers), Some(Class::Crawlers))
        );
        assert_eq!(seconds(10), Some(Class::Anonymous));
    }

    #[test]
    fn what_is_done_grows_with_what_is_held() {
        let marks = Marks { shrink: Some(100), replace: Some(200) };
        let presses = [100, 101, 200, 201].map(|resident| marks.press(resident));
        assert_eq!(presses, [Press::None, Press::Shrink, Press::Shrink, Press::Replace]);
        assert_eq!(Marks { shrink: None, replace: None }.press(u64::MAX), Press::None);
    }
}
