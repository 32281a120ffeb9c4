//! A machine that runs out of memory: the node gets no more of it, and most likely is ended. Nothing is lost.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use load::{people::Person, target::Target};
use report::{Area, Outcome};

use crate::{
    client::Client,
    ground::{Ground, device, registered, sign_in_device, sign_in_password, stopwatch},
    local::{Local, NodeOptions},
    pause,
};

const NAME: &str = "failure/memory";
const TITLE: &str = "A machine short of memory loses nothing";
/// Memory that the node still gets: a password's hash alone takes more.
const LEFT_BYTES: u64 = 4 << 20;
/// People who come meanwhile: every second one has a password hashed.
const COME: usize = 40;
/// How long somebody waits for an answer that may never come.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a node may take until it is well again, and how often it is asked.
const WELL_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const VERSION_1: &str = "/sys/fs/cgroup/memory";
const VERSION_2: &str = "/sys/fs/cgroup";

/// What bounds the memory of one process.
enum Bound {
    /// A control group of its own (version 1 or 2): the kernel ends what wants more.
    Group { folder: PathBuf, second: bool },
    /// The process's own limit of addresses: what wants more ends itself.
    Addresses { process: Pid, before: Rlimit },
}

/// Takes memory from a node of its own, and gives it back.
pub(super) fn short(ground: &mut Ground) -> anyhow::Result<()> {
    let mut local = Local::start(NodeOptions::default())?;
    let client = Client::new(&Target::at(local.public));
    let names = ground.names.clone();
    let mut promised = vec![ground.block_on(device(&client, &format!("{names}-memory")))?];
    let Some(process) = local.pid() else { return Ok(()) };
    let bound = match Bound::around(process) {
        Ok(bound) => bound,
        Err(error) => {
            let why = format!("the memory of a process cannot be bounded here: {error:#}");
            ground.skipped(Area::Failure, NAME, TITLE, why);
            return Ok(());
        }
    };
    let hurried = client.with_patience(PATIENCE);
    let mut failed = 0;
    for number in 0..COME {
        let user = format!("{names}-short-{number}");
        let came = ground.block_on(async {
            if number % 2 == 0 { device(&hurried, &user).await } else { registered(&hurried, &user).await }
        });
        match came {
            Ok(person) => promised.push(person),
            Err(_) => failed += 1,
        }
    }
    let (refusals, how) = (bound.refusals(), bound.name());
    bound.lift()?;
    let (mut ended, mut against, mut remembered) = (false, Vec::new(), 0);
    for person in &promised {
        if is_remembered(ground, &mut local, &client, person, &mut ended)? {
            remembered += 1;
        } else {
            against.push(format!("{} was acknowledged, and is lost", person.user));
        }
    }
    local.stop()?;
    if let Err(error) = local.verify() {
        against.push(format!("its ledger is not in order afterwards: {error:#}"));
    }
    let fate = if ended { "was ended, and started again" } else { "went on" };
    let detail = format!(
        "with {} MiB more and no others ({how}) the node {fate}; {failed} of {COME} had no good answer, {remembered} \
         of {} who were promised something signed in afterwards",
        LEFT_BYTES >> 20,
        promised.len()
    );
    if ended || refusals > 0 {
        ground.judged(Area::Failure, NAME, TITLE, detail, against);
    } else {
        ground.found(Area::Failure, NAME, TITLE, Outcome::NotExercised, detail, against);
    }
    Ok(())
}

/// Can somebody sign in? A node that has no more memory may be about to end when it is looked at: whether it knows somebody,
/// only an answer tells.
fn is_remembered(
    ground: &Ground,
    local: &mut Local,
    client: &Client,
    person: &Person,
    ended: &mut bool,
) -> anyhow::Result<bool> {
    let began = stopwatch();
    loop {
        crate::ending::go_on()?;
        *ended |= !local.runs();
        local.revive()?;
        let signed_in = ground.block_on(async {
            match &person.device {
                Some(_) => sign_in_device(client, person).await,
                None => sign_in_password(client, &person.user, &person.password).await,
            }
        });
        match signed_in {
            Ok(answer) if answer.status == 200 => return Ok(true),
            Ok(answer) if matches!(answer.status, 401 | 403 | 404) => return Ok(false),
            Ok(_) | Err(_) if began.elapsed() > WELL_MAX => return Ok(false),
            Ok(_) | Err(_) => pause::sleep(LOOK_EVERY),
        }
    }
}

impl Bound {
    fn around(process: Pid) -> anyhow::Result<Self> {
        let name = format!("holdfast-drill-{}", process.as_raw_nonzero());
        for (root, second) in [(VERSION_1, false), (VERSION_2, true)] {
            if let Ok(group) = Self::group(&Path::new(root).join(&name), second, process) {
                return Ok(group);
            }
        }
        let mapped = mapped_bytes(process)?;
        let limit = Rlimit { current: Some(mapped + LEFT_BYTES), maximum: None };
        let before = prlimit(Some(process), Resource::As, limit)?;
        Ok(Self::Addresses { process, before })
    }

    fn group(folder: &Path, second: bool, process: Pid) -> std::io::Result<Self> {
        let limit = folder.join(if second { "memory.max" } else { "memory.limit_in_bytes" });
        fs::create_dir(folder)?;
        // From here on the folder goes with the value.
        let group = Self::Group { folder: folder.to_owned(), second };
        // What the process has stays where it was: only what it takes from now on is counted here.
        fs::write(limit, LEFT_BYTES.to_string())?;
        fs::write(folder.join("cgroup.procs"), process.as_raw_nonzero().to_string())?;
        Ok(group)
    }

    /// How often it was asked for more than there is.
    fn refusals(&self) -> u64 {
        let Self::Group { folder, second } = self else { return 0 };
        if *second {
            let events = fs::read_to_string(folder.join("memory.events")).unwrap_or_default();
            let count = events.lines().find_map(|line| line.strip_prefix("max "));
            count.and_then(|count| count.parse().ok()).unwrap_or_default()
        } else {
            let count = fs::read_to_string(folder.join("memory.failcnt")).unwrap_or_default();
            count.trim().parse().unwrap_or_default()
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Group { .. } => "a control group",
            Self::Addresses { .. } => "its limit of addresses",
        }
    }

    fn lift(self) -> anyhow::Result<()> {
        if let Self::Addresses { process, before } = &self {
            // A process that was ended has no limit any more.
            prlimit(Some(*process), Resource::As, *before).map(drop).unwrap_or_default();
        }
        Ok(())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let Self::Group { folder, second } = self else { return };
        // Whoever is still inside goes back to where they came from; then the group can go.
        let root = Path::new(if *second { VERSION_2 } else { VERSION_1 });
        for process in fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines() {
            fs::write(root.join("cgroup.procs"), process).unwrap_or_default();
        }
        fs::remove_dir(folder).unwrap_or_default();
    }
}

/// Addresses that a process has mapped.
fn mapped_bytes(process: Pid) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
