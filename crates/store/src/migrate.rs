//! How a database gets its tables: migrations beside their domain, applied once each, in order, by name.
//!
//! One text serves both engines. SQLite wants two words changed, and gets them here: a table keyed by one
//! BIGINT uses it as its row number, and a table with another key is stored in the order of that key.

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::{
    error::StoreError,
    row::{Row, Table},
};

/// One step of a schema. Its name and text never change once it has been released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Domain and number: "identity/0001_persons".
    pub name: &'static str,
    pub sql: &'static str,
}

/// Everything one database holds: how its tables came to be, and what the program takes them for.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    migrations: Vec<Migration>,
    tables: Vec<&'static Table>,
    landmarks: Option<Landmarks>,
}

/// A table whose rows count up and never change in one column: its newest row tells how much of a history a
/// database has, and of which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landmarks {
    pub(crate) table: &'static str,
    /// The column that counts.
    pub(crate) number: &'static str,
    /// The column that is another in every history.
    pub(crate) mark: &'static str,
}

impl Schema {
    /// A database with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more step.
    #[must_use]
    pub fn migration(mut self, name: &'static str, sql: &'static str) -> Self {
        self.migrations.push(Migration { name, sql });
        self
    }

    /// With one more table.
    #[must_use]
    pub fn table<R: Row>(mut self) -> Self {
        self.tables.push(R::TABLE);
        self
    }

    /// With a table that every change adds rows to, numbered by its key: replicas are measured by it. `mark` is a
    /// column of bytes that never change and are never the same by chance.
    #[must_use]
    pub fn log<R: Row>(mut self, mark: &'static str) -> Self {
        self.landmarks = Some(Landmarks { table: R::TABLE.name, number: R::TABLE.columns[0].name, mark });
        self.table::<R>()
    }

    /// With everything that `other` has.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.migrations.extend(other.migrations);
        self.tables.extend(other.tables);
        self.landmarks = self.landmarks.or(other.landmarks);
        self
    }

    /// The tables, in the order they were named.
    #[must_use]
    pub fn tables(&self) -> &[&'static Table] {
        &self.tables
    }

    pub(crate) const fn landmarks(&self) -> Option<Landmarks> {
        self.landmarks
    }

    pub(crate) fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// Applies what has not been applied, in one transaction, and checks that the tables are what the
    /// program takes them for.
    pub(crate) fn apply(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let transaction = connection.transaction()?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID",
        )?;
        self.refuse_newer(&transaction)?;
        for migration in &self.migrations {
            let digest = Sha256::digest(migration.sql).to_vec();
            let applied = transaction
                .query_row("SELECT digest FROM migrations WHERE name = ?1", [migration.name], |row| {
                    row.get::<_, Vec<u8>>(0)
                })
                .optional()?;
            match applied {
                Some(applied) if applied == digest => {}
                Some(_) => return Err(StoreError::MigrationChanged { name: migration.name.to_owned() }),
                None => {
                    transaction
                        .execute_batch(&sqlite_text(migration.sql))
                        .map_err(|source| StoreError::MigrationFailed { name: migration.name, source })?;
                    transaction.execute(
                        "INSERT INTO migrations (name, digest) VALUES (?1, ?2)",
                        (migration.name, digest),
                    )?;
                }
            }
        }
        self.tables.iter().try_for_each(|table| check_table(&transaction, table))?;
        Ok(transaction.commit()?)
    }

    /// Checks a database that may not be changed: every step applied, every table as it should be.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), StoreError> {
        self.refuse_newer(connection)?;
        self.tables.iter().try_for_each(|table| check_table(connection, table))
    }

    fn refuse_newer(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare("SELECT name FROM migrations ORDER BY name")?;
        let mut names = statement.query([])?;
        while let Some(row) = names.next()? {
            let name: String = row.get(0)?;
            if !self.migrations.iter().any(|migration| migration.name == name) {
                return Err(StoreError::MigrationUnknown { name });
            }
        }
        Ok(())
    }
}

/// The same statements as SQLite likes them.
fn sqlite_text(sql: &str) -> String {
    let statements = sql.split_inclusive(';').map(|statement| {
        let Some(table) = statement.trim_end().strip_suffix(");") else { return statement.to_owned() };
        let creates = statement.lines().any(|line| line.trim_start().starts_with("CREATE TABLE"));
        match (creates, table.contains("BIGINT PRIMARY KEY")) {
            (true, true) => format!("{});", table.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")),
            (true, false) => format!("{table}) WITHOUT ROWID;"),
            (false, _) => statement.to_owned(),
        }
    });
    statements.collect()
}

fn check_table(connection: &Connection, table: &'static Table) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let found = statement
        .query_map([table.name], |row| {
            let (name, kind, key): (String, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            // A table keyed by one number uses it as its row number, which SQLite calls INTEGER.
            let kind = if kind == "INTEGER" { "BIGINT".to_owned() } else { kind };
            Ok(format!("{name} {kind}{}", if key > 0 { " key" } else { "" }))
        })?
        .collect::<Result<Vec<_>, _>>()?
        .join(", ");
    table.check_found(&found)
}
