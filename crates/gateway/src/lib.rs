//! The reverse proxy: in front of services in any language, and of other nodes of ours.

mod answer_body;
mod answer_head;
mod attend;
mod balance;
mod cached;
mod canary;
mod config;
mod ejection;
mod ewma;
mod exchange;
mod fault;
mod fields;
mod forwarding;
mod gateway;
mod health;
mod http;
mod instruments;
mod line;
mod pool;
mod retry_budget;
mod route_table;
mod secure;
mod sending;
mod standing;
mod state;
mod streams;
mod sweeper;
mod table;
mod trip;
mod tunnel;
mod upstream;
mod weights;
mod wire;

pub use answer_head::{AnswerHead, Asked, Extent, read_answer_head};
pub use balance::{Balance, Candidate, Draw};
pub use canary::{Canary, CanaryConfig};
pub use config::{
    ConnectionsConfig, HashBy, PoolConfig, Protocol, RouteConfig, TableConfig, TimesConfig, UpstreamConfig,
};
pub use ejection::{Ejection, EjectionConfig, may_eject};
pub use ewma::PeakEwma;
pub use gateway::{Gateway, MoveError, Terms};
pub use health::{Health, HealthConfig};
pub use http::{Reload, operator_routes};
pub use httpcache::CacheConfig;
pub use retry_budget::{RetryBudget, RetryConfig};
pub use route_table::{HostPattern, HostPatternError, RouteTable, SameRoute};
pub use secure::{TlsVersion, UpstreamTlsConfig, UpstreamTlsError, connector};
pub use standing::RoutesStanding;
pub use state::{CanaryState, PoolState, RouteState, State, UpstreamState};
pub use table::TableError;
pub use weights::Weights;
