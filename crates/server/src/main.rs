//! `holdfast`: public services that hold when a whole country arrives at once.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use drill::DrillOptions;
use server::{
    BackupOptions, CheckConfigOptions, GatewayOptions, RepairOptions, RestoreOptions, ServeOptions,
    TrusteeOptions, VerifyElectionOptions, VerifyOptions, WorkOptions,
};

/// Threads that each keep their own free memory, because a request takes and gives back some dozen small pieces of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Public services that hold when a whole country arrives at once.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

/// What this process is to do.
#[derive(Debug, Subcommand)]
enum Role {
    /// Serve: sign-in and its ledger, from a folder of data.
    Serve(ServeOptions),
    /// Work at jobs and serve nobody, beside nodes that share a PostgreSQL.
    Work(WorkOptions),
    /// Pass requests on to other servers: hosts and paths to pools, balanced, tried again, looked after.
    Gateway(GatewayOptions),
    /// Verify a folder of data: every hash, every signature, and a replay of every entry.
    Verify(VerifyOptions),
    /// Check an election from what it published, at a URL or in a folder.
    VerifyElection(VerifyElectionOptions),
    /// Do a trustee's part of an election, with keys that never leave this machine.
    Trustee(TrusteeOptions),
    /// Ship everything new to another place, every second.
    Backup(BackupOptions),
    /// Build a folder of data anew from a backup.
    Restore(RestoreOptions),
    /// Build a damaged database anew, from its own ledger and from a backup.
    Repair(RepairOptions),
    /// Drill a deployment: load, faults, attacks, compliance, and a signed report of what held.
    Drill(Box<DrillOptions>),
    /// Print the settings that `serve` would use, and whether they can be.
    CheckConfig(CheckConfigOptions),
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().role {
        Role::Serve(options) => server::serve(&options),
        Role::Work(options) => server::work(&options),
        Role::Gateway(options) => server::gateway(&options),
        Role::Verify(options) => server::verify(&options),
        Role::VerifyElection(options) => server::verify_election(&options),
        Role::Trustee(options) => server::trustee(&options),
        Role::Backup(options) => server::backup(&options),
        Role::Restore(options) => server::restore(&options),
        Role::Repair(options) => server::repair(&options),
        Role::Drill(options) => server::run_drill(&options),
        Role::CheckConfig(options) => server::check_config(&options),
        Role::Openapi => server::print_openapi(),
    };
    telemetry::stop_traces();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            server::tell(&format!("holdfast: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
