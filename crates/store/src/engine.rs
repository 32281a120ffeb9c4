//! What a batch or a snapshot talks to: SQLite in this process, or PostgreSQL at the end of a wire.
//!
//! SQL is written once, with `$1` for values; what SQLite wants otherwise is changed here.

use rusqlite::Connection;

use crate::{
    cell::{Cell, CellRef},
    error::StoreError,
    instruments::Role,
    migrate::Schema,
    place::Place,
    postgres::{self, Kind, Request, Session},
    row::{Row, RowKey},
    sqlite::{self, Statements},
};

/// One connection to a database.
#[derive(Debug)]
pub(crate) enum Engine {
    Sqlite(Connection),
    Postgres(Box<Session>),
}

/// The columns of one row that a query found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FoundRow<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Engine {
    /// Opens what changes a database, and brings its schema up to date.
    pub(crate) fn open_to_write(place: &Place, schema: &Schema) -> Result<Self, StoreError> {
        match place {
            Place::File { path, config } => {
                let mut connection = sqlite::open_writer(path, config)?;
                schema.apply(&mut connection)?;
                Ok(Self::Sqlite(connection))
            }
            Place::Schema { server, name, .. } => {
                let session = Session::new(server.clone(), name, Role::Writer);
                postgres::apply(&session, schema)?;
                Ok(Self::Postgres(Box::new(session)))
            }
        }
    }

    /// Opens what only reads a database that is there.
    pub(crate) fn open_to_read(place: &Place) -> Result<Self, StoreError> {
        match place {
            Place::File { path, config } => Ok(Self::Sqlite(sqlite::open_reader(path, config)?)),
            Place::Schema { server, name, .. } => {
                Ok(Self::Postgres(Box::new(Session::new(server.clone(), name, Role::Reader))))
            }
        }
    }

    /// Checks a database that may not be changed.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => schema.check(connection),
            Self::Postgres(session) => postgres::check(session, schema),
        }
    }

    pub(crate) fn begin(&self, kind: Kind) -> Result<(), StoreError> {
        match (self, kind) {
            (Self::Postgres(session), kind) => session.begin(kind),
            (Self::Sqlite(connection), Kind::Batch | Kind::LongBatch) => {
                connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
            }
            (Self::Sqlite(connection), Kind::Snapshot | Kind::Glance | Kind::LongSnapshot) => {
                connection.prepare_cached("BEGIN")?.raw_execute()?;
            }
        }
        Ok(())
    }

    /// Ends a transaction without keeping anything of it.
    pub(crate) fn end(&self) {
        match self {
            Self::Postgres(session) => session.end(),
            // After some failures SQLite has rolled back by itself; there is nothing left to undo then.
            Self::Sqlite(connection) if connection.is_autocommit() => {}
            Self::Sqlite(connection) => {
                let ended =
                    connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.raw_execute());
                if let Err(error) = ended {
                    tracing::error!(code = "store/rollback-failed", %error, "a transaction could not be ended");
                }
            }
        }
    }

    /// The row with this key.
    pub(crate) fn row<R: Row>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        let statements = Statements::kept(R::TABLE);
        match self {
            Self::Sqlite(connection) => sqlite::select_row(connection, &statements.select, &key.cells()),
            Self::Postgres(_) => {
                let sql = statements.select.replace('?', "$");
                Ok(self.rows::<R>(&sql, &key.cells())?.pop())
            }
        }
    }

    /// Every row of a table that a statement finds.
    pub(crate) fn rows<R: Row>(&self, sql: &str, values: &[Cell<'_>]) -> Result<Vec<R>, StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::select_rows(connection, &sql.replace('$', "?"), values),
            Self::Postgres(session) => {
                let answers = session.ask(&[Request::new(sql, values)])?;
                answers.iter().flat_map(|answer| &answer.rows).map(postgres::read_row).collect()
            }
        }
    }

    /// Calls `each` for every row that a query finds, in the query's order.
    pub(crate) fn query(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        mut each: impl FnMut(FoundRow<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&sql.replace('$', "?"))?;
                for (place, value) in values.iter().enumerate() {
                    statement.raw_bind_parameter(place + 1, value)?;
                }
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    each(FoundRow::Sqlite(row))?;
                }
                Ok(())
            }
            Self::Postgres(session) => {
                session.stream(&Request::new(sql, values), |row| each(FoundRow::Postgres(row)))
            }
        }
    }

    /// Runs one statement that changes rows; tells how many.
    pub(crate) fn execute(&self, sql: &str, values: &[Cell<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(&sql.replace('$', "?"))?;
                Ok(sqlite::run(&mut statement, values)? as u64)
            }
            Self::Postgres(session) => {
                let answers = session.ask(&[Request::new(sql, values)])?;
                Ok(answers.iter().map(|answer| answer.touched).sum())
            }
        }
    }
}

impl<'r> FoundRow<'r> {
    pub(crate) fn cell(self, place: usize) -> CellRef<'r> {
        match self {
            Self::Sqlite(row) => row.get_ref(place).map_or(CellRef::Null, sqlite::cell_ref),
            Self::Postgres(row) => postgres::cell_ref(row, place),
        }
    }
}
