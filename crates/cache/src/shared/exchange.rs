//! One value that nodes change together: replaced if it still is what it was thought to be.

use std::time::Duration;

use redis::{Value, cmd};

use super::{LinkError, Redis};

/// Replaces the value, and tells the server's time: one step, as all of a script is.
const SCRIPT: &str = "local found = redis.call('GET', KEYS[1]) or '0' \
    local time = redis.call('TIME') \
    if found == ARGV[1] then \
      if ARGV[2] ~= ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end \
      return {1, found, time[1], time[2]} \
    end \
    return {0, found, time[1], time[2]}";

/// What became of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchanged {
    pub replaced: bool,
    /// What the value was; 0 if there was none.
    pub found: u64,
    /// The time of the server, in microseconds since 1970.
    pub now_us: u64,
}

impl Redis {
    /// Nothing if Redis cannot be asked, or does not answer in time.
    pub(crate) async fn exchange(
        &self,
        key: &str,
        known: u64,
        new: u64,
        life: Duration,
    ) -> Option<Exchanged> {
        let mut link = self.link()?;
        let mut ask = cmd("EVAL");
        ask.arg(SCRIPT).arg(1).arg(self.key("limit", key)).arg(known).arg(new);
        ask.arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1));
        self.within(async { read(&link.send(&ask).await?).ok_or(LinkError::Unread) }).await
    }
}

fn read(value: &Value) -> Option<Exchanged> {
    let Value::Array(parts) = value else { return None };
    let [Value::Int(replaced), found, seconds, micros] = parts.as_slice() else { return None };
    let number = |value: &Value| {
        let Value::BulkString(text) = value else { return None };
        std::str::from_utf8(text).ok()?.parse::<u64>().ok()
    };
    let now_us = number(seconds)?.checked_mul(1_000_000)?.checked_add(number(micros)?)?;
    Some(Exchanged { replaced: *replaced == 1, found: number(found)?, now_us })
}
