//! A list that all nodes write on and go by, each line until its end: what stands there, and that it has changed.

use std::collections::HashSet;

use redis::{Cmd, Value, cmd};

use super::{Link, LinkError, Redis};

/// Writes and takes away lines, and gives the board another version; tells the names for which there was no room.
const WRITE: &str = "local lines, at, left = tonumber(ARGV[4]), 5, {} \
    for _ = 1, lines do \
      local how, name, ends = ARGV[at], ARGV[at + 1], ARGV[at + 3] \
      local stands = redis.call('ZSCORE', KEYS[2], name) \
      local room = tonumber(ARGV[2]) \
      if how ~= 'prolong' then room = room + tonumber(ARGV[3]) end \
      if not stands and redis.call('HLEN', KEYS[1]) >= room then \
        left[#left + 1] = name \
      elseif how == 'set' or not stands or tonumber(stands) < tonumber(ends) then \
        redis.call('HSET', KEYS[1], name, ARGV[at + 2]) \
        redis.call('ZADD', KEYS[2], ends, name) \
      end \
      at = at + 4 \
    end \
    for gone = at, #ARGV do \
      redis.call('HDEL', KEYS[1], ARGV[gone]) \
      redis.call('ZREM', KEYS[2], ARGV[gone]) \
    end \
    redis.call('SET', KEYS[3], ARGV[1]) \
    return left";

/// Takes away lines that are over, and tells what stands there unless the caller knows it.
const READ: &str = "local time = redis.call('TIME') \
    local now = time[1] * 1000 + math.floor(time[2] / 1000) \
    local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000) \
    for _, name in ipairs(over) do \
      redis.call('HDEL', KEYS[1], name) \
      redis.call('ZREM', KEYS[2], name) \
    end \
    local version = redis.call('GET', KEYS[3]) or '' \
    local told = { version } \
    if version == ARGV[1] then return told end \
    local names = redis.call('ZREVRANGE', KEYS[2], 0, ARGV[2] - 1, 'WITHSCORES') \
    for at = 1, #names, 2 do \
      told[#told + 1] = names[at] \
      told[#told + 1] = redis.call('HGET', KEYS[1], names[at]) or '' \
      told[#told + 1] = names[at + 1] \
    end \
    return told";

/// A line of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub text: String,
    /// Until then it stands there, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A change of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineChange {
    /// It stands there so from now on, whatever stood there.
    Set(Line),
    /// It stands there at least until then: one of its name that ends later stays as it is.
    Prolong(Line),
    /// The same for one that was set before, and has the room of those.
    Keep(Line),
    /// None of this name stands there any more.
    TakeAway(String),
}

/// How many lines a board has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoardRoom {
    pub lines: usize,
    /// More of them, for lines that are set, and kept.
    pub set_beyond: usize,
}

impl BoardRoom {
    /// All that may stand there.
    #[must_use]
    pub const fn all(self) -> usize {
        self.lines + self.set_beyond
    }
}

/// What stands on a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Another after every change; empty if nobody ever wrote there, or Redis has lost it.
    pub version: String,
    pub lines: Vec<Line>,
}

impl Redis {
    /// Makes these changes, and tells the names of lines for which there was no room; nothing if they were not made.
    pub(crate) async fn write_board(
        &self,
        name: &str,
        changes: &[LineChange],
        room: BoardRoom,
    ) -> Option<HashSet<String>> {
        let mut link = self.link()?;
        let version = format!("{:016x}", u64::from_le_bytes(clock::Clock::System.random()));
        let (mut lines, mut gone) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                LineChange::Set(line) => lines.push(("set", line)),
                LineChange::Prolong(line) => lines.push(("prolong", line)),
                LineChange::Keep(line) => lines.push(("keep", line)),
                LineChange::TakeAway(name) => gone.push(name.as_str()),
            }
        }
        let mut write = self.script(WRITE, name);
        write.arg(version).arg(room.lines).arg(room.set_beyond).arg(lines.len());
        for (how, Line { name, text, until_ms }) in lines {
            write.arg(how).arg(name).arg(text).arg(until_ms);
        }
        write.arg(gone);
        let left = self.patiently(&mut link, &write).await?;
        let mut hint = cmd("PUBLISH");
        hint.arg(self.board_channel()).arg(name);
        // Whoever does not hear it looks by and by.
        let _hinted = self.patiently(&mut link, &hint).await;
        let Value::Array(left) = left else { return None };
        left.iter().map(text).collect()
    }

    /// What stands on a board, at most so many lines, unless it still has the version that the caller knows. Nothing if
    /// it has, or Redis cannot be asked.
    pub(crate) async fn read_board(&self, name: &str, known: &str, most: usize) -> Option<Option<Board>> {
        let mut link = self.link()?;
        let mut ask = self.script(READ, name);
        ask.arg(known).arg(most);
        let board = read(&self.patiently(&mut link, &ask).await?)?;
        Some((board.version != known || known.is_empty()).then_some(board))
    }

    /// Some node has changed a board.
    pub(super) fn hear_of_board(&self, told: &[u8]) {
        let name = String::from_utf8_lossy(told).into_owned();
        // Perhaps nobody waits.
        let _heard = self.0.board_changed.send(name);
    }

    pub(super) fn board_channel(&self) -> String {
        self.key("channel", "boards")
    }

    /// A script on a board, whose parts lie on one server of a cluster.
    fn script(&self, script: &str, name: &str) -> Cmd {
        let mut eval = cmd("EVAL");
        eval.arg(script).arg(3);
        for part in ["lines", "ends", "version"] {
            eval.arg(self.key("board", &format!("{{{name}}}:{part}")));
        }
        eval
    }

    /// No request waits for a board, so it may take as long as a connection.
    async fn patiently(&self, link: &mut Link, command: &Cmd) -> Option<Value> {
        let asking = async { link.send(command).await.map_err(LinkError::from) };
        tokio::time::timeout(self.0.config.connect_timeout(), asking).await.ok()?.ok()
    }
}

fn text(value: &Value) -> Option<String> {
    let Value::BulkString(text) = value else { return None };
    String::from_utf8(text.clone()).ok()
}

fn read(value: &Value) -> Option<Board> {
    let Value::Array(parts) = value else { return None };
    let (version, lines) = parts.split_first()?;
    let lines = lines.chunks_exact(3).map(|line| {
        let [name, words, until] = line else { return None };
        // Ends are told as numbers with a fraction, which they never have.
        let until_ms = text(until)?.split('.').next()?.parse().ok()?;
        Some(Line { name: text(name)?, text: text(words)?, until_ms })
    });
    Some(Board { version: text(version)?, lines: lines.collect::<Option<_>>()? })
}
