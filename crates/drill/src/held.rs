//! Thousands who are connected and hardly ask for anything: how many the target holds, and at what price.

use std::{fs, net::Ipv4Addr, time::Duration};

use load::{Hold, float, hold};
use report::{Area, Outcome};
use rustix::process::{Pid, Resource, getrlimit};

use crate::{ground::Ground, pause};

const NAME: &str = "volume/held-connections";
const TITLE: &str = "Thousands who are connected and silent keep nobody else from being served";
const PATH: &str = "/health";
/// Connections that come from one address: a target holds only so many of each, and lets each ask only so much at once.
pub(crate) const OF_ONE_ADDRESS: usize = 50;
/// Addresses of this machine's own that connections to a local target come from: 127.80.0.1 and on.
const NETWORK: u8 = 80;
const ADDRESSES_MAX: usize = 4_000;
/// Each is asked something about this often, so that the target does not take it for forgotten.
const ASKED_EVERY_S: f64 = 50.0;
/// Of those that are possible, a local target holds so many: nobody else asks it for anything.
const LOCAL_SHARE_MIN: f64 = 0.99;
const PATIENCE: Duration = Duration::from_secs(10);
/// Descriptors that a local target has for whatever else it does, and for the drill's other callers.
const DESCRIPTORS_LEFT: u64 = 1_024;
/// Memory that both ends of a connection take, in the kernel and outside it.
const PAIR_BYTES: u64 = 24 << 10;

/// How many connections can be held here, and what bounds them.
pub(crate) fn possible(local: bool) -> (usize, String) {
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let memory = available_bytes() / 2 / PAIR_BYTES;
    let (most, what) = if local {
        // The target is one process, with one table of descriptors.
        let descriptors = limit.saturating_sub(DESCRIPTORS_LEFT);
        if descriptors < memory {
            (descriptors, format!("the target that the drill starts may have {limit} descriptors"))
        } else {
            (memory, format!("half of the free memory has room for {memory} of them"))
        }
    } else if memory < load::PORTS as u64 {
        (memory, format!("half of the free memory has room for {memory} of them"))
    } else {
        (load::PORTS as u64, format!("one address has {} ports", load::PORTS))
    };
    (usize::try_from(most).unwrap_or(usize::MAX), what)
}

/// Memory that may be taken before anybody else has to give some up.
pub(crate) fn available_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kib(&text, "MemAvailable:").unwrap_or_default() * 1024
}

/// Memory that a process holds outside the kernel.
pub(crate) fn resident_bytes(process: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).ok()?;
    Some(kib(&text, "VmRSS:")? * 1024)
}

/// A line such as `VmRSS:  12 kB`.
fn kib(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Opens as many connections as the profile wants and as are possible here; how many were held.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<usize> {
    let local = ground.local.is_some();
    let wanted = ground.profile.held_connections;
    let (most, bound) = possible(local);
    let connections = wanted.min(most);
    let addresses = if local { connections.div_ceil(OF_ONE_ADDRESS).min(ADDRESSES_MAX) } else { 0 };
    let asked = Hold {
        target: ground.target.clone(),
        connections,
        from: (0..addresses).filter_map(|number| address(NETWORK, number)).collect(),
        path: PATH.to_owned(),
        asked_per_s: float(connections as u64) / ASKED_EVERY_S,
        patience: PATIENCE,
    };
    ground.screen.doing(&format!("{connections} connections are opened"));
    let node = || ground.local.as_ref().and_then(|local| resident_bytes(local.pid()?));
    let before = node();
    let held = hold(&asked)?;
    let (open, after) = (held.open(), node());
    let mut against = Vec::new();
    let limited = |status| !local && status == 429;
    match ground.block_on(ground.client.get(PATH)) {
        Ok(answer) if answer.status == 200 || limited(answer.status) => {}
        Ok(answer) => against.push(format!("{PATH} answered {} meanwhile", answer.status)),
        Err(error) => against.push(format!("{error:#}")),
    }
    pause::sleep(Duration::from_millis(ground.profile.held_ms));
    let kept = held.let_go()?;
    let counts = kept.record.counts;
    if kept.dropped > 0 {
        against.push(format!("{} were closed that were in order", kept.dropped));
    }
    if counts.wrong + counts.unknown > 0 {
        against.push(format!("{} questions on them had no right answer", counts.wrong + counts.unknown));
    }
    let excused = !local && kept.limited + counts.limited > 0;
    if open == 0 && !excused || local && float(open as u64) < float(connections as u64) * LOCAL_SHARE_MIN {
        against.push(format!("{} were refused", kept.refused));
    }
    if !against.is_empty() {
        against.extend(kept.examples.iter().cloned());
    }
    let mut detail = format!(
        "{open} of {connections} were held open, {} refused, {} dropped; {} of {} questions on them were answered{}",
        kept.refused,
        kept.dropped,
        counts.good,
        counts.offered,
        if counts.good == 0 {
            String::new()
        } else {
            format!(", p99 {:.0} ms", kept.record.latency_ms(99.0))
        }
    );
    if let (Some(before), Some(after), Some(each)) = (before, after, std::num::NonZeroU64::new(open as u64)) {
        let each = after.saturating_sub(before) / each;
        detail.push_str(&format!("; {each} bytes of the target's memory each, besides the kernel's"));
    }
    if connections < wanted {
        detail.push_str(&format!("; the profile wants {wanted}, but {bound}"));
    }
    if excused {
        detail
            .push_str("; the drill's own address is limited, which the target must let ([networks] allowed)");
    }
    let outcome = if excused { Outcome::Invalid } else { Outcome::Passed };
    ground.found(Area::Volume, NAME, TITLE, outcome, detail, against);
    Ok(open)
}

/// An address of this machine's own, in one of its many networks.
pub(crate) fn address(network: u8, number: usize) -> Option<Ipv4Addr> {
    let [high, low] = u16::try_from(number).ok()?.to_be_bytes();
    Some(Ipv4Addr::new(127, network, high, low.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_this_machine_alone() {
        assert_eq!(address(NETWORK, 0), Some(Ipv4Addr::new(127, 80, 0, 1)));
        assert_eq!(address(NETWORK, 256), Some(Ipv4Addr::new(127, 80, 1, 1)));
        let all: Vec<_> = (0..ADDRESSES_MAX).filter_map(|number| address(NETWORK, number)).collect();
        assert!(all.iter().all(Ipv4Addr::is_loopback) && all.len() > 3_900);
    }

    #[test]
    fn a_machine_says_what_it_has() {
        assert_eq!(kib("MemFree: 1 kB\nMemAvailable:   2048 kB\n", "MemAvailable:"), Some(2048));
        assert_eq!(kib("", "VmRSS:"), None);
        assert!(available_bytes() > 0);
        let own = resident_bytes(rustix::process::getpid()).expect("this process has memory");
        assert!(own > 1 << 20);
        let (local, why) = possible(true);
        assert!(local > 0 && !why.is_empty());
    }
}
