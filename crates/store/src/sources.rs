//! Which server a read is put to: a replica that has everything the primary had when the read was asked
//! for, or else the primary. So a read sees what was acknowledged before it, whichever node wrote it, and the
//! primary is asked one small thing for a whole batch of reads.
//!
//! A replica has all of it when it has come as far in the server's own log; and that its history is the primary's
//! it shows by the newest row of a log of ours: rows that count up and never change.

use std::{cell::Cell as Place, thread, time::Duration};

use clock::{Clock, Stopwatch};

use crate::{
    cell::{Cell, CellRef},
    engine::Engine,
    error::StoreError,
    instruments::{Instruments, Role},
    migrate::Landmarks,
    place,
    postgres::{Kind, Request, Server, Session, cell_ref},
};

/// How long a replica that was behind is not asked.
const REST_BEHIND: Duration = Duration::from_secs(1);

/// How long one that did not answer is not: each time costs a read a part of a second.
const REST_SILENT: Duration = Duration::from_secs(15);

/// How often a replica that is behind is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(1);

/// Where one thread's reads may go.
pub(crate) struct Sources {
    primary: Engine,
    replicas: Vec<Replica>,
    landmarks: Option<Landmarks>,
    /// The replica whose turn it is.
    turn: usize,
    waits_max: Duration,
    running: Stopwatch,
    instruments: Instruments,
}

struct Replica {
    engine: Engine,
    rests_until: Place<Duration>,
}

/// The newest row of a log, and how far the primary's own log had come: operations leave no row.
struct Landmark {
    number: i64,
    mark: Vec<u8>,
    position: String,
}

impl Sources {
    /// The servers of the database at `place`; the thread with this number begins with another replica than
    /// its neighbours.
    pub(crate) fn open(
        place: &place::Place,
        landmarks: Option<Landmarks>,
        thread: usize,
        instruments: &Instruments,
    ) -> Result<Self, StoreError> {
        let (replicas, waits_max) = match place {
            place::Place::Schema { replicas, server, name } => {
                let open = |server: &Server| Replica {
                    engine: Engine::Postgres(Box::new(Session::new(server.clone(), name, Role::Replica))),
                    rests_until: Place::default(),
                };
                (replicas.iter().map(open).collect(), server.config().replica_wait())
            }
            place::Place::File { .. } => (Vec::new(), Duration::ZERO),
        };
        Ok(Self {
            primary: Engine::open_to_read(place)?,
            replicas,
            landmarks,
            turn: thread,
            waits_max,
            running: Clock::System.stopwatch(),
            instruments: instruments.clone(),
        })
    }

    /// The one for the reads that wait now; none while the primary is away, as it has just told.
    pub(crate) fn choose(&mut self, reads: u64) -> Result<&Engine, StoreError> {
        self.turn = self.turn.wrapping_add(1);
        let found = self.fit_replica(reads)?;
        let role = if found.is_some() { Role::Replica } else { Role::Reader };
        self.instruments.reads(role, reads);
        Ok(found.map_or(&self.primary, |place| &self.replicas[place].engine))
    }

    /// Reads that another than the replica whose turn it was has to take are counted, whoever takes them: a replica that is never
    /// fit is soon not even asked.
    fn fit_replica(&self, reads: u64) -> Result<Option<usize>, StoreError> {
        let now = self.running.elapsed();
        let count = self.replicas.len();
        let Some(landmarks) = self.landmarks.filter(|_| count > 0) else { return Ok(None) };
        let turns = (0..count).map(|step| self.turn.wrapping_add(step) % count);
        let mut awake = turns.filter(|place| self.replicas[*place].rests_until.get() <= now).peekable();
        if awake.peek().is_none() {
            self.instruments.passed_over(reads);
            return Ok(None);
        }
        let newest = match landmarks.newest(&self.primary) {
            Ok(Some(newest)) => newest,
            // An empty log has no landmark.
            Ok(None) => return Ok(None),
            // Whoever waits has waited once: the reads need not find it out again.
            Err(error) if error.is_away() => return Err(error),
            Err(_) => return Ok(None),
        };
        let fit = awake.find(|place| {
            let replica = &self.replicas[*place];
            let rest = match self.catches_up(replica, landmarks, &newest) {
                Ok(true) => return true,
                Ok(false) => REST_BEHIND,
                Err(_) => REST_SILENT,
            };
            self.instruments.replica_behind();
            replica.rests_until.set(self.running.elapsed() + rest);
            false
        });
        if fit != Some(self.turn % count) {
            self.instruments.passed_over(reads);
        }
        Ok(fit)
    }

    /// Waits a little for a replica to have what the primary has.
    #[expect(clippy::disallowed_methods, reason = "a reader's own thread has nothing else to do meanwhile")]
    fn catches_up(
        &self,
        replica: &Replica,
        landmarks: Landmarks,
        newest: &Landmark,
    ) -> Result<bool, StoreError> {
        let until = self.running.elapsed() + self.waits_max;
        loop {
            match landmarks.same(&replica.engine, newest)? {
                Some(same) => return Ok(same.mark == newest.mark),
                None if self.running.elapsed() < until => thread::sleep(ASK_AGAIN),
                None => return Ok(false),
            }
        }
    }
}

impl Landmarks {
    /// What the primary has.
    fn newest(self, primary: &Engine) -> Result<Option<Landmark>, StoreError> {
        let Self { table, number, mark } = self;
        let sql = format!(
            "SELECT \"{number}\", \"{mark}\", pg_current_wal_flush_lsn()::text FROM {table} \
             ORDER BY \"{number}\" DESC LIMIT 1"
        );
        ask(primary, Kind::Snapshot, &sql, &[])
    }

    /// The same row in a replica that has come as far, if it has; none in one that follows nobody any more.
    fn same(self, replica: &Engine, newest: &Landmark) -> Result<Option<Landmark>, StoreError> {
        let Self { table, number, mark } = self;
        let sql = format!(
            "SELECT \"{number}\", \"{mark}\", $2 FROM {table} \
             WHERE \"{number}\" = $1 AND pg_last_wal_replay_lsn() >= $2::pg_lsn"
        );
        let values = [Cell::Integer(newest.number), Cell::Text(newest.position.as_str().into())];
        ask(replica, Kind::Glance, &sql, &values)
    }
}

/// The first row that a query finds.
fn ask(engine: &Engine, kind: Kind, sql: &str, values: &[Cell<'_>]) -> Result<Option<Landmark>, StoreError> {
    let Engine::Postgres(session) = engine else { return Ok(None) };
    let answers = session.ask_alone(kind, &[Request::new(sql, values)])?;
    let found = answers.iter().flat_map(|answer| &answer.rows).next();
    Ok(found.and_then(|row| match (cell_ref(row, 0), cell_ref(row, 1), cell_ref(row, 2)) {
        (CellRef::Integer(number), CellRef::Bytes(mark), CellRef::Text(position)) => {
            Some(Landmark { number, mark: mark.to_vec(), position: position.to_owned() })
        }
        _ => None,
    }))
}
