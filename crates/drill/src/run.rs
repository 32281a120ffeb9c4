//! A drill from its first question to its report.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use clock::Clock;

use load::{
    history::{Commands, Historian},
    journey::Journey,
    target::Target,
};
use report::{
    self, Area, FORM, Finding, Flow, HEAT_MS, Machine, Moment, Report, RunInfo, Signer, Timeline, Verdict,
    Word, cost, targets,
};

use crate::{
    again::again,
    attack, checklist,
    client::{Client, Keeper, expect},
    compliance, election, ending,
    faults::{self, Broken},
    ground::{self, Ground, Staff, attempt},
    invariants,
    ledger_keys::LedgerKeys,
    local::{self, Local, NodeOptions},
    observer::Observer,
    options::DrillOptions,
    preflight,
    put_off::Waits,
    screen::{Screen, say},
    volume::{self, Measured},
};

/// Parts that a drill has.
const PARTS: usize = 6;

/// Does what was asked for. False if the target did not hold, or something on the checklist is not well.
///
/// # Errors
/// When the drill itself cannot go on.
pub fn drill(options: &DrillOptions) -> anyhow::Result<bool> {
    if let Some(folder) = &options.check_report {
        let told = report::check_report(folder, options.report_key.as_deref())?;
        writeln!(std::io::stdout(), "{told}")?;
        return Ok(true);
    }
    if options.checklist {
        return print_checklist(options);
    }
    ensure!(
        options.local || options.target.is_some(),
        "name a target with --target, or start one with --local"
    );
    if let Some(folder) = &options.report {
        report::can_write(folder)?;
    }
    let history = tempfile::tempdir().context("cannot make a folder for the history")?;
    let machine = preflight::machine();
    let mut found = preflight::findings(&machine, options.local, history.path());
    if options.target.is_some() {
        let target = target(options, None)?;
        preflight::not_for_operators(&target)?;
        found.push(preflight::address(&target)?);
    }
    tell(&machine, &found);
    agree(options)?;
    ending::listen(|who| {
        say(&format!(
            "{who}: what was started is stopped, and the report is written; once more ends at once"
        ));
    })?;
    let began_at = Clock::System.now();
    let mut ground = prepare(options, history.path())?;
    let signer = signer(options, &ground)?;
    let observer = Observer::begin(&ground.client)?;
    let parts = Parts::run(&mut ground, observer, &options.only);
    ground.screen.end();
    let report = gather(options, &ground, parts, (machine, found), began_at.to_string(), &signer);
    let Report { verdict, .. } = &report;
    say(&format!("\n{}. {}\n{}", verdict.heading(), verdict.summary, verdict.of_targets()));
    if let Some(why) = &report.no_cost {
        say(&format!("What it would cost: {why}"));
    }
    if let Some(folder) = &options.report {
        report::write(&report, folder, &signer)?;
        say(&format!("The report is in {}; it is signed with {}", folder.display(), report.signed_by.whose));
    }
    match report.verdict.word {
        Word::Held => Ok(true),
        Word::Failed => Ok(false),
        Word::Open => bail!("whether the target holds is not known"),
    }
}

fn print_checklist(options: &DrillOptions) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = |url: &str| Target::read(url, options.ca_file.as_deref()).map(|target| Client::new(&target));
    let target = client(options.target.as_deref().context("a checklist is for a target")?)?;
    let operators = options.operators.as_deref().map(client).transpose()?;
    runtime.block_on(checklist::print(&target, operators.as_ref()))
}

fn tell(machine: &Machine, found: &[Finding]) {
    say(&format!(
        "{} cores ({}), {} GiB, Linux {}, {} descriptors a process, load {:.1} before",
        machine.cores,
        machine.processor,
        machine.memory_bytes >> 30,
        machine.kernel,
        machine.descriptors_max,
        machine.busy_before
    ));
    for Finding { name, possible, detail } in found {
        say(&format!("  {} {name}: {detail}", if *possible { "can   " } else { "cannot" }));
    }
}

/// Nothing is done to somebody's deployment that they did not agree to.
fn agree(options: &DrillOptions) -> anyhow::Result<()> {
    let Some(target) = options.target.as_ref().filter(|_| !options.yes) else { return Ok(()) };
    ensure!(
        std::io::stdin().is_terminal(),
        "people will be registered at {target}, it will be loaded and attacked: say --yes if that is agreed"
    );
    say(&format!(
        "People will be registered at {target}; it will be loaded up to its limit, and attacked. Is it yours, and does \
         everybody know? Type yes:"
    ));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { bail!("nothing was done") }
}

fn prepare(options: &DrillOptions, history: &Path) -> anyhow::Result<Ground> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut screen = Screen::new(PARTS);
    screen.part("Prepare", "volume");
    let local = options.local.then(|| started(options)).transpose()?;
    let target = target(options, local.as_ref())?;
    let journeys = match &options.journeys {
        Some(folder) => Journey::in_folder(folder)?,
        None => Journey::built_in()?,
    };
    let commands = Commands::of(
        journeys.iter().flat_map(Journey::commands).chain(["identity/sign-in", "identity/register-person"]),
    );
    let stopwatch = ground::stopwatch();
    let keeper = Keeper::new(Historian::in_folder(history, "callers", &commands)?, stopwatch.clone());
    let mut client = Client::new(&target).with_keeper(&keeper);
    if local.is_none() {
        // Somebody else's limits are no faults of theirs.
        client = client.with_waits(&Waits::told(screen.teller()));
    }
    let mut profile = options.profile.profile();
    profile.nodes = options.nodes.unwrap_or(profile.nodes);
    let seed = options.seed.unwrap_or_else(|| u64::from_le_bytes(Clock::System.random()));
    let names = format!("drill-{:08x}", u32::from_le_bytes(Clock::System.random()));
    let staff = match &local {
        Some(local) => runtime.block_on(ground::staff(&client, local))?,
        None => given(options, &client)?,
    };
    let ledger_keys = match &local {
        Some(local) => Some(LedgerKeys::of(local)?),
        None => LedgerKeys::given(&options.ledger_key)?,
    };
    let from_index = match &local {
        Some(_) => local::FIRST_ASKED,
        None => runtime.block_on(end_of_ledger(&client, &staff))?,
    };
    let people = runtime.block_on(ground::people(&client, &profile, &names))?;
    let election = match &staff.officer {
        Some(officer) => {
            Some(runtime.block_on(again(async |_| election::open(officer, &people, &names).await))?)
        }
        None => None,
    };
    let journeys = journeys.into_iter().map(Arc::new).collect();
    Ok(Ground {
        runtime,
        target,
        client,
        alone: options.alone || local.is_some(),
        local,
        profile,
        journeys,
        people: Arc::new(people),
        staff,
        election,
        secret: None,
        ca_file: options.ca_file.clone(),
        history: history.to_owned(),
        commands,
        keeper,
        seed,
        names,
        checks: Vec::new(),
        screen,
        stopwatch,
        ledger_keys,
        held: 0,
        loads: 0,
        from_index,
    })
}

/// A deployment as the options want it.
fn started(options: &DrillOptions) -> anyhow::Result<Local> {
    let settings = options.settings.as_ref().map(std::fs::read_to_string).transpose();
    let settings = settings.context("cannot read the settings")?.unwrap_or_default();
    let database = options.database.clone();
    Local::start(NodeOptions { settings, database, ..NodeOptions::default() })
}

/// The deployment that was started, or else the one that was named.
fn target(options: &DrillOptions, local: Option<&Local>) -> anyhow::Result<Target> {
    match (local, &options.target) {
        (Some(local), _) => Ok(Target::at(local.public)),
        (None, Some(url)) => Target::read(url, options.ca_file.as_deref()),
        (None, None) => bail!("there is no target"),
    }
}

/// Those of the staff whose tokens were given.
fn given(options: &DrillOptions, client: &Client) -> anyhow::Result<Staff> {
    let read = |path: &Option<std::path::PathBuf>| {
        let token = path.as_ref().map(std::fs::read_to_string).transpose().context("cannot read a token")?;
        anyhow::Ok(token.map(|token| client.with_token(token.trim())))
    };
    Ok(Staff {
        administrator: read(&options.administrator_token_file)?,
        auditor: read(&options.auditor_token_file)?,
        officer: read(&options.officer_token_file)?,
    })
}

/// How many entries there are before anything is asked for. Checkpoints are a little behind, an auditor is not.
async fn end_of_ledger(client: &Client, staff: &Staff) -> anyhow::Result<u64> {
    let mut end =
        again(async |_| crate::observer::look(client).await).await.map_or(0, |seen| seen.checkpoint.size());
    let Some(auditor) = &staff.auditor else { return Ok(end) };
    loop {
        let body = again(async |_| {
            let answer = auditor.get(&format!("/ledger/identity/entries?from={end}")).await?;
            Ok(expect(answer, 200, "reading the audit trail")?.json())
        });
        let body = body.await?;
        match body["next"].as_u64() {
            Some(next) if next > end => end = next,
            _ => return Ok(end),
        }
    }
}

fn signer(options: &DrillOptions, ground: &Ground) -> anyhow::Result<Signer> {
    match (&options.key, &ground.local) {
        (Some(path), _) => Signer::in_file(path),
        (None, Some(local)) => Signer::of_ledger(&local.data().join("keys"), local::NAME),
        (None, None) => Signer::once(&ground.names),
    }
}

/// What the parts came to.
struct Parts {
    measured: Measured,
    broken: Option<Broken>,
    /// Nothing where acknowledgements were not compared.
    flow: Option<Flow>,
    ran: Vec<Area>,
}

impl Parts {
    fn run(ground: &mut Ground, observer: Observer, only: &[Area]) -> Self {
        let wanted = |area: Area| only.is_empty() || only.contains(&area);
        let mut parts = Self { measured: Measured::default(), broken: None, flow: None, ran: Vec::new() };
        parts.ran.extend(Area::ALL.into_iter().filter(|area| wanted(*area)));
        if wanted(Area::Volume) {
            ground.screen.part("Volume", "failure");
            volume::run(ground, &mut parts.measured);
        }
        if wanted(Area::Failure) && ground.local.is_some() {
            ground.screen.part("Failure", "attack");
            let mut broken = Broken::default();
            attempt(ground, Area::Failure, "", |ground| faults::run(ground, &mut broken));
            parts.broken = Some(broken);
        } else if wanted(Area::Failure) {
            let title = "Nodes and networks may fail";
            let why = "only for a deployment that the drill starts itself (--local)";
            ground.skipped(Area::Failure, "failure/faults", title, why);
        }
        if wanted(Area::Attack) {
            ground.screen.part("Attack", "compliance");
            attack::run(ground);
        }
        if wanted(Area::Compliance) {
            ground.screen.part("Compliance", "what was promised");
            compliance::run(ground);
        }
        if wanted(Area::Invariants) {
            ground.screen.part("What was promised", "the report");
            parts.flow = invariants::run(ground, observer);
        }
        let refused: u64 = parts.measured.loads.iter().map(|load| load.counts.refused).sum();
        let meanwhile = parts.broken.as_ref().and_then(|broken| broken.ran.as_ref());
        let meanwhile = meanwhile.map_or(0, |ran| ran.record.counts.refused);
        if let Some(flow) = &mut parts.flow {
            flow.refused = refused + meanwhile;
        }
        parts
    }
}

fn gather(
    options: &DrillOptions,
    ground: &Ground,
    parts: Parts,
    (machine, found): (Machine, Vec<Finding>),
    began_at: String,
    signer: &Signer,
) -> Report {
    let Parts { measured: Measured { loads, knees }, broken, flow, ran } = parts;
    let faults = broken.as_ref().map_or_else(Vec::new, |broken| broken.faults.clone());
    let nodes = ground.local.as_ref().map(|_| 1).or(options.target_nodes);
    let wanted = ran.contains(&Area::Volume).then_some(ground.profile.volumes.len());
    let seen = targets::Seen {
        loads: &loads,
        loads_wanted: wanted.unwrap_or_default(),
        knees: &knees,
        faults: &faults,
        checks: &ground.checks,
        parts: &ran,
        local: ground.local.is_some(),
        cores: machine.cores,
        nodes,
        held_connections: ground.held,
    };
    let cost = options.cost_load.map(|load| cost::of(&knees, load, options.node_price, nodes));
    let (rows, ended_by) = (targets::rows(&seen), ending::ended_by());
    let mut checks = ground.checks.clone();
    checks.sort_by_key(|check| check.area);
    Report {
        form: FORM,
        run: RunInfo {
            id: ground.names.clone(),
            began_at,
            took_s: ground.stopwatch.elapsed().as_secs_f64(),
            profile: ground.profile.name.to_owned(),
            seed: ground.seed,
            target: ground.target.url(),
            local: ground.local.is_some(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: options.commit.clone().or_else(|| own_commit(ground)),
            nodes,
            ended_by: ended_by.map(str::to_owned),
        },
        verdict: Verdict::of(&checks, &rows, ended_by),
        targets: rows,
        no_cost: cost.as_ref().and_then(|cost| cost.as_ref().err().cloned()),
        cost: cost.and_then(Result::ok),
        configuration: serde_json::to_value(&ground.profile).unwrap_or_default(),
        signed_by: signer.public(),
        checks,
        timeline: broken.map_or_else(Timeline::default, timeline),
        faults,
        loads,
        knees,
        acknowledgements: flow,
        machine,
        preflight: found,
    }
}

/// The commit that a deployment of the drill's own was built from, where whoever built it said so.
fn own_commit(ground: &Ground) -> Option<String> {
    ground.local.as_ref()?;
    option_env!("HOLDFAST_COMMIT").map(str::to_owned)
}

/// The run during which things were broken, second by second.
fn timeline(broken: Broken) -> Timeline {
    let moment = |second: &load::Second| {
        let ms = |quantile| load::milliseconds(second.latency_us.value_at_quantile(quantile));
        let mut heat = vec![0; HEAT_MS.len() + 1];
        for value in second.latency_us.iter_recorded() {
            let took = load::milliseconds(value.value_iterated_to());
            let row = HEAT_MS.iter().position(|end| took <= *end).unwrap_or(HEAT_MS.len());
            heat[row] += value.count_at_value();
        }
        let [p50_ms, p99_ms, max_ms] = [ms(0.5), ms(0.99), ms(1.0)];
        Moment { counts: second.counts, answered: second.answered, p50_ms, p99_ms, max_ms, heat }
    };
    let seconds = broken.ran.iter().flat_map(|ran| &ran.record.seconds).map(moment).collect();
    Timeline { seconds, bands: broken.bands }
}
