//! Decisions that take a journey: what all nodes share, and this one has none of.

use std::{net::IpAddr, sync::Arc, time::Duration};

use clock::Stopwatch;
use limiter::{Taken, Verdict};

use super::{Rule, counted::Booked};
use crate::rule::Share;

/// What of a request has to be asked of others before it may go on.
#[derive(Debug, Default)]
pub(crate) struct Owing {
    pub(super) owed: Vec<Owed>,
    /// What this node has let pass, and takes back if another does not.
    pub(super) booked: Vec<Booked>,
    pub(crate) client: Option<IpAddr>,
}

/// Gives back what was booked, unless all let the request pass: also if its caller goes while others are asked.
struct GiveBack<'a> {
    owing: &'a Owing,
    since_start: &'a Stopwatch,
    passed: bool,
}

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        if !self.passed {
            let now = nanos(self.since_start);
            self.owing.booked.iter().for_each(|booked| booked.give_back(now));
        }
    }
}

fn nanos(since_start: &Stopwatch) -> u64 {
    u64::try_from(since_start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Why a request does not go on, and how long it has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is beyond a limit.
    Beyond(Duration),
    /// Others waited before it for what nodes share: nobody knows whether it is.
    Crowded(Duration),
}

/// One rule that others have to be asked about.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) rule: Arc<Rule>,
    pub(super) key: u128,
}

impl Owing {
    /// May the request go on?
    pub(crate) async fn settle(&self, since_start: &Stopwatch) -> Result<(), Refused> {
        let mut give_back = GiveBack { owing: self, since_start, passed: false };
        for owed in &self.owed {
            let settled = owed.settle(|| nanos(since_start)).await;
            if let Err(Refused::Beyond(_)) = settled {
                owed.rule.tell(self.client);
            }
            settled?;
        }
        give_back.passed = true;
        Ok(())
    }
}

impl Owed {
    /// Decides without asking, if that can be done.
    pub(super) fn take_at_once(&self, now: u64) -> Option<Taken> {
        let taken = self.rule.leases.as_ref()?.take_at_once(self.key);
        if taken == Some(Taken::Passed) {
            self.note(now);
        }
        taken
    }

    /// What passes of a strict limit is counted here too: of this node's part only the rest is left when nobody can be
    /// asked.
    fn note(&self, now: u64) {
        if self.rule.config.share == Share::Strict {
            self.rule.limiter.count(&self.key, now);
        }
    }

    async fn settle(&self, now: impl Fn() -> u64) -> Result<(), Refused> {
        let Self { rule, key } = self;
        let taken = match &rule.leases {
            Some(leases) => leases.take(&rule.quota_now(), *key).await,
            None => Taken::Away,
        };
        match taken {
            Taken::Passed => {
                self.note(now());
                Ok(())
            }
            Taken::Refused { retry_after } => Err(Refused::Beyond(rule.refuse(retry_after))),
            Taken::Crowded { retry_after } => Err(Refused::Crowded(rule.refuse(retry_after))),
            Taken::Away => match rule.limiter.decide(key, 1, now()).verdict {
                Verdict::Refuse { retry_after } => Err(Refused::Beyond(rule.refuse(retry_after))),
                Verdict::Pass | Verdict::PassAfter(_) => Ok(()),
            },
        }
    }
}
