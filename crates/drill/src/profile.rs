//! How much is asked of a target, and how long: small for every day, large for the day before, and what was promised.

use clap::ValueEnum;
use serde::Serialize;

use load::{Knee, Phase};

/// Which profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// Everything once and briefly: done within three minutes on two cores.
    Smoke,
    /// As long and as hard as a day before the day allows: about an hour.
    DayBefore,
    /// The national stress test of the original guide, as far as the generator reaches: several hours.
    National,
}

/// What one journey is tried with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume {
    pub(crate) journey: &'static str,
    pub(crate) phases: Vec<Phase>,
    /// The longest 99th percentile that is well.
    pub(crate) p99_ms_max: f64,
    pub(crate) knee: Option<Knee>,
}

/// How much of everything.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) citizens: usize,
    pub(crate) devices: usize,
    pub(crate) threads: usize,
    pub(crate) connections_max: usize,
    pub(crate) patience_ms: u64,
    pub(crate) volumes: Vec<Volume>,
    /// Callers a second while things are broken, and how long each thing is broken.
    pub(crate) fault_per_s: f64,
    pub(crate) fault_ms: u64,
    /// After a fault, the target must serve again within this.
    pub(crate) recovery_ms_max: u64,
    /// Connections that are held open at once, hardly asking for anything, and for how long when all are open.
    pub(crate) held_connections: usize,
    pub(crate) held_ms: u64,
    /// People who follow an election at once.
    pub(crate) followers: usize,
    pub(crate) follow_ms: u64,
    pub(crate) flood_per_s: f64,
    pub(crate) attack_ms: u64,
    /// People who are erased.
    pub(crate) erased: usize,
    /// Receipts whose proofs are checked, at most.
    pub(crate) proofs_max: usize,
    /// Nodes of a fleet on PostgreSQL and Redis that is broken too, where these are installed; none below two.
    pub(crate) nodes: usize,
}

impl ProfileName {
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Smoke => smoke(),
            Self::DayBefore => day_before(),
            Self::National => national(),
        }
    }
}

fn knee(from_per_s: f64, seconds: f64, precision: f64) -> Knee {
    Knee { from_per_s, to_per_s: 2e6, seconds, good_share_min: 0.97, p99_ms_max: 250.0, precision }
}

/// Up to a rate, there for a while, and a spike of three times as much in its midst.
fn shape(per_s: f64, seconds: f64) -> Vec<Phase> {
    let part = seconds / 5.0;
    vec![
        Phase { seconds: part, from_per_s: per_s / 10.0, to_per_s: per_s },
        Phase::constant(per_s, part),
        Phase::constant(per_s * 3.0, part / 2.0),
        Phase::constant(per_s, part * 2.5),
    ]
}

fn smoke() -> Profile {
    let volume = |journey, per_s: f64, p99_ms_max: f64, knee| Volume {
        journey,
        phases: vec![Phase::constant(per_s, 3.0)],
        p99_ms_max,
        knee,
    };
    Profile {
        name: "smoke",
        citizens: 6,
        devices: 32,
        threads: 1,
        connections_max: 256,
        patience_ms: 5_000,
        volumes: vec![
            volume("validate-session", 500.0, 500.0, Some(knee(1000.0, 1.0, 0.5))),
            volume("sign-in-device", 40.0, 1000.0, Some(knee(50.0, 1.0, 0.5))),
            volume("sign-in-password", 4.0, 2000.0, None),
            volume("register", 30.0, 1000.0, None),
            volume("read-receipt", 50.0, 1000.0, None),
            volume("sign-out", 15.0, 1000.0, None),
            volume("vote", 30.0, 1000.0, None),
            volume("vote-secret", 5.0, 2000.0, None),
        ],
        fault_per_s: 40.0,
        fault_ms: 1_200,
        recovery_ms_max: 15_000,
        held_connections: 1_000,
        held_ms: 500,
        followers: 40,
        follow_ms: 2_000,
        flood_per_s: 2_000.0,
        attack_ms: 2_500,
        erased: 3,
        proofs_max: 300,
        nodes: 0,
    }
}

fn day_before() -> Profile {
    let volume = |journey, per_s: f64, p99_ms_max: f64, knee| Volume {
        journey,
        phases: shape(per_s, 120.0),
        p99_ms_max,
        knee,
    };
    Profile {
        name: "day-before",
        citizens: 200,
        devices: 2_000,
        // As many as one address may have by default.
        connections_max: 4_000,
        patience_ms: 10_000,
        volumes: vec![
            volume("validate-session", 10_000.0, 100.0, Some(knee(5_000.0, 15.0, 0.05))),
            volume("sign-in-device", 500.0, 250.0, Some(knee(200.0, 15.0, 0.05))),
            volume("sign-in-password", 15.0, 1000.0, Some(knee(5.0, 20.0, 0.1))),
            volume("register", 300.0, 250.0, Some(knee(200.0, 15.0, 0.1))),
            volume("read-receipt", 1_000.0, 250.0, Some(knee(500.0, 15.0, 0.1))),
            volume("sign-out", 150.0, 250.0, None),
            volume("vote", 300.0, 250.0, Some(knee(100.0, 15.0, 0.1))),
            volume("vote-secret", 40.0, 500.0, None),
        ],
        fault_per_s: 200.0,
        fault_ms: 10_000,
        recovery_ms_max: 10_000,
        held_connections: 20_000,
        held_ms: 90_000,
        followers: 2_000,
        follow_ms: 30_000,
        flood_per_s: 20_000.0,
        attack_ms: 30_000,
        erased: 100,
        proofs_max: 20_000,
        nodes: 3,
        ..smoke()
    }
}

fn national() -> Profile {
    let volume = |journey, per_s: f64, p99_ms_max: f64, knee| Volume {
        journey,
        phases: shape(per_s, 1_800.0),
        p99_ms_max,
        knee,
    };
    Profile {
        name: "national",
        citizens: 1_000,
        devices: 20_000,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        connections_max: 16_384,
        held_connections: 200_000,
        followers: 10_000,
        follow_ms: 120_000,
        volumes: vec![
            // A million a second, and ten million in the spike, are what the guide names: the generator brings what it can,
            // and says so when it is the limit.
            volume("validate-session", 1_000_000.0, 100.0, Some(knee(20_000.0, 60.0, 0.03))),
            volume("sign-in-device", 10_000.0, 100.0, Some(knee(500.0, 60.0, 0.03))),
            volume("sign-in-password", 500.0, 1000.0, Some(knee(10.0, 60.0, 0.05))),
            volume("register", 2_000.0, 100.0, Some(knee(500.0, 60.0, 0.05))),
            volume("read-receipt", 20_000.0, 100.0, Some(knee(1_000.0, 60.0, 0.05))),
            volume("sign-out", 2_000.0, 100.0, None),
            volume("vote", 10_000.0, 100.0, Some(knee(200.0, 60.0, 0.05))),
            // Each takes the generator half a millisecond of encryption.
            volume("vote-secret", 100.0, 500.0, None),
        ],
        ..day_before()
    }
}
