//! Where a database is kept, and by which engine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use telemetry::Metrics;
use tokio_postgres::config::TargetSessionAttrs;

use crate::{
    cell::Cell,
    engine::Engine,
    error::StoreError,
    instruments::Instruments,
    migrate::Schema,
    postgres::{Kind, PostgresConfig, Server},
    reader::ReaderConfig,
    snapshot::Snapshot,
    sqlite::SqliteConfig,
    writer::{Store, Writer},
};

/// The engines a server keeps its databases with: files of its own, or one PostgreSQL for a whole fleet.
#[derive(Debug, Clone, Default)]
pub struct DatabaseConfig {
    pub sqlite: SqliteConfig,
    pub postgres: PostgresConfig,
    pub readers: ReaderConfig,
}

/// The databases of one server, each under its name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Databases {
    place: Common,
    readers: ReaderConfig,
    instruments: Instruments,
}

#[derive(Debug, Clone)]
enum Common {
    Files { folder: PathBuf, config: SqliteConfig },
    Servers { primary: Server, replicas: Arc<[Server]> },
}

/// One database.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File { path: PathBuf, config: SqliteConfig },
    Schema { server: Server, replicas: Arc<[Server]>, name: Arc<str> },
}

impl Databases {
    /// Files in `folder`, or schemas on the PostgreSQL server that `config` names.
    ///
    /// # Errors
    /// When what `config` says of that server cannot be used.
    pub fn new(folder: &Path, config: &DatabaseConfig) -> Result<Self, StoreError> {
        let instruments = Instruments::default();
        let place = match &config.postgres.url {
            Some(url) => {
                let server = |url, attributes| Server::new(&config.postgres, url, attributes, &instruments);
                let replicas =
                    config.postgres.replicas.iter().map(|url| server(url, TargetSessionAttrs::Any));
                Common::Servers {
                    primary: server(url, TargetSessionAttrs::ReadWrite)?,
                    replicas: replicas.collect::<Result<_, _>>()?,
                }
            }
            None => Common::Files { folder: folder.to_owned(), config: config.sqlite.clone() },
        };
        Ok(Self { place, readers: config.readers.clone(), instruments })
    }

    /// Files in `folder`, as they are by default.
    #[must_use]
    pub fn in_files(folder: &Path) -> Self {
        let place = Common::Files { folder: folder.to_owned(), config: SqliteConfig::default() };
        Self { place, readers: ReaderConfig::default(), instruments: Instruments::default() }
    }

    /// The same with other settings of SQLite.
    #[must_use]
    pub fn with_sqlite(mut self, sqlite: SqliteConfig) -> Self {
        if let Common::Files { config, .. } = &mut self.place {
            *config = sqlite;
        }
        self
    }

    /// Lets `metrics` tell of connections and reads.
    pub fn register(&self, metrics: &Metrics) {
        self.instruments.register(metrics);
    }

    /// Are the databases shared with other nodes?
    #[must_use]
    pub const fn are_shared(&self) -> bool {
        matches!(self.place, Common::Servers { .. })
    }

    /// Opens the database of this name, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be reached or opened, is damaged, or belongs to another version of the program.
    pub fn open(&self, name: &str, schema: &Schema) -> Result<Store, StoreError> {
        Store::open(&self.place(name), schema, &self.readers, &self.instruments)
    }

    /// Opens a database that must be there already and must not change: to look at it.
    ///
    /// # Errors
    /// When it is not there, is damaged, or belongs to another version of the program.
    pub fn open_to_read(&self, name: &str, schema: &Schema) -> Result<Writer, StoreError> {
        Writer::open_to_read(&self.place(name), schema)
    }

    /// Opens a database whose tables need not be what they should be, to save what can be read of it.
    ///
    /// # Errors
    /// When it cannot be opened at all.
    pub fn open_damaged(&self, name: &str) -> Result<Writer, StoreError> {
        Writer::open_unchecked(&self.place(name))
    }

    /// Has the database of this name been made?
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn exists(&self, name: &str) -> Result<bool, StoreError> {
        let place = self.place(name);
        if let Place::File { path, .. } = &place {
            return Ok(path.exists());
        }
        let engine = Engine::open_to_read(&place)?;
        let snapshot = Snapshot::take(&engine, Kind::LongSnapshot)?;
        let mut found = false;
        let sql = "SELECT 1 FROM pg_namespace WHERE nspname::text = $1";
        snapshot.query(sql, &[Cell::Text(name.into())], |_| {
            found = true;
            Ok(())
        })?;
        Ok(found)
    }

    fn place(&self, name: &str) -> Place {
        match &self.place {
            Common::Files { folder, config } => {
                Place::File { path: folder.join(format!("{name}.db")), config: config.clone() }
            }
            Common::Servers { primary, replicas } => {
                Place::Schema { server: primary.clone(), replicas: Arc::clone(replicas), name: name.into() }
            }
        }
    }
}
