//! PostgreSQL 15, as Debian 12 has it.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::{
    Secrets, free_port,
    program::{Program, as_user, is_root, run, start_bound},
};

const BIN: &str = "/usr/lib/postgresql/15/bin";
const POSTGRES: Program = Program { name: "/usr/lib/postgresql/15/bin/postgres", package: "postgresql-15" };
const USER: &str = "postgres";

/// How long a server may take until it serves.
const START_TRIES: u32 = 1_200;
const TRY_EVERY: Duration = Duration::from_millis(50);

/// A server with files of its own.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
    port: u16,
    settings: String,
    /// What is asked of whoever wants to speak with it.
    secrets: Option<Secrets>,
    child: Option<Child>,
}

impl Postgres {
    /// Starts an empty server that syncs its disk, as one does in production.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// Starts an empty server with these settings.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        POSTGRES.ensure()?;
        Self::start_in(Self::in_new_folder(settings)?)
    }

    /// Starts an empty server that speaks only TLS, with this certificate and key, and only with those who know
    /// the password.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn start_behind(secrets: &Secrets) -> anyhow::Result<Self> {
        POSTGRES.ensure()?;
        let mut server = Self::in_new_folder(&[])?;
        server.secrets = Some(secrets.clone());
        let files = [
            ("certificate.pem", &secrets.certificate),
            ("key.pem", &secrets.key),
            ("password", &secrets.password),
        ];
        for (name, content) in files {
            let path = server.folder.path().join(name);
            fs::write(&path, content)?;
            run(Command::new("chmod").arg("600").arg(&path))?;
            if is_root()? {
                run(Command::new("chown").arg(USER).arg(&path))?;
            }
        }
        let folder = server.folder.path().display().to_string();
        for (name, file) in [("ssl_cert_file", "certificate.pem"), ("ssl_key_file", "key.pem")] {
            writeln!(server.settings, "{name} = '{folder}/{file}'")?;
        }
        writeln!(server.settings, "ssl = on")?;
        Self::start_in(server)
    }

    fn start_in(mut server: Self) -> anyhow::Result<Self> {
        let mut initdb = as_user(USER, &bin("initdb"))?;
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=holdfast",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        if server.secrets.is_some() {
            initdb.arg("--pwfile").arg(server.folder.path().join("password"));
        }
        run(initdb.arg("-D").arg(server.data()))?;
        // A standby copies with this, and asks for it.
        let who = match server.secrets {
            Some(_) => "hostssl all all 127.0.0.1/32 scram-sha-256\n",
            None => {
                "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
            }
        };
        fs::write(server.data().join("pg_hba.conf"), who)?;
        server.restart()?;
        Ok(server)
    }

    /// Starts a standby that follows this server and calls itself `name`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn standby(&self, name: &str) -> anyhow::Result<Self> {
        let mut standby = Self::in_new_folder(&[("cluster_name", name)])?;
        let mut copy = as_user(USER, &bin("pg_basebackup"))?;
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "-D"]).arg(standby.data());
        run(copy.arg("-d").arg(format!("{}&application_name={name}", self.url("postgres"))))?;
        standby.settings.push_str(&self.settings_for_a_standby());
        standby.restart()?;
        Ok(standby)
    }

    fn settings_for_a_standby(&self) -> String {
        // What a standby must have at least as large as its primary.
        self.settings.lines().filter(|line| line.starts_with("max_")).fold(String::new(), |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        })
    }

    fn in_new_folder(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-pg-").tempdir()?;
        if is_root()? {
            run(Command::new("chown").arg(USER).arg(folder.path()))?;
        }
        let port = free_port()?;
        let mut text = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
            folder.path().display()
        );
        for (name, value) in settings {
            writeln!(text, "{name} = '{value}'")?;
        }
        Ok(Self { folder, port, settings: text, secrets: None, child: None })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The URL of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let password =
            self.secrets.as_ref().map_or_else(String::new, |secrets| format!(":{}", secrets.password));
        format!("postgres://holdfast{password}@127.0.0.1:{}/{database}?connect_timeout=5", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sets something, from the next start or [`Postgres::reload`] on.
    ///
    /// # Errors
    /// When its file of settings cannot be written.
    pub fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        writeln!(self.settings, "{name} = '{value}'")?;
        Ok(fs::write(self.data().join("postgresql.conf"), &self.settings)?)
    }

    /// Has it read its settings again.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.signal("HUP")
    }

    /// Starts it, or starts it again.
    ///
    /// # Errors
    /// When it does not start.
    #[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        fs::write(self.data().join("postgresql.conf"), &self.settings)?;
        let arguments = [bin("postgres"), PathBuf::from("-D"), self.data()];
        let arguments: Vec<&Path> = arguments.iter().map(PathBuf::as_path).collect();
        self.child = Some(start_bound(Some(USER), "QUIT", &arguments, self.folder.path())?);
        for _ in 0..START_TRIES {
            if self.query("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            std::thread::sleep(TRY_EVERY);
        }
        anyhow::bail!("the server in {} does not start", self.folder.path().display())
    }

    /// Runs SQL and returns what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn query(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(bin("psql"));
        psql.args(["--no-psqlrc", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url(database));
        Ok(run(&mut psql)?.trim_end().to_owned())
    }

    /// Makes a database.
    ///
    /// # Errors
    /// When it fails.
    pub fn create_database(&self, name: &str) -> anyhow::Result<String> {
        self.query("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(name))
    }

    /// Transactions a second of pgbench running the script, as `clients` at once.
    ///
    /// # Errors
    /// When it fails, or says nothing of use.
    pub fn pgbench(&self, database: &str, script: &Path, clients: u32, seconds: u64) -> anyhow::Result<f64> {
        let mut pgbench = Command::new(bin("pgbench"));
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        pgbench.args([format!("--client={clients}"), format!("--time={seconds}")]);
        let said = run(pgbench.arg("-f").arg(script).arg(self.url(database)))?;
        let rate = said.split("tps = ").nth(1).and_then(|rest| rest.split_whitespace().next());
        rate.and_then(|rate| rate.parse().ok())
            .with_context(|| format!("pgbench said nothing of use:\n{said}"))
    }

    /// Makes a standby a primary.
    ///
    /// # Errors
    /// When it is none, or does not become one.
    pub fn promote(&self) -> anyhow::Result<()> {
        let promoted = self.query("postgres", "SELECT pg_promote(true, 60)")?;
        ensure!(promoted == "t", "the standby was not promoted");
        Ok(())
    }

    /// Ends it at once, with all its processes, as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            for process in self.processes() {
                drop(run(Command::new("kill").args(["-KILL", &process])));
            }
            drop(child.wait());
        }
    }

    /// Stops every one of its processes where it stands.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, signal: &str) {
        for process in self.processes() {
            drop(run(Command::new("kill").args([&format!("-{signal}"), &process])));
        }
    }

    /// Its processes, the first first.
    fn processes(&self) -> Vec<String> {
        let Ok(pid) = fs::read_to_string(self.data().join("postmaster.pid")) else { return Vec::new() };
        let first = pid.lines().next().unwrap_or_default().to_owned();
        let children = children_of(&first);
        [first].into_iter().chain(children).collect()
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("the server does not run")?;
        run(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()])).map(drop)
    }

    /// Ends it in order, if it runs.
    pub fn stop(&mut self) {
        if self.signal("INT").is_ok()
            && let Some(mut child) = self.child.take()
        {
            drop(child.wait());
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        self.stop();
    }
}

/// The processes whose parent is this one.
fn children_of(parent: &str) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |process: &String| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name may hold anything, but it ends with the last parenthesis; state and parent follow it.
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent)
    };
    let names = processes.flatten().filter_map(|process| process.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_child).collect()
}

fn bin(name: &str) -> PathBuf {
    Path::new(BIN).join(name)
}

/// Where the test run says that a server stands which tests may make databases on.
const SHARED: &str = "HOLDFAST_TEST_POSTGRES";

/// The URL of a new database, on a server that all tests of this run share. It does not sync: tests that
/// kill it have one of their own.
///
/// # Errors
/// When there is no server and none can be started.
#[expect(clippy::disallowed_methods, reason = "a test run tells its tests where servers stand by this alone")]
pub fn fresh_database() -> anyhow::Result<String> {
    static OWN: OnceLock<Mutex<Option<Postgres>>> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    if let Ok(server) = std::env::var(SHARED) {
        let mut psql = Command::new(bin("psql"));
        psql.args(["--no-psqlrc", "-qX", "-c", &format!("CREATE DATABASE {name}")]);
        run(psql.arg(format!("{server}/postgres")))?;
        return Ok(format!("{server}/{name}"));
    }
    let own = OWN.get_or_init(Mutex::default);
    let mut own = own.lock().ok().context("another test failed to start the server")?;
    if own.is_none() {
        *own = Some(shared_server()?);
    }
    own.as_ref().context("it was just started")?.create_database(&name)
}

/// A server for many tests at once.
fn shared_server() -> anyhow::Result<Postgres> {
    Postgres::start_with(&[
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("max_connections", "400"),
        ("shared_buffers", "64MB"),
    ])
}

impl Postgres {
    /// Starts a server for many tests at once, and says what to set so that [`fresh_database`] finds it.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    pub fn share() -> anyhow::Result<(Self, [(&'static str, String); 1])> {
        let server = shared_server()?;
        let setting = (SHARED, format!("postgres://holdfast@127.0.0.1:{}", server.port));
        Ok((server, [setting]))
    }
}
