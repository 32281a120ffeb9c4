//! The reverse proxy: in front of services in any language, and of other nodes of ours.

mod balance;
mod canary;
mod config;
mod ejection;
mod ewma;
mod health;
mod pool;
mod retry_budget;
mod route_table;
mod table;
mod upstream;
mod weights;

pub use balance::{Balance, Candidate, Draw};
pub use canary::{Canary, CanaryConfig};
pub use config::{
    ConnectionsConfig, HashBy, PoolConfig, RouteConfig, TableConfig, TimesConfig, UpstreamConfig,
};
pub use ejection::{Ejection, EjectionConfig, may_eject};
pub use ewma::PeakEwma;
pub use health::{Health, HealthConfig};
pub use retry_budget::{RetryBudget, RetryConfig};
pub use route_table::{HostPattern, HostPatternError, RouteTable, SameRoute};
pub use table::TableError;
pub use weights::Weights;
