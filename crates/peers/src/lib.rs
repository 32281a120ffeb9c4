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

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    net::TcpListener,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Ten thousand above each is another that it is the owner of: there the nodes of a Redis cluster meet.
const PORTS: Range<u16> = 10_000..20_000;
const PORT_TRIES: usize = 1_000;

/// A port that nobody listens on now, and that is given to nobody else by this process. It lies below those that the
/// system gives to connections that leave (from 32,768 on Linux): one of those may be taken by anybody before a server
/// that was told of it listens.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> std::io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..PORT_TRIES {
        // A hasher begins with keys of its own: as random as is needed here.
        let random = RandomState::new().hash_one(given.len());
        let port =
            PORTS.start + u16::try_from(random % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "all ports are in use"))
}
