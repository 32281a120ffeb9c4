//! Everything that can be set, composed of each component's own settings and read once.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use cache::RedisConfig;
use clap::Args;
use edge::{
    AttackConfig, ClientsConfig, Cors, EdgeConfig, Headers, InspectionConfig, LimitsConfig, ListenConfig,
    NetworksConfig, RoomsConfig, SignaturesConfig,
};
use elections::{CHECK_ENTRIES_MAX, ElectionsConfig};
use identity::IdentityConfig;
use ledger::LedgerConfig;
use queue::WorkerConfig;
use serde::Deserialize;
use store::{Commits, DatabaseConfig, DatabaseUrl, PostgresConfig, ReaderConfig, SqliteConfig};
use telemetry::{LogConfig, TracesConfig};
use toml::{Table, Value};
use webhook::WebhookConfig;

use crate::{
    backup::BackupConfig, database_argument::ReadDatabaseUrl, gateways::ConsoleConfig, memory::MemoryConfig,
};

/// The settings file: TOML, every table and key optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The folder that holds keys and databases; made on first start.
    pub data: PathBuf,
    /// The folder of keys, which the nodes of a fleet have alike; without one, `keys` in the folder of data.
    pub keys: Option<PathBuf>,
    /// A schema-less URL that names this deployment, the beginning of its ledgers' origins. Never change
    /// it: checkpoints are signed for it.
    pub name: String,
    /// Where this node stands; every metric says so. Empty for nowhere in particular.
    pub region: String,
    pub public: ListenConfig,
    pub admin: ListenConfig,
    /// Names by which the operators' port is asked, beside its addresses and `localhost`.
    pub admin_names: Vec<String>,
    pub edge: EdgeConfig,
    pub clients: ClientsConfig,
    pub networks: NetworksConfig,
    pub limits: LimitsConfig,
    pub attack: AttackConfig,
    pub inspection: InspectionConfig,
    pub headers: Headers,
    pub cors: Cors,
    pub waiting_rooms: RoomsConfig,
    pub signatures: SignaturesConfig,
    pub webhook: WebhookConfig,
    pub console: ConsoleConfig,
    pub identity: IdentityConfig,
    pub elections: ElectionsConfig,
    pub ledger: LedgerConfig,
    pub sqlite: SqliteConfig,
    pub postgres: PostgresConfig,
    pub readers: ReaderConfig,
    pub redis: RedisConfig,
    pub jobs: WorkerConfig,
    pub backup: BackupConfig,
    pub memory: MemoryConfig,
    pub log: LogConfig,
    pub traces: TracesConfig,
}

impl Default for Settings {
    fn default() -> Self {
        let admin = ListenConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            threads: std::num::NonZeroUsize::new(1),
            ..ListenConfig::default()
        };
        Self {
            data: PathBuf::from("data"),
            keys: None,
            name: "localhost/holdfast".to_owned(),
            region: String::new(),
            public: ListenConfig::default(),
            admin,
            admin_names: Vec::new(),
            edge: EdgeConfig::default(),
            clients: ClientsConfig::default(),
            networks: NetworksConfig::default(),
            limits: LimitsConfig::default(),
            attack: AttackConfig::default(),
            inspection: InspectionConfig::default(),
            headers: Headers::default(),
            cors: Cors::default(),
            waiting_rooms: RoomsConfig::default(),
            signatures: SignaturesConfig::default(),
            webhook: WebhookConfig::default(),
            console: ConsoleConfig::default(),
            identity: IdentityConfig::default(),
            elections: ElectionsConfig::default(),
            ledger: LedgerConfig::default(),
            sqlite: SqliteConfig::default(),
            postgres: PostgresConfig::default(),
            readers: ReaderConfig::default(),
            redis: RedisConfig::default(),
            jobs: WorkerConfig::default(),
            backup: BackupConfig::default(),
            memory: MemoryConfig::default(),
            log: LogConfig::default(),
            traces: TracesConfig::default(),
        }
    }
}

/// Where settings come from: a file, and what is said at the command line, which has the last word.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsOptions {
    /// A file of settings (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that holds keys and databases.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A PostgreSQL server that keeps the databases instead of files, as nodes of a fleet share it.
    #[arg(long, value_name = "URL", env = "HOLDFAST_DATABASE", hide_env_values = true, value_parser = ReadDatabaseUrl)]
    pub database: Option<DatabaseUrl>,
    /// The folder of keys, which the nodes of a fleet have alike.
    #[arg(long, value_name = "FOLDER")]
    pub keys: Option<PathBuf>,
    /// The public address, such as 0.0.0.0:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The operators' address.
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
}

impl SettingsOptions {
    /// The merged settings.
    ///
    /// # Errors
    /// When the file cannot be read, or something in it is unknown or out of range; the message says where.
    pub fn read(&self) -> anyhow::Result<Settings> {
        Ok(self.read_with_text()?.0)
    }

    /// The same, and as TOML that can be given back but for what lets whoever has it in, which stands in URLs.
    ///
    /// # Errors
    /// As [`SettingsOptions::read`].
    pub fn read_with_text(&self) -> anyhow::Result<(Settings, String)> {
        let given = self.config.as_deref().map_or_else(|| Ok(String::new()), read_file)?;
        let settings = self.merged(&given)?;
        let text = settings.to_text(&given)?;
        Ok((settings, text))
    }

    /// What a file's text says, and what is said at the command line.
    fn merged(&self, given: &str) -> anyhow::Result<Settings> {
        let mut settings = read_text(given, self.config.as_deref())?;
        if let Some(data) = &self.data {
            settings.data.clone_from(data);
        }
        if let Some(keys) = &self.keys {
            settings.keys = Some(keys.clone());
        }
        if let Some(database) = &self.database {
            settings.postgres.url = Some(database.clone());
        }
        if let Some(listen) = self.listen {
            settings.public.address = listen;
        }
        if let Some(listen) = self.admin_listen {
            settings.admin.address = listen;
        }
        settings.check()?;
        Ok(settings)
    }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read the settings {}", path.display()))
}

fn read_text(text: &str, path: Option<&Path>) -> anyhow::Result<Settings> {
    let path = path.unwrap_or_else(|| Path::new("")).display();
    let refused = |error| anyhow::anyhow!(console::refused(text, &error));
    toml::from_str(text).map_err(refused).with_context(|| format!("cannot use the settings {path}"))
}

impl Settings {
    /// The origin line of a service's ledger.
    #[must_use]
    pub fn origin(&self, service: &str) -> String {
        format!("{}/{service}", self.name)
    }

    /// The engines that databases are kept with.
    #[must_use]
    pub fn database_config(&self) -> DatabaseConfig {
        DatabaseConfig {
            sqlite: self.sqlite.clone(),
            postgres: self.postgres.clone(),
            readers: self.readers.clone(),
        }
    }

    /// The tables that differ from `other` and cannot be changed while a server runs.
    pub(crate) fn fixed_that_differ(&self, other: &Self) -> Vec<&'static str> {
        // What is said of them for debugging is all of them, and never leaves this function.
        let tables = |settings: &Self| {
            let text = |table: &dyn fmt::Debug| format!("{table:?}");
            [
                ("data", text(&settings.data)),
                ("keys", text(&settings.keys)),
                ("name", text(&settings.name)),
                ("region", text(&settings.region)),
                ("public", text(&settings.public)),
                ("admin", text(&settings.admin)),
                ("admin-names", text(&settings.admin_names)),
                ("edge", text(&settings.edge.without_overload())),
                ("identity", text(&settings.identity)),
                ("elections", text(&settings.elections)),
                ("ledger", text(&settings.ledger)),
                ("sqlite", text(&settings.sqlite)),
                ("postgres", text(&settings.postgres)),
                ("readers", text(&settings.readers)),
                ("redis", text(&settings.redis)),
                ("jobs", text(&settings.jobs)),
                ("backup", text(&settings.backup)),
                ("memory", text(&settings.memory)),
                ("webhook", text(&settings.webhook)),
                ("console", text(&settings.console)),
                ("log", text(&settings.log)),
                ("traces", text(&settings.traces)),
            ]
        };
        let (mine, theirs) = (tables(self), tables(other));
        let differ = mine.into_iter().zip(theirs).filter(|(mine, theirs)| mine != theirs);
        differ.map(|((name, _), _)| name).collect()
    }

    /// Says what may be meant, and is better not done.
    pub(crate) fn warn(&self) {
        if self.sqlite.commits == Commits::Unsynced {
            tracing::warn!(
                code = "server/unsynced",
                "sqlite.commits is `unsynced`: a power cut loses what was acknowledged; this is for tests only"
            );
        }
    }

    /// These settings, merged from `given` and more, as TOML that can be given back. Of the ports it has what
    /// was given: what was not is as it is by default.
    fn to_text(&self, given: &str) -> anyhow::Result<String> {
        let mut text: Table = toml::from_str(given)?;
        let mut set = |name: &str, value: Value| text.insert(name.to_owned(), value);
        set("data", Value::try_from(&self.data)?);
        if let Some(keys) = &self.keys {
            set("keys", Value::try_from(keys)?);
        }
        set("name", Value::try_from(&self.name)?);
        set("identity", Value::try_from(&self.identity)?);
        set("elections", Value::try_from(&self.elections)?);
        set("ledger", Value::try_from(&self.ledger)?);
        set("sqlite", Value::try_from(&self.sqlite)?);
        set("postgres", Value::try_from(&self.postgres)?);
        set("readers", Value::try_from(&self.readers)?);
        set("log", Value::try_from(&self.log)?);
        for (name, listen) in [("public", &self.public), ("admin", &self.admin)] {
            let port = text.entry(name).or_insert_with(|| Table::new().into()).as_table_mut();
            let address = listen.address.to_string();
            port.context("a port is a table")?.insert("address".to_owned(), address.into());
        }
        for (table, value) in &mut text {
            console::show(value, if table == "webhook" { console::origin } else { console::shown });
        }
        Ok(toml::to_string(&text)?)
    }

    fn check(&self) -> anyhow::Result<()> {
        let same = self.public.address == self.admin.address && self.public.address.port() != 0;
        ensure!(!same, "the public and the admin address are the same, {}", self.admin.address);
        let visible =
            !self.name.is_empty() && self.name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        ensure!(visible, "the name `{}` must be a schema-less URL without spaces and `+`", self.name);
        let entries = self.elections.check_entries_max.get();
        ensure!(
            entries <= CHECK_ENTRIES_MAX,
            "`check-entries-max` in [elections] is {entries}: at most {CHECK_ENTRIES_MAX} verdicts fit into an entry"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn no_settings_at_all_are_settings() {
        let settings = read("").expect("the defaults stand");
        assert_eq!(settings.public.address.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.admin.address.to_string(), "127.0.0.1:8081");
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let error = read("[edge]\nbody-bytes = 7").expect_err("it is called body-bytes-max").to_string();
        assert!(error.contains("body-bytes"), "{error}");
    }

    #[test]
    fn a_limit_of_nought_is_refused() {
        assert!(read("[edge]\nbody-bytes-max = 0").is_err());
    }

    #[test]
    fn merged_settings_can_be_given_back_and_hold_no_password() {
        let given = "name = \"id.example.gov/holdfast\"\n[edge]\nbody-bytes-max = 7\n\
                     [admin]\nthreads = 3\n[postgres]\nurl = \"postgres://ada:s3cret@db.example/holdfast\"\n\
                     [redis]\nurls = [\"redis://ada:s3cret@cache.example\"]\n\
                     [traces]\nendpoint = \"https://traces.example/v1?key=s3cret\"\n\
                     [webhook]\nurl = \"https://chat.example/s3cret\"";
        let options = SettingsOptions {
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 8443))),
            data: Some(PathBuf::from("/srv/holdfast")),
            ..SettingsOptions::default()
        };
        let merged = options.merged(given).expect("they can be used");
        let text = merged.to_text(given).expect("they have a text");
        assert!(!text.contains("s3cret"), "{text}");
        let mut again = read(&text).expect("it can be given back");
        again.postgres.url.clone_from(&merged.postgres.url);
        again.redis.clone_from(&merged.redis);
        again.traces.clone_from(&merged.traces);
        again.webhook.clone_from(&merged.webhook);
        assert_eq!(format!("{again:?}"), format!("{merged:?}"));
    }

    #[test]
    fn what_cannot_change_while_a_server_runs_is_known_by_name() {
        let before = read("").expect("settings");
        let after = read("[edge]\nidle-ms-max = 7\n[limits]\nkeys-max = 7\n[log]\nformat = \"json\"");
        let differ = after.expect("settings").fixed_that_differ(&before);
        assert!(differ.contains(&"edge") && !differ.contains(&"public"), "{differ:?}");
        assert!(before.fixed_that_differ(&before).is_empty());
    }

    #[test]
    fn two_ports_cannot_have_one_address() {
        let options = SettingsOptions {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 8081))),
            ..SettingsOptions::default()
        };
        assert!(options.read().is_err());
    }
}
