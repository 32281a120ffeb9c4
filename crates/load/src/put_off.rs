//! "Not now" (429, 503): how long to wait before the same is asked again, and when to give up waiting.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};

/// What is put off for longer is not waited for: whoever asked too often is blocked for a minute.
const ONE_MAX: Duration = Duration::from_secs(75);
/// So much is waited in a whole run, so that a target that always says "later" does not keep a drill for ever.
const ALL_MAX: Duration = Duration::from_secs(600);
/// Whoever looks on wonders only about what takes longer than this.
const TOLD_FROM: Duration = Duration::from_secs(3);
/// A time that is just over may not be over yet where it is counted.
const AND: Duration = Duration::from_millis(500);

/// When whoever was put off may ask again, by what the answer says.
pub fn later(status: u16, fields: &HeaderMap) -> Option<Duration> {
    let told = fields.get(header::RETRY_AFTER).filter(|_| matches!(status, 429 | 503))?;
    let wait = Duration::from_secs(told.to_str().ok()?.trim().parse().ok()?);
    Some(wait.min(ONE_MAX) + AND)
}

/// What may still be waited, for all callers of a run together.
#[derive(Debug, Clone)]
pub struct Waits {
    left: Arc<Mutex<Duration>>,
    /// Whoever runs the drill is told what is waited for.
    tell: Teller,
}

/// Says a line to whoever runs the drill.
#[derive(Clone)]
pub struct Teller(pub Arc<dyn Fn(&str) + Send + Sync>);

impl fmt::Debug for Teller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Teller")
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::told(Teller(Arc::new(|_| {})))
    }
}

impl Waits {
    #[must_use]
    pub fn told(tell: Teller) -> Self {
        Self { left: Arc::new(ALL_MAX.into()), tell }
    }

    /// How long to wait after an answer of this status before the same is asked again; nothing if it is not put off, or for too long.
    pub fn take(&self, status: u16, retry_after: Option<&str>) -> Option<Duration> {
        let seconds = retry_after.filter(|_| matches!(status, 429 | 503))?.trim().parse().ok()?;
        let wait = Duration::from_secs(seconds);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = (wait <= ONE_MAX).then(|| left.checked_sub(wait + AND)).flatten()?;
        if wait >= TOLD_FROM {
            (self.tell.0)(&format!(
                "    waiting {seconds} s: the target says \"not now\" ({status}) to the drill's address; {} s more are waited at most",
                left.as_secs()
            ));
        }
        Some(wait + AND)
    }
}

/// A question that cannot be done without was refused because the drill's address asked too often.
#[derive(Debug)]
pub struct Limited(pub(crate) String);

impl fmt::Display for Limited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; the drill's own address is limited, and the target must let it ([networks] allowed)",
            self.0
        )
    }
}

impl Error for Limited {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_put_off_comes_again_when_they_were_told_to() {
        let mut fields = HeaderMap::new();
        assert_eq!(later(429, &fields), None);
        fields.insert(header::RETRY_AFTER, "60".parse().expect("a value"));
        assert_eq!(later(429, &fields), Some(Duration::from_secs(60) + AND));
        assert_eq!(later(200, &fields), None);
        fields.insert(header::RETRY_AFTER, "86400".parse().expect("a value"));
        assert_eq!(later(503, &fields), Some(ONE_MAX + AND));
    }

    #[test]
    fn what_is_put_off_is_waited_for_within_bounds() {
        let waits = Waits::default();
        for (status, retry_after) in
            [(200, Some("1")), (429, None), (401, Some("1")), (503, Some("soon")), (429, Some("3600"))]
        {
            assert_eq!(waits.take(status, retry_after), None, "{status} {retry_after:?}");
        }
        assert_eq!(waits.take(503, Some("1")), Some(Duration::from_millis(1500)));
        let all: Duration = std::iter::from_fn(|| waits.take(429, Some("60"))).take(100).sum();
        assert!(all <= ALL_MAX && all + ONE_MAX * 2 > ALL_MAX, "{all:?}");
    }
}
