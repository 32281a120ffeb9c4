//! The report as data.

use serde::{Deserialize, Serialize};

use load::{Counts, Trial};

use crate::Verdict;

/// The version of this form.
pub const FORM: u32 = 2;

/// Everything that a drill found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub form: u32,
    pub run: RunInfo,
    pub machine: Machine,
    pub verdict: Verdict,
    /// The original guide's targets, and what was seen of them here.
    pub targets: Vec<TargetRow>,
    pub checks: Vec<Check>,
    pub loads: Vec<LoadResult>,
    pub knees: Vec<KneeResult>,
    pub timeline: Timeline,
    pub faults: Vec<FaultResult>,
    /// Nothing where acknowledgements were not compared with the ledger.
    pub acknowledgements: Option<Flow>,
    pub cost: Option<Cost>,
    /// Why there is no cost, if one was asked for.
    pub no_cost: Option<String>,
    pub preflight: Vec<Finding>,
    /// The profile as it was run.
    pub configuration: serde_json::Value,
    pub signed_by: SignedBy,
}

/// Which run this was.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunInfo {
    pub id: String,
    pub began_at: String,
    pub took_s: f64,
    pub profile: String,
    pub seed: u64,
    pub target: String,
    /// The drill started the target itself.
    pub local: bool,
    /// The version of the program, and the commit that it was built from if that is known.
    pub version: String,
    pub commit: Option<String>,
    /// How many nodes the target has, as far as that is known.
    pub nodes: Option<u64>,
    /// Who ended the run before its end, if somebody did.
    pub ended_by: Option<String>,
}

/// What it ran on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    pub descriptors_max: u64,
    /// Other work on it when the run began: the load average of one minute.
    pub busy_before: f64,
}

/// How far a figure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    Measured,
    /// Computed from what was measured, by a formula that stands beside it.
    Extrapolated,
    NotTested,
}

/// One line of target against achieved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRow {
    pub metric: String,
    pub target: String,
    pub achieved: String,
    pub scope: Scope,
    /// Nothing where nobody can say.
    pub met: Option<bool>,
    /// The formula, or why it was not tested.
    pub note: String,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Failed,
    /// It was tried, and says nothing about the target.
    Invalid,
    NotExercised,
    Passed,
}

/// Which part of the drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// How much it bears.
    Volume,
    /// Is everything that was promised kept?
    Invariants,
    /// What happens when something breaks.
    Failure,
    /// What strangers try.
    Attack,
    /// What the law asks for.
    Compliance,
}

impl Area {
    pub const ALL: [Self; 5] =
        [Self::Volume, Self::Invariants, Self::Failure, Self::Attack, Self::Compliance];

    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Volume => "Volume",
            Self::Invariants => "What was promised",
            Self::Failure => "Failure",
            Self::Attack => "Attack",
            Self::Compliance => "Compliance",
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub area: Area,
    pub name: String,
    /// What holds if it passes, as a sentence.
    pub title: String,
    pub outcome: Outcome,
    /// What was done and seen, with figures.
    pub detail: String,
    /// Examples of what was wrong.
    pub evidence: Vec<String>,
}

impl Check {
    /// What a check came to. What speaks against the target is a failure, whatever else is said of how it was tried: here, and
    /// nowhere else, so that no part of a drill can forget it.
    pub fn new(
        area: Area,
        name: &str,
        title: &str,
        outcome: Outcome,
        detail: impl Into<String>,
        against: Vec<String>,
    ) -> Self {
        let outcome = if against.is_empty() { outcome } else { Outcome::Failed };
        let (name, title, detail) = (name.to_owned(), title.to_owned(), detail.into());
        Self { area, name, title, outcome, detail, evidence: against }
    }
}

/// What a load came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadResult {
    pub journey: String,
    pub title: String,
    pub shape: String,
    pub seconds: f64,
    pub counts: Counts,
    pub good_per_s: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Pairs of percentile and milliseconds.
    pub percentiles: Vec<(f64, f64)>,
    pub generator_lag_p99_ms: f64,
    pub generator_busy: f64,
    /// Why it says nothing of the target, if so.
    pub invalid: Option<String>,
}

/// A search for the highest rate that holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KneeResult {
    pub journey: String,
    pub title: String,
    pub found_per_s: Option<f64>,
    pub at_least: bool,
    pub p99_ms_max: f64,
    pub trials: Vec<Trial>,
}

/// A run second by second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    pub seconds: Vec<Moment>,
    pub bands: Vec<Band>,
}

/// One second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    pub counts: Counts,
    pub answered: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// How many took how long, by [`HEAT_MS`].
    pub heat: Vec<u64>,
}

/// The upper ends of the heat map's rows, in milliseconds; the last row has no end.
pub const HEAT_MS: [f64; 13] =
    [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

/// When something was done to the target.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Band {
    pub name: String,
    pub from_s: f64,
    pub to_s: f64,
}

/// A fault, and how the target took it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultResult {
    pub name: String,
    pub title: String,
    pub outcome: Outcome,
    pub from_s: f64,
    pub to_s: f64,
    /// What the probe saw of it: a fault that nobody sees proves nothing.
    pub bit: String,
    /// From when it was lifted to the first probe that was well, in milliseconds.
    pub recovered_ms: Option<f64>,
}

/// What became of acknowledgements.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    pub asked: u64,
    pub acknowledged: u64,
    pub unknown: u64,
    pub refused: u64,
    pub found: u64,
    pub lost: u64,
    pub altered: u64,
    pub doubled: u64,
    pub proven: u64,
}

/// What a load would cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub load_per_s: f64,
    pub measured_per_s: f64,
    pub headroom: f64,
    pub nodes: u64,
    pub node_price: f64,
    pub money_a_month: f64,
    pub formula: String,
}

/// Something that was found out before the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub name: String,
    /// Can it be tested here?
    pub possible: bool,
    pub detail: String,
}

/// Whose signature is under the report.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedBy {
    /// A C2SP verifier key.
    pub key: String,
    pub whose: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome) -> Check {
        Check::new(Area::Volume, "a", "A", outcome, "", Vec::new())
    }

    #[test]
    fn what_speaks_against_a_target_is_a_failure_whatever_else_is_said() {
        for outcome in [Outcome::Passed, Outcome::NotExercised, Outcome::Invalid, Outcome::Failed] {
            let lost = vec!["somebody was acknowledged, and is lost".to_owned()];
            let found = Check::new(Area::Failure, "a", "A", outcome, "nothing was seen of it", lost);
            assert_eq!(found.outcome, Outcome::Failed, "{outcome:?}");
            assert_eq!(check(outcome).outcome, outcome);
        }
    }
}
