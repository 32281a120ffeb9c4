//! Servers that others made, for tests and measurements: installed from Debian when they are missing, and
//! started as private instances on free ports, in temporary folders. They end with the process that
//! started them, however that ends.

mod browser;
mod distance;
mod pgbouncer;
mod postgres;
mod program;
mod prometheus;
mod redis;
mod s3;

pub use browser::Browser;
pub use distance::Distance;
pub use pgbouncer::PgBouncer;
pub use postgres::{Postgres, fresh_database};
pub use program::Program;
pub use prometheus::{AMTOOL, PROMTOOL, Prometheus};
pub use redis::{Redis, RedisCluster, RedisSentinel, Secrets};
pub use s3::S3;

use std::{
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io,
    net::TcpListener,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Shows a process another time than the machine's.
pub const FAKETIME: Program = Program { name: "faketime", package: "faketime" };

/// Ten thousand above each is another that it is the owner of: there the nodes of a Redis cluster meet.
const PORTS: Range<u16> = 10_000..20_000;
const PORT_TRIES: usize = 1_000;

/// A port that nobody listens on now, and that is given to nobody else as long as this process lives, by it or by any other
/// process that asks here. It lies below those that the system gives to connections that leave (from 32,768 on Linux): one of
/// those may be taken by anybody before a server that was told of it listens.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> io::Result<u16> {
    /// The locks of what was given; they end with the process.
    static GIVEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("holdfast-ports");
    fs::create_dir_all(&folder)?;
    for _ in 0..PORT_TRIES {
        // A hasher begins with keys of its own: as random as is needed here.
        let random = RandomState::new().hash_one(());
        let port =
            PORTS.start + u16::try_from(random % u64::from(PORTS.end - PORTS.start)).unwrap_or_default();
        let lock = File::create(folder.join(port.to_string()))?;
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            GIVEN.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "all ports are in use"))
}
