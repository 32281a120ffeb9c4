//! What is done to a fleet, and what is asked of it then.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{Found, started::Fleet};
use load::proxy::Weather;
use report::FaultResult;

use crate::{local::Local, pause, probe::Asked};

/// How long Redis may take to say who is there.
const ANSWER_MAX: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A node leaves a database alone for half a minute that did not answer: it may take as long to notice that it does.
const PATIENCE: Duration = Duration::from_secs(45);
/// Of a hundred that are asked while Redis is away, so many more may fail than before: what was on its way to it.
const MORE_PERCENT_MAX: usize = 10;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    KillNodes,
    FreezeNodes,
    /// They do not reach PostgreSQL.
    CutNodes,
    KillPostgres,
    FreezePostgres,
    KillRedis,
    FreezeRedis,
}

impl Harm {
    /// A name, and what was done in words.
    const fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::KillNodes => ("fleet-killed", "Half of a fleet's nodes are killed"),
            Self::FreezeNodes => ("fleet-paused", "Half of a fleet's nodes stand still"),
            Self::CutNodes => ("fleet-cut-off", "Half of a fleet's nodes do not reach PostgreSQL"),
            Self::KillPostgres => ("postgresql-killed", "PostgreSQL is killed"),
            Self::FreezePostgres => ("postgresql-paused", "PostgreSQL stands still"),
            Self::KillRedis => ("redis-killed", "Redis is killed"),
            Self::FreezeRedis => ("redis-paused", "Redis stands still"),
        }
    }
}

/// What was asked of one node meanwhile.
struct Seen {
    asked: usize,
    failed: usize,
    /// Somebody who came in the second half of it was served before it was over.
    serves: bool,
}

impl Fleet {
    /// Does it, for a while, and looks who was served.
    pub(super) fn suffer(&mut self, harm: Harm) -> anyhow::Result<(Found, FaultResult)> {
        // What it is like while all is well: on a busy machine some are refused all the time.
        let calm = self.stopwatch.elapsed();
        pause::sleep(self.broken / 2);
        let from = self.stopwatch.elapsed();
        let before: Vec<_> = self.probes.iter().map(|probe| seen(&probe.since(calm), calm, from)).collect();
        let used = self.redis_clients().is_some_and(|clients| clients >= self.count());
        self.begin(harm)?;
        // What is to be noticed by nobody must have been used, and be gone.
        let gone = used && self.redis_clients().is_none();
        pause::sleep(self.broken);
        let to = self.stopwatch.elapsed();
        self.end(harm)?;
        let well = self.until_well(to);
        let seen: Vec<_> = self.probes.iter().map(|probe| seen(&probe.since(from), from, to)).collect();
        let found = judge(harm, sum(&before), &seen, self.harmed(), well, gone);
        let (name, title) = harm.named();
        let result = FaultResult {
            name: name.to_owned(),
            title: title.to_owned(),
            outcome: found.outcome(),
            from_s: from.as_secs_f64(),
            to_s: to.as_secs_f64(),
            bit: found.words.clone(),
            recovered_ms: well.map(|time| time.as_secs_f64() * 1000.0),
        };
        Ok((found, result))
    }

    /// Who else is connected to Redis; nothing if it does not answer.
    fn redis_clients(&self) -> Option<usize> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.redis.port()));
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX).ok()?;
        stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
        stream.write_all(b"INFO clients\r\n").ok()?;
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).ok()?;
        others(&String::from_utf8_lossy(&answer[..length]))
    }

    fn begin(&mut self, harm: Harm) -> anyhow::Result<()> {
        let harmed = self.harmed();
        match harm {
            Harm::KillNodes => self.nodes[..harmed].iter_mut().try_for_each(Local::kill)?,
            Harm::FreezeNodes => self.nodes[..harmed].iter().try_for_each(Local::freeze)?,
            Harm::CutNodes => self.way.set(Weather::Cut),
            Harm::KillPostgres => self.postgres.kill(),
            Harm::FreezePostgres => self.postgres.freeze(),
            Harm::KillRedis => self.redis.kill(),
            Harm::FreezeRedis => self.redis.freeze()?,
        }
        Ok(())
    }

    fn end(&mut self, harm: Harm) -> anyhow::Result<()> {
        let harmed = self.harmed();
        match harm {
            Harm::KillNodes => self.nodes[..harmed].iter_mut().try_for_each(Local::begin)?,
            Harm::FreezeNodes => self.nodes[..harmed].iter().try_for_each(Local::thaw)?,
            Harm::CutNodes => self.way.set(Weather::Fair),
            Harm::KillPostgres => self.postgres.restart()?,
            Harm::FreezePostgres => self.postgres.thaw(),
            Harm::KillRedis => self.redis.restart()?,
            Harm::FreezeRedis => self.redis.thaw()?,
        }
        Ok(())
    }

    /// How long after it was over the last node served again; nothing if one does not.
    fn until_well(&self, to: Duration) -> Option<Duration> {
        let all = || -> Option<Duration> {
            let well: Option<Vec<_>> = self.probes.iter().map(|probe| probe.well_since(to)).collect();
            well?.into_iter().max()
        };
        while all().is_none()
            && crate::ending::ended_by().is_none()
            && self.stopwatch.elapsed() < to + PATIENCE
        {
            pause::sleep(LOOK_EVERY);
        }
        all().map(|at| at.saturating_sub(to))
    }
}

/// How many are connected, besides whoever asks.
fn others(answer: &str) -> Option<usize> {
    let count = answer.lines().find_map(|line| line.strip_prefix("connected_clients:"))?;
    count.trim().parse::<usize>().ok()?.checked_sub(1)
}

fn seen(asked: &[Asked], from: Duration, to: Duration) -> Seen {
    let asked: Vec<_> = asked.iter().filter(|asked| asked.at < to).collect();
    let good = |asked: &&&Asked| asked.good && asked.at + asked.took <= to;
    let half = from + (to - from) / 2;
    Seen {
        asked: asked.len(),
        failed: asked.len() - asked.iter().filter(good).count(),
        serves: asked.iter().filter(good).any(|asked| asked.at >= half),
    }
}

/// How many were asked and failed, at all of some nodes.
fn sum(seen: &[Seen]) -> (usize, usize) {
    seen.iter().fold((0, 0), |(asked, failed), seen| (asked + seen.asked, failed + seen.failed))
}

/// What was seen, in words, and what speaks against the fleet.
fn judge(
    harm: Harm,
    (before_asked, before_failed): (usize, usize),
    seen: &[Seen],
    harmed: usize,
    well: Option<Duration>,
    gone: bool,
) -> Found {
    let (hit, others) = seen.split_at(harmed);
    let ((asked, failed), (others_asked, others_failed)) = (sum(seen), sum(others));
    let fate = match harm {
        Harm::KillNodes => Some("were killed"),
        Harm::FreezeNodes => Some("stood still"),
        Harm::CutNodes => Some("were cut off"),
        Harm::KillPostgres | Harm::FreezePostgres | Harm::KillRedis | Harm::FreezeRedis => None,
    };
    let mut words = match fate {
        Some(fate) => format!(
            "{harmed} of {} {fate}: the others left {others_failed} of {others_asked} without a good answer",
            seen.len()
        ),
        None => format!("{harm:?}: {failed} of {asked} without a good answer"),
    };
    let felt = if fate.is_some() { hit.iter().all(|seen| seen.failed * 2 > seen.asked) } else { failed > 0 };
    if !felt {
        words.push_str(" (nothing was seen of it)");
    }
    // That nobody notices is what is asked of a Redis that is gone.
    let bit = felt || gone && matches!(harm, Harm::KillRedis | Harm::FreezeRedis);
    let Some(well) = well else {
        let text = format!("{harm:?}: not well again within {PATIENCE:?}");
        return Found { words, against: Some(text), bit };
    };
    words = format!("{words}, all well after {} ms", well.as_millis());
    let against = match harm {
        Harm::KillNodes | Harm::FreezeNodes | Harm::CutNodes => (!others.iter().all(|seen| seen.serves))
            .then(|| format!("{harm:?}: the others did not serve meanwhile")),
        Harm::KillRedis | Harm::FreezeRedis => {
            let percent = |failed: usize, asked: usize| failed * 100 / asked.max(1);
            let more = percent(failed, asked).saturating_sub(percent(before_failed, before_asked));
            (more > MORE_PERCENT_MAX).then(|| format!("{words}; before {before_failed} of {before_asked}"))
        }
        Harm::KillPostgres | Harm::FreezePostgres => None,
    };
    Found { words, against, bit }
}

#[cfg(test)]
mod tests {
    use report::Outcome;

    use super::*;

    fn asked(at_ms: u64, took_ms: u64, good: bool) -> Asked {
        Asked { at: Duration::from_millis(at_ms), took: Duration::from_millis(took_ms), good }
    }

    #[test]
    fn whoever_was_served_only_when_it_was_over_was_not_served_meanwhile() {
        let (from, to) = (Duration::from_millis(0), Duration::from_millis(1000));
        let early = seen(&[asked(10, 5, true), asked(600, 500, true), asked(1200, 5, true)], from, to);
        assert_eq!((early.asked, early.failed, early.serves), (2, 1, false));
        let late = seen(&[asked(10, 5, false), asked(600, 50, true)], from, to);
        assert_eq!((late.asked, late.failed, late.serves), (2, 1, true));
    }

    #[test]
    fn others_that_do_not_serve_speak_against_a_fleet_and_the_harmed_do_not() {
        let node = |failed, serves| Seen { asked: 10, failed, serves };
        let well = Some(Duration::from_millis(7));
        // What failed before is not Redis's fault.
        let busy = judge(Harm::FreezeRedis, (20, 9), &[node(5, true), node(5, true)], 1, well, true);
        assert_eq!(busy.outcome(), Outcome::Passed, "{busy:?}");
        let judge =
            |harm, seen: &[Seen], harmed, well| judge(harm, (20, 0), seen, harmed, well, true).outcome();
        assert_eq!(judge(Harm::KillNodes, &[node(10, false), node(1, true)], 1, well), Outcome::Passed);
        assert_eq!(judge(Harm::KillNodes, &[node(10, false), node(9, false)], 1, well), Outcome::Failed);
        assert_eq!(judge(Harm::KillNodes, &[node(10, false), node(0, true)], 1, None), Outcome::Failed);
        assert_eq!(judge(Harm::KillPostgres, &[node(10, false), node(10, false)], 1, well), Outcome::Passed);
        assert_eq!(judge(Harm::FreezeRedis, &[node(5, true), node(5, true)], 1, well), Outcome::Failed);
    }

    #[test]
    fn what_nobody_saw_was_not_exercised_unless_nobody_is_to_see_it() {
        let node = |failed| Seen { asked: 10, failed, serves: true };
        let judge = |harm, well| judge(harm, (20, 0), &[node(0), node(0)], 1, well, true);
        let well = Some(Duration::from_millis(7));
        for harm in [Harm::CutNodes, Harm::KillNodes, Harm::FreezePostgres] {
            let found = judge(harm, well);
            assert!(found.words.contains("nothing was seen"), "{found:?}");
            assert_eq!(found.outcome(), Outcome::NotExercised, "{harm:?}");
            assert_eq!(judge(harm, None).outcome(), Outcome::Failed, "{harm:?}");
        }
        assert_eq!(judge(Harm::KillRedis, well).outcome(), Outcome::Passed);
        // A Redis that nobody used, or that was not gone, shows nothing.
        let still = super::judge(Harm::KillRedis, (20, 0), &[node(0), node(0)], 1, well, false);
        assert_eq!(still.outcome(), Outcome::NotExercised);
        assert_eq!(others("$99\r\n# Clients\r\nconnected_clients:4\r\n"), Some(3));
        assert_eq!(others("-NOAUTH"), None);
    }
}
