//! Servers that others made, for tests and measurements: installed from Debian when they are missing, and
//! started as private instances on free ports, in temporary folders. They end with the process that
//! started them, however that ends.

mod distance;
mod pgbouncer;
mod postgres;
mod program;
mod redis;
mod s3;

pub use distance::Distance;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, fresh_database};
pub use program::Program;
pub use redis::{Redis, RedisCluster, RedisSentinel, Secrets};
pub use s3::S3;

/// A port that nobody listens on now.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
