//! The reverse proxy: in front of services in any language, and of other nodes of ours.

mod answer_body;
mod answer_head;
mod attend;
mod balance;
mod cached;
mod canary;
mod coded_body;
mod coding;
mod config;
mod ejection;
mod ewma;
mod exchange;
mod fault;
mod fields;
mod filling;
mod forwarding;
mod gateway;
mod health;
mod http;
mod instruments;
mod keeping;
mod line;
mod pool;
mod response_cache;
mod retry_budget;
mod route_table;
mod secure;
mod sending;
mod state;
mod streams;
mod table;
mod trip;
mod tunnel;
mod upstream;
mod weights;
mod wire;

pub use answer_head::{AnswerHead, Asked, Extent, read_answer_head};
pub use balance::{Balance, Candidate, Draw};
pub use canary::{Canary, CanaryConfig};
pub use coding::{Coding, is_worth_coding};
pub use config::{
    ConnectionsConfig, HashBy, PoolConfig, Protocol, RouteConfig, TableConfig, TimesConfig, UpstreamConfig,
};
pub use ejection::{Ejection, EjectionConfig, may_eject};
pub use ewma::PeakEwma;
pub use gateway::{Gateway, MoveError, Terms};
pub use health::{Health, HealthConfig};
pub use http::{Reload, operator_routes};
pub use keeping::{CacheControl, Keeping, has_it_already, keeping, tags, vary};
pub use response_cache::{CacheConfig, CacheState};
pub use retry_budget::{RetryBudget, RetryConfig};
pub use route_table::{HostPattern, HostPatternError, RouteTable, SameRoute};
pub use secure::{UpstreamTlsConfig, UpstreamTlsError, connector};
pub use state::{CanaryState, PoolState, RouteState, State, UpstreamState};
pub use table::TableError;
pub use weights::Weights;
