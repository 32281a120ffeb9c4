//! Measurements, each beside a peer in the same run. `cargo xtask bench NAME` builds and runs this.

mod ballot_check;
mod ballot_intake;
mod booth;
mod cache;
mod changes;
mod device_sign_in;
mod figures;
mod fixture;
mod generator;
mod hall;
mod held;
mod history;
mod jobs;
mod layers;
mod ledger;
mod limiter;
mod live_sessions;
mod load;
mod machine;
mod mix;
mod overload;
mod password_sign_in;
mod peer;
mod persons;
mod postgres;
mod proxy;
mod recovery;
mod session;
mod siege;
mod sums;
mod tally;
mod validate;
mod voting_tokens;

use clap::{Parser, ValueEnum};

/// As in the service itself: what is measured in this process lies as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Which measurement, and how long.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Arguments {
    name: Name,
    /// Fewer and shorter runs: done within 50 seconds once built.
    #[arg(long)]
    quick: bool,
    /// Print the figures as JSON on the last line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lists: siege::Lists,
    #[command(flatten)]
    size: tally::Size,
}

/// Every measurement.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    /// Durable commands a second, beside a bare SQLite loop that writes the same rows.
    Ledger,
    /// `GET /api/v1/session`, beside nginx.
    Session,
    /// Token validations over HTTP and in process.
    Validate,
    /// Durable sign-ins with device keys over HTTP.
    DeviceSignIn,
    /// Sign-ins with passwords, beside bare Argon2.
    PasswordSignIn,
    /// Sign-ins with passwords when more come than can be hashed.
    Overload,
    /// Decisions about quotas, with ten million keys.
    Limiter,
    /// `GET /api/v1/session` with everything that defends it on, beside the same with it off.
    Layers,
    /// Changes of a gateway under load: what fails.
    Changes,
    /// Attacks on the edge: how much longer honest callers wait, and which injections are refused.
    Siege,
    /// Ten million live sessions.
    LiveSessions,
    /// The console's page of people, where there are ten million.
    Persons,
    /// Jobs from asked for to done, beside BullMQ.
    Jobs,
    /// Commands on PostgreSQL, beside pgbench.
    Postgres,
    /// Passing requests on, beside nginx and HAProxy in front of the same server.
    Proxy,
    /// Restoring a lost node, and how far behind its backup is.
    Recovery,
    /// Hits in this process and in Redis, beside bare moka.
    Cache,
    /// Ballots with proofs, checked together and one by one.
    BallotCheck,
    /// Encrypting a ballot of ten choices in a browser.
    Booth,
    /// Votes taken durably over HTTP, and carried on until they are confirmed.
    BallotIntake,
    /// A shuffle of an election's rows with its proof, and its verification.
    Mix,
    /// A whole tally by the running service, from closing to the result, and its verification.
    Tally,
    /// Large sums of multiples, beside curve25519-dalek's own.
    Sums,
    /// The drill's load generator, beside wrk.
    Generator,
    /// Connections in the hundred-thousands that one generator holds open over several nodes.
    Held,
    /// Ten million acknowledgements compared with the ledger.
    History,
    /// Blind tokens issued and redeemed, beside RSA signatures.
    VotingTokens,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let figures = match arguments.name {
        Name::Ledger => ledger::run(arguments.quick)?,
        Name::Session => session::run(arguments.quick)?,
        Name::Validate => validate::run(arguments.quick)?,
        Name::DeviceSignIn => device_sign_in::run(arguments.quick)?,
        Name::PasswordSignIn => password_sign_in::run(arguments.quick)?,
        Name::Overload => overload::run(arguments.quick)?,
        Name::Limiter => limiter::run(arguments.quick)?,
        Name::Layers => layers::run(arguments.quick)?,
        Name::Changes => changes::run(arguments.quick)?,
        Name::Siege => siege::run(arguments.quick, &arguments.lists)?,
        Name::LiveSessions => live_sessions::run(arguments.quick)?,
        Name::Persons => persons::run(arguments.quick)?,
        Name::Postgres => postgres::run(arguments.quick)?,
        Name::Proxy => proxy::run(arguments.quick)?,
        Name::Recovery => recovery::run(arguments.quick)?,
        Name::Jobs => jobs::run(arguments.quick)?,
        Name::Cache => cache::run(arguments.quick)?,
        Name::BallotCheck => ballot_check::run(arguments.quick)?,
        Name::Booth => booth::run(arguments.quick)?,
        Name::BallotIntake => ballot_intake::run(arguments.quick)?,
        Name::Mix => mix::run(arguments.quick, arguments.size)?,
        Name::Tally => tally::run(arguments.quick, arguments.size)?,
        Name::Sums => sums::run(arguments.quick)?,
        Name::Generator => generator::run(arguments.quick)?,
        Name::Held => held::run(arguments.quick)?,
        Name::History => history::run(arguments.quick)?,
        Name::VotingTokens => voting_tokens::run(arguments.quick)?,
    };
    figures.print(arguments.json)
}
