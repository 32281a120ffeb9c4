//! What a drill can be asked to do.

use std::path::PathBuf;

use clap::Args;
use ledger::note::VerifierKey;

use report::Area;

use crate::profile::ProfileName;

/// Which target, how hard, and where the report goes.
#[derive(Debug, Clone, Args)]
pub struct DrillOptions {
    /// The public port of a running deployment, as in `https://id.example.gov`.
    #[arg(long, value_name = "URL", conflicts_with = "local")]
    pub(crate) target: Option<String>,
    /// Start a deployment in a temporary folder, and break that one too.
    #[arg(long)]
    pub(crate) local: bool,
    /// More settings (TOML) for the deployment that is started: how it would be run.
    #[arg(long, value_name = "FILE", requires = "local")]
    pub(crate) settings: Option<PathBuf>,
    /// The PostgreSQL database of the deployment that is started: an empty one, made for it. Without this it has files.
    #[arg(
        long,
        value_name = "URL",
        requires = "local",
        env = "HOLDFAST_DRILL_DATABASE",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    pub(crate) only: Vec<Area>,
    /// How hard and how long.
    #[arg(long, value_enum, default_value = "smoke")]
    pub(crate) profile: ProfileName,
    /// Nodes of the fleet on PostgreSQL and Redis that is broken too, in the place of the profile's; none below two.
    #[arg(long, requires = "local")]
    pub(crate) nodes: Option<usize>,
    /// What chance goes by; the same seed brings the same callers.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where the report is written.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
    /// Nobody else uses the target meanwhile: whatever happens there more often than was asked for is a fault.
    #[arg(long)]
    pub(crate) alone: bool,
    /// Ask nothing before people are registered at a target and it is attacked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// A folder with journeys (*.toml) in the place of those that come with the program.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) journeys: Option<PathBuf>,
    /// Authorities (PEM) to believe besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// A file with the token of an auditor at the target.
    #[arg(long, value_name = "FILE")]
    pub(crate) auditor_token_file: Option<PathBuf>,
    /// A file with the token of an administrator at the target.
    #[arg(long, value_name = "FILE")]
    pub(crate) administrator_token_file: Option<PathBuf>,
    /// A file with the token of an officer at the target, who holds an election for the drill.
    #[arg(long, value_name = "FILE")]
    pub(crate) officer_token_file: Option<PathBuf>,
    /// A file with the drill's own key; made if there is none.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// A key of the target's ledger of people (C2SP verifier key, name+hash+key): every checkpoint must be signed with it.
    #[arg(long, value_name = "KEY", requires = "target")]
    pub(crate) ledger_key: Vec<VerifierKey>,
    /// The commit that the target was built from, for the report.
    #[arg(long)]
    pub(crate) commit: Option<String>,
    /// Work out what so many requests a second would cost.
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) cost_load: Option<f64>,
    /// What one node costs a month.
    #[arg(long, value_name = "MONEY", default_value_t = 100.0)]
    pub(crate) node_price: f64,
    /// How many nodes the target has, for what more of them would bear and cost.
    #[arg(long, value_name = "N", requires = "target")]
    pub(crate) target_nodes: Option<u64>,
    /// Print the test day's checklist for a target, and end.
    #[arg(long, requires = "target")]
    pub(crate) checklist: bool,
    /// The operators' port of the target, for what the checklist asks there.
    #[arg(long, value_name = "URL")]
    pub(crate) operators: Option<String>,
    /// Check that a report is what was signed, and end.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) check_report: Option<PathBuf>,
    /// The key that a report must be signed with.
    #[arg(long, value_name = "KEY", requires = "check_report")]
    pub(crate) report_key: Option<String>,
}
