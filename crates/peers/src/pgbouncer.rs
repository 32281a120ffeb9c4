//! PgBouncer, as Debian 12 has it, giving each transaction whatever connection is free.

use std::{fs, path::Path, process::Child, time::Duration};

use crate::{
    Postgres, free_port,
    program::{Program, is_root, run, start_bound},
};

const PGBOUNCER: Program = Program { name: "pgbouncer", package: "pgbouncer" };
const USER: &str = "postgres";

/// How long it may take until it serves.
const START_TRIES: u32 = 1_200;
const TRY_EVERY: Duration = Duration::from_millis(25);

/// A pooler in front of a server.
#[derive(Debug)]
pub struct PgBouncer {
    _folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl PgBouncer {
    /// Starts one with few connections, so that clients really share them.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    #[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
    pub fn start(server: &Postgres) -> anyhow::Result<Self> {
        PGBOUNCER.ensure()?;
        let folder = tempfile::Builder::new().prefix("holdfast-pgbouncer-").tempdir()?;
        let port = free_port()?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=holdfast\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n",
            server.port(),
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings)?;
        if is_root()? {
            run(std::process::Command::new("chown").args(["-R", USER]).arg(folder.path()))?;
        }
        let child = start_bound(Some(USER), "QUIT", &[Path::new("pgbouncer"), &file], folder.path())?;
        let pooler = Self { _folder: folder, port, child };
        for _ in 0..START_TRIES {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(pooler);
            }
            std::thread::sleep(TRY_EVERY);
        }
        anyhow::bail!("the pooler does not start")
    }

    /// The URL of one of the server's databases, through the pooler.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://holdfast@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
