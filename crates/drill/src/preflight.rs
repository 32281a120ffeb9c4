//! Before anything begins: what machine this is, what can be tried on it, and what cannot.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use http::HeaderMap;
use rustix::process::{Resource, getrlimit};

use report::{Finding, Machine};

use load::target::Target;

use crate::{
    client::{Answer, Client},
    faults::{clocks, fleet},
    held,
};

/// The machine that the drill runs on.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, label: &str| {
        let line = text.lines().find(|line| line.starts_with(label)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal");
    let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    Machine {
        processor: after(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: memory_kib * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        busy_before: read("/proc/loadavg")
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or_default(),
    }
}

/// A route whose limits are announced, where there are any.
const LIMITED: &str = "/api/v1/public/elections";

/// Does the target limit how often this machine asks? One machine plays a whole country.
///
/// # Errors
/// When there is no runtime to ask it with.
pub(crate) fn address(target: &Target) -> anyhow::Result<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(target);
    let limits = match runtime.block_on(client.get(LIMITED)) {
        Ok(answer) => limits(answer.status, &answer.fields),
        Err(error) => Some(format!("nothing is known: {error:#}")),
    };
    let detail = limits.as_deref().map_or_else(
        || "the target announces no limit on how often it asks".to_owned(),
        |limits| {
            format!(
                "{limits}. What is refused for that says nothing of the target: let it allow the drill's network ([networks] allowed)"
            )
        },
    );
    Ok(Finding { name: "asking as often as a country".to_owned(), possible: limits.is_none(), detail })
}

/// Is this the port for operators, and not the one for everybody? There nothing of what is tried would say anything.
fn is_operators(public: u16, process: &Answer) -> bool {
    public == 404 && process.status == 200 && process.json()["pid"].is_u64()
}

/// Ends before anything is done to somebody's operators' port.
///
/// # Errors
/// When it is that port.
pub(crate) fn not_for_operators(target: &Target) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(target);
    let asked = runtime
        .block_on(async { anyhow::Ok((client.get(LIMITED).await?.status, client.get("/process").await?)) });
    // One that cannot be asked is told apart later.
    let operators = asked.is_ok_and(|(public, process)| is_operators(public, &process));
    let url = target.url();
    anyhow::ensure!(!operators, "{url} is the port for operators: name the public one, which everybody asks");
    Ok(())
}

/// The limits that an answer tells of, if it does.
fn limits(status: u16, fields: &HeaderMap) -> Option<String> {
    let told = ["ratelimit-policy", "ratelimit"].iter().find_map(|name| fields.get(*name));
    match told.map(|told| String::from_utf8_lossy(told.as_bytes()).into_owned()) {
        Some(told) => Some(format!("the target limits the drill's address, as in {told}")),
        None if status == 429 => Some("the target refuses the drill's address for now (429)".to_owned()),
        None => None,
    }
}

/// What can be tried.
pub(crate) fn findings(machine: &Machine, local: bool, data: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |name: &str, possible: bool, detail: &str| {
        findings.push(Finding { name: name.to_owned(), possible, detail: detail.to_owned() });
    };
    find(
        "load",
        machine.cores > 1,
        match machine.cores {
            0 | 1 => "one core for the generator and whatever else runs here: figures are of little worth",
            _ if local => {
                "the generator shares its cores with the target: what is measured is less than the target could do alone"
            }
            _ => "the generator has this machine's cores",
        },
    );
    find(
        "many addresses",
        local && std::net::TcpListener::bind((Ipv4Addr::new(127, 66, 0, 1), 0)).is_ok(),
        "attackers of a local target come from addresses of their own (127.66.0.0/16)",
    );
    let (most, bound) = held::possible(local);
    find("connections held open", most >= 1_000, &format!("{most} at most: {bound}"));
    find(
        "killing, pausing and restarting nodes",
        local,
        if local {
            "the drill started the node"
        } else {
            "only for a deployment that the drill starts (--local)"
        },
    );
    find(
        "partition, delay and loss",
        local,
        if local {
            "by a TCP proxy of the drill's own"
        } else {
            "only for a deployment that the drill starts (--local)"
        },
    );
    let root = rustix::process::geteuid().is_root();
    find("disk full", local && root, "needs the right to mount a small file system");
    let clocks = clocks::why_not();
    find(
        "clock steps",
        local && clocks.is_none(),
        clocks.as_deref().unwrap_or("a library shows a node of the drill's own another time"),
    );
    find("memory that runs short", local, "a node of the drill's own gets no more of it");
    find(
        "PostgreSQL and Redis",
        local && fleet::installed(),
        "a fleet on private instances, where Debian's packages are installed",
    );
    find("erasure down to the files", local, "only where the drill may read the target's files");
    find("encryption in transit", true, "judged by what the target agrees to");
    let free = Command::new("df").args(["--output=avail", "-k"]).arg(data).output();
    let free = free.ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let kib: Option<u64> =
        free.and_then(|text| text.lines().nth(1).and_then(|line| line.trim().parse().ok()));
    find(
        "room for the history",
        kib.is_none_or(|kib| kib > 1 << 20),
        &format!("{} MiB are free where acknowledgements are kept", kib.unwrap_or_default() / 1024),
    );
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_port_is_told_apart_from_the_public_one() {
        let answer =
            |status, text: &'static str| Answer { status, fields: HeaderMap::new(), bytes: text.into() };
        assert!(is_operators(404, &answer(200, r#"{"pid": 1, "version": "0.1.0"}"#)));
        assert!(!is_operators(200, &answer(404, "{}")));
        assert!(!is_operators(404, &answer(200, "a page for whatever is asked")));
    }

    #[test]
    fn a_limit_on_the_drills_address_is_told_before_it_is_met() {
        let mut fields = HeaderMap::new();
        assert_eq!(limits(200, &fields), None);
        assert!(limits(429, &fields).is_some());
        fields.insert("ratelimit-policy", "\"public-reads\";q=1000;w=60".parse().expect("a value"));
        assert!(limits(200, &fields).is_some_and(|told| told.contains("q=1000")));
    }
}
