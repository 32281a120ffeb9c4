//! Upstreams that can take each other's requests, with what decides among them and how often is tried again.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use store::{Breaker, Verdict};

use crate::{
    Balance, Candidate, Draw, PoolConfig, RetryBudget, UpstreamTlsError,
    ewma::until_served,
    gateway::millis,
    may_eject,
    secure::Secure,
    upstream::{InFlight, Upstream},
};

thread_local! {
    static CANDIDATES: RefCell<Vec<Candidate>> = const { RefCell::new(Vec::new()) };
}

/// Those who take a request, or why nobody does.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) name: Box<str>,
    pub(crate) config: PoolConfig,
    pub(crate) members: Vec<Member>,
    /// What its servers are spoken to with in TLS. Their certificates and ours are renewed in their files.
    secure: ArcSwapOption<Secure>,
    /// Only taken by those who take turns.
    turn: AtomicU64,
    /// Is the breaker anything but closed? Then, and only then, every request asks it.
    is_tripped: AtomicBool,
    pub(crate) retries: AtomicU64,
    pub(crate) hedges: AtomicU64,
    /// Requests that nobody took.
    pub(crate) refused: AtomicU64,
    mind: Mutex<Mind>,
}

/// An upstream's place in a pool.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) weight: u32,
    pub(crate) region: Box<str>,
    /// It stands where the gateway stands.
    pub(crate) is_near: bool,
}

#[derive(Debug)]
struct Mind {
    breaker: Breaker,
    budget: RetryBudget,
    /// Requests and failures that the breaker has heard of.
    told: (u64, u64),
}

/// Who takes a request.
#[derive(Debug)]
pub(crate) struct Chosen<'p> {
    pub(crate) place: usize,
    pub(crate) in_flight: InFlight,
    /// There while the breaker is not closed: then the pool rests until it is told how this request went.
    pub(crate) trial: Option<BreakerTrial<'p>>,
}

/// The one request by which a breaker finds out whether its pool is back. Dropped without a word, as when its caller goes
/// away, it leaves the trial to the next request.
#[derive(Debug)]
pub(crate) struct BreakerTrial<'p> {
    pool: &'p Pool,
    begun_ms: u64,
    is_told: bool,
}

impl BreakerTrial<'_> {
    /// The breaker knows how it went.
    pub(crate) fn end(mut self) {
        self.is_told = true;
    }
}

impl Drop for BreakerTrial<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.pool.mind(|mind| mind.breaker.given_up(Duration::from_millis(self.begun_ms)));
        }
    }
}

/// Nobody takes the request; it may be tried again after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nobody(pub(crate) Duration);

/// When no upstream is well, the next round of questions may find one.
const TRY_AGAIN_IN: Duration = Duration::from_secs(1);

impl Pool {
    /// A pool of this configuration, with what is known already of upstreams that stay.
    ///
    /// # Errors
    /// When its servers cannot be spoken to in TLS as it says.
    pub(crate) fn new(
        name: &str,
        config: PoolConfig,
        region: &str,
        before: Option<&Self>,
    ) -> Result<Self, UpstreamTlsError> {
        let secure = ArcSwapOption::new(Secure::of(&config)?.map(Arc::new));
        // Idle connections stay with their upstream, which must go on in what they were opened in.
        let spoken = |config: &PoolConfig| (config.protocol, config.tls.clone());
        let before = before.filter(|before| spoken(&before.config) == spoken(&config));
        let kept = |address: &str| {
            let members = before.map(|before| before.members.iter()).into_iter().flatten();
            members.map(|member| &member.upstream).find(|upstream| *upstream.address == *address).cloned()
        };
        let member = |known: &crate::UpstreamConfig| Member {
            upstream: kept(&known.address).unwrap_or_else(|| Upstream::new(&known.address)),
            weight: known.weight,
            region: known.region.as_str().into(),
            is_near: known.region == region,
        };
        let members: Vec<_> = config.upstreams.iter().map(member).collect();
        let mut pool = Self {
            name: name.into(),
            mind: Mutex::new(Mind {
                breaker: Breaker::new(config.breaker),
                budget: RetryBudget::default(),
                told: (0, 0),
            }),
            config,
            members,
            secure,
            turn: AtomicU64::new(0),
            is_tripped: AtomicBool::new(false),
            retries: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        let told = pool.counts();
        pool.mind.get_mut().unwrap_or_else(PoisonError::into_inner).told = told;
        Ok(pool)
    }

    /// What a new connection is to speak TLS with; nothing if it is not to.
    pub(crate) fn secure(&self) -> Option<Arc<Secure>> {
        self.secure.load_full()
    }

    /// New connections speak TLS with what was read of its files just now.
    pub(crate) fn renew(&self, secure: Option<Secure>) {
        self.secure.store(secure.map(Arc::new));
    }

    /// Requests in all, and those that failed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let upstreams = self.members.iter().map(|member| &member.upstream);
        upstreams.fold((0, 0), |(requests, failed), upstream| {
            (requests + upstream.requests(), failed + upstream.failed())
        })
    }

    /// Chooses who takes a request, other than those who were `tried` if there are others.
    pub(crate) fn choose(
        &self,
        now_ms: u64,
        dice: u64,
        key: u64,
        tried: &[u64],
    ) -> Result<Chosen<'_>, Nobody> {
        let trial = self.ask_breaker(now_ms)?;
        let balance = self.config.balance;
        let turn = if balance == Balance::RoundRobin { self.turn.fetch_add(1, Relaxed) } else { dice >> 7 };
        let draw = Draw { dice, turn, key };
        let place = CANDIDATES.with_borrow_mut(|candidates| {
            let is_available = |upstream: &Upstream| upstream.is_available(now_ms);
            self.gather(candidates, now_ms, |upstream| {
                !tried.contains(&upstream.number) && is_available(upstream)
            });
            if candidates.is_empty() && !tried.is_empty() {
                self.gather(candidates, now_ms, is_available);
            }
            if candidates.is_empty() {
                // Whoever else was there went after these were ejected: what is left is asked however it fails.
                self.gather(candidates, now_ms, Upstream::is_well);
            }
            balance.choose(candidates, draw).map(|chosen| candidates[chosen].place)
        });
        match place {
            Some(place) => Ok(Chosen { place, in_flight: self.members[place].upstream.enter(), trial }),
            None => {
                self.refused.fetch_add(1, Relaxed);
                Err(Nobody(TRY_AGAIN_IN))
            }
        }
    }

    /// Those who may take a request: of the gateway's own region, or of all others where there is none.
    fn gather(&self, candidates: &mut Vec<Candidate>, now_ms: u64, may: impl Fn(&Upstream) -> bool) {
        candidates.clear();
        for near in [true, false] {
            for (place, member) in self.members.iter().enumerate() {
                let upstream = &member.upstream;
                if member.is_near == near && member.weight > 0 && may(upstream) {
                    candidates.push(Candidate {
                        place,
                        identity: upstream.identity,
                        weight: member.weight,
                        in_flight: upstream.in_flight(),
                        cost_us: 0,
                    });
                }
            }
            if !candidates.is_empty() {
                break;
            }
        }
        if self.measures() {
            self.weigh(candidates, now_ms);
        }
    }

    /// Is it measured what its upstreams cost?
    fn measures(&self) -> bool {
        self.config.balance == Balance::PeakEwma
    }

    /// Finds out what each costs. Of whom nothing is known costs as much as the others do: were it nothing, all would go there
    /// until the first answer comes, and who fails at once would look like who is quick.
    fn weigh(&self, candidates: &mut [Candidate], now_ms: u64) {
        let (mut sum, mut known) = (0_u64, 0_u64);
        for candidate in &mut *candidates {
            candidate.cost_us = self.members[candidate.place].upstream.cost_us(now_ms);
            sum = sum.saturating_add(candidate.cost_us);
            known += u64::from(candidate.cost_us > 0);
        }
        let usual = sum.checked_div(known).unwrap_or(0).max(1);
        for candidate in candidates {
            let cost_us = if candidate.cost_us > 0 { candidate.cost_us } else { usual };
            let failed = self.members[candidate.place].upstream.failed_share(now_ms);
            candidate.cost_us = until_served(cost_us, failed);
        }
    }

    fn ask_breaker(&self, now_ms: u64) -> Result<Option<BreakerTrial<'_>>, Nobody> {
        if !self.is_tripped.load(Relaxed) {
            return Ok(None);
        }
        match self.mind(|mind| mind.breaker.ask(Duration::from_millis(now_ms))) {
            Verdict::Go => Ok(Some(BreakerTrial { pool: self, begun_ms: now_ms, is_told: false })),
            Verdict::Wait(left) => {
                self.refused.fetch_add(1, Relaxed);
                Err(Nobody(left))
            }
        }
    }

    /// Would it take a request now? Asking changes nothing.
    pub(crate) fn is_there(&self, now_ms: u64) -> bool {
        let rests = self.is_tripped.load(Relaxed) && self.open_for(now_ms).is_some();
        let takes = |member: &Member| member.weight > 0 && member.upstream.is_available(now_ms);
        !rests && self.members.iter().any(takes)
    }

    /// One of its upstreams passed a health check: if the pool rests, the next request tries.
    pub(crate) fn found_well(&self, now_ms: u64) {
        if self.is_tripped.load(Relaxed) {
            self.mind(|mind| mind.breaker.found_well(Duration::from_millis(now_ms)));
        }
    }

    /// Is the breaker open, and for how long?
    pub(crate) fn open_for(&self, now_ms: u64) -> Option<Duration> {
        self.mind(|mind| mind.breaker.refuses(Duration::from_millis(now_ms)))
    }

    /// One of its upstreams answered, and not with a failure.
    pub(crate) fn succeeded(&self, place: usize, took_us: u64, now_ms: u64) {
        self.members[place].upstream.succeeded(took_us, now_ms, self.measures());
        self.heard_of(now_ms);
    }

    /// One of its upstreams answered, though it did not serve.
    pub(crate) fn heard_of(&self, now_ms: u64) {
        if self.is_tripped.load(Relaxed) {
            self.tell_breaker(now_ms, Some(true));
        }
    }

    /// Is there anybody who takes requests beside those who were `tried`?
    pub(crate) fn has_other(&self, now_ms: u64, tried: &[u64]) -> bool {
        self.members.iter().any(|Member { upstream, weight, .. }| {
            *weight > 0 && !tried.contains(&upstream.number) && upstream.is_available(now_ms)
        })
    }

    /// Another answered while one of its upstreams, of this number, was asked too, and it is heard no longer. Whoever had more
    /// than `patience` for it counts as one who fails, or nobody would ever notice that it hangs; the breaker hears nothing
    /// of it, because the request was served.
    pub(crate) fn overtaken(&self, number: u64, took: Duration, now: Duration, patience: Duration) {
        let now_ms = millis(now);
        let Some(place) = self.members.iter().position(|member| member.upstream.number == number) else {
            return;
        };
        // It had no time to answer: that says nothing of it.
        if took < patience {
            return;
        }
        let upstream = &self.members[place].upstream;
        if self.measures() {
            upstream.costs(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), now_ms);
        }
        if upstream.has_lost(now_ms, &self.config.ejection, self.may_eject(place, now_ms)) {
            self.tell_ejected(upstream);
        }
    }

    /// How many upstreams it has.
    pub(crate) const fn upstreams(&self) -> usize {
        self.members.len()
    }

    /// One of its upstreams failed: it counts against it, and, if `it_was_away`, against the pool.
    pub(crate) fn failed(&self, place: usize, now_ms: u64, it_was_away: bool) {
        let may_eject = self.may_eject(place, now_ms);
        let upstream = &self.members[place].upstream;
        if upstream.has_failed(now_ms, &self.config.ejection, may_eject, self.measures()) {
            self.tell_ejected(upstream);
        }
        if it_was_away {
            self.tell_breaker(now_ms, Some(false));
        } else {
            self.heard_of(now_ms);
        }
    }

    fn tell_ejected(&self, upstream: &Upstream) {
        let (pool, address) = (&*self.name, &*upstream.address);
        tracing::warn!(
            code = "gateway/ejected",
            pool,
            upstream = address,
            "{address} fails, and is left alone"
        );
    }

    /// May this one be left alone? Only who takes requests is a part of the pool for that, and somebody has to be left.
    fn may_eject(&self, place: usize, now_ms: u64) -> bool {
        let takers = || self.members.iter().enumerate().filter(|(_, member)| member.weight > 0);
        let ejected = takers().filter(|(_, member)| member.upstream.ejected_for_ms(now_ms).is_some());
        let mut others = takers().filter(|(other, _)| *other != place);
        others.any(|(_, member)| member.upstream.is_available(now_ms))
            && may_eject(ejected.count(), takers().count(), &self.config.ejection)
    }

    /// Tells the breaker what it has not heard of yet, and how the last request went.
    fn tell_breaker(&self, now_ms: u64, went_well: Option<bool>) {
        let (requests, failed) = self.counts();
        let now = Duration::from_millis(now_ms);
        let (was_open, is_open) = self.mind(|mind| {
            let was_open = mind.breaker.is_open();
            let answered = requests.saturating_sub(mind.told.0);
            let well = answered.saturating_sub(failed.saturating_sub(mind.told.1));
            mind.told = (requests, failed);
            // While it is open, only the one who tries says how it went.
            if well > 1 && !was_open {
                mind.breaker.told(now, well - 1, true);
            }
            if let Some(went_well) = went_well {
                mind.breaker.told(now, 1, went_well);
            }
            let is_open = mind.breaker.is_open();
            self.is_tripped.store(is_open, Relaxed);
            (was_open, is_open)
        });
        let pool = &*self.name;
        if is_open && !was_open {
            tracing::warn!(
                code = "gateway/breaker-open",
                pool,
                "too much of the pool {pool} fails: it rests"
            );
        } else if was_open && !is_open {
            tracing::info!(code = "gateway/breaker-closed", pool, "the pool {pool} answers again");
        }
    }

    /// May a request be sent again? If so it is counted.
    pub(crate) fn may_retry(&self, now_ms: u64) -> bool {
        let (requests, _) = self.counts();
        let allowed = self.mind(|mind| mind.budget.take(now_ms / 1000, requests, &self.config.retries));
        self.retries.fetch_add(u64::from(allowed), Relaxed);
        allowed
    }

    /// What is done every now and then.
    pub(crate) fn sweep(&self, now_ms: u64) {
        self.tell_breaker(now_ms, None);
        let (requests, _) = self.counts();
        self.mind(|mind| mind.budget.note(now_ms / 1000, requests));
    }

    fn mind<T>(&self, think: impl FnOnce(&mut Mind) -> T) -> T {
        think(&mut self.mind.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UpstreamConfig;

    fn pool(upstreams: &[(&str, &str)]) -> Pool {
        let known = |(address, region): &(&str, &str)| UpstreamConfig {
            address: (*address).to_owned(),
            weight: 1,
            region: (*region).to_owned(),
        };
        let config = PoolConfig { upstreams: upstreams.iter().map(known).collect(), ..PoolConfig::default() };
        Pool::new("pool", config, "north", None).expect("without TLS nothing can be wrong")
    }

    fn chosen(pool: &Pool, now_ms: u64, tried: &[u64]) -> Option<usize> {
        pool.choose(now_ms, 7, 0, tried).ok().map(|chosen| chosen.place)
    }

    fn fail(pool: &Pool, place: usize, times: usize) {
        for _ in 0..times {
            pool.failed(place, 1_000, false);
        }
    }

    #[test]
    fn the_own_region_comes_first_and_others_when_nobody_there_is_well() {
        let pool = pool(&[("a:1", "south"), ("b:1", "north"), ("c:1", "south")]);
        for _ in 0..10 {
            assert_eq!(chosen(&pool, 0, &[]), Some(1));
        }
        for _ in 0..3 {
            pool.members[1].upstream.probed(Some("no answer"), &pool.config.health);
        }
        assert!(matches!(chosen(&pool, 0, &[]), Some(0 | 2)));
    }

    #[test]
    fn who_fails_in_a_row_is_left_alone_for_a_while() {
        let pool = pool(&[("a:1", ""), ("b:1", "")]);
        fail(&pool, 0, 5);
        assert!((0..10).all(|_| chosen(&pool, 1_001, &[]) == Some(1)));
        fail(&pool, 1, 50);
        assert_eq!(chosen(&pool, 1_001, &[]), Some(1), "half of the pool stays, however it fails");
        assert!(
            (0..10).any(|dice| pool.choose(11_001, dice << 7, 0, &[]).is_ok_and(|chosen| chosen.place == 0))
        );
    }

    #[test]
    fn the_last_that_is_left_is_asked_however_it_fails() {
        let unwell = |pool: &Pool, place: usize| {
            (0..3).for_each(|_| {
                pool.members[place].upstream.probed(Some("no answer"), &pool.config.health);
            });
        };
        let before = pool(&[("a:1", ""), ("b:1", "")]);
        unwell(&before, 1);
        fail(&before, 0, 50);
        assert_eq!(chosen(&before, 1_001, &[]), Some(0), "the other is not well");
        let after = pool(&[("a:1", ""), ("b:1", "")]);
        fail(&after, 0, 5);
        unwell(&after, 1);
        assert_eq!(chosen(&after, 1_001, &[]), Some(0), "it was left alone while the other was well");
        assert!(!after.is_there(1_001), "another pool of its route takes its share, if there is one");
        let mut alone = pool(&[("a:1", ""), ("b:1", "")]);
        alone.members[1].weight = 0;
        fail(&alone, 0, 50);
        assert_eq!(alone.members[0].upstream.ejections(), 0, "the other takes nothing");
        assert_eq!(chosen(&alone, 1_001, &[]), Some(0));
    }

    #[test]
    fn who_is_overtaken_again_and_again_is_left_alone_and_the_breaker_hears_nothing() {
        let mut pool = pool(&[("a:1", ""), ("b:1", "")]);
        pool.config.balance = Balance::PeakEwma;
        let (slow, patience) = (pool.members[0].upstream.number, Duration::from_millis(50));
        let overtaken = |took_ms| {
            pool.overtaken(slow, Duration::from_millis(took_ms), Duration::from_secs(1), patience);
        };
        (0..50).for_each(|_| overtaken(49));
        assert!(pool.members[0].upstream.is_available(1_001), "it had no time to answer");
        assert_eq!(pool.members[0].upstream.cost_us(1_000), 0, "and nobody knows how long it takes");
        (0..5).for_each(|_| overtaken(80));
        assert!(!pool.members[0].upstream.is_available(1_001));
        assert!(pool.members[0].upstream.cost_us(1_000) >= 80_000);
        assert_eq!((pool.counts(), pool.open_for(1_001)), ((0, 0), None));
    }

    #[test]
    fn who_fails_at_once_is_not_taken_for_quick() {
        let mut pool = pool(&[("a:1", ""), ("b:1", ""), ("c:1", "")]);
        pool.config.balance = Balance::PeakEwma;
        let mut served = 0;
        for number in 1..=300_u64 {
            let dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let chosen = pool.choose(number, dice, 0, &[]).expect("somebody is there");
            if chosen.place == 0 {
                pool.succeeded(0, 20_000, number);
                served += 1;
            } else {
                pool.failed(chosen.place, number, false);
            }
        }
        assert!(served > 270, "{served} of 300");
    }

    #[test]
    fn who_was_tried_is_passed_over_if_there_is_another() {
        let pool = pool(&[("a:1", ""), ("b:1", "")]);
        let first = pool.members[0].upstream.number;
        assert!((0..10).all(|_| chosen(&pool, 0, &[first]) == Some(1)));
        let both = [first, pool.members[1].upstream.number];
        assert!(chosen(&pool, 0, &both).is_some(), "there is nobody else");
    }

    #[test]
    fn when_nobody_is_well_nobody_is_asked() {
        let pool = pool(&[("a:1", "")]);
        for _ in 0..3 {
            pool.members[0].upstream.probed(Some("no answer"), &pool.config.health);
        }
        assert_eq!(chosen(&pool, 0, &[]), None);
    }

    #[test]
    fn the_breaker_opens_when_the_upstreams_are_away_and_one_request_tries_later() {
        let pool = pool(&[("a:1", "")]);
        for _ in 0..10 {
            let chosen = pool.choose(1_000, 0, 0, &[]).expect("it is closed");
            pool.failed(chosen.place, 1_000, true);
        }
        assert_eq!(pool.choose(2_000, 0, 0, &[]).expect_err("it is open"), Nobody(Duration::from_secs(29)));
        let tries = pool.choose(31_000, 0, 0, &[]).expect("one tries");
        assert!(pool.choose(31_000, 0, 0, &[]).is_err());
        drop(tries);
        let tries = pool.choose(31_000, 0, 0, &[]).expect("who tried went away, and the next tries");
        pool.succeeded(tries.place, 10, 31_000);
        tries.trial.expect("the breaker waits for it").end();
        assert!(pool.choose(31_000, 0, 0, &[]).expect("it is closed").trial.is_none());
    }

    #[test]
    fn a_pool_that_rests_is_tried_as_soon_as_an_upstream_passes_a_health_check() {
        let pool = pool(&[("a:1", "")]);
        (0..10).for_each(|_| pool.failed(0, 1_000, true));
        assert!(!pool.is_there(2_000) && pool.choose(2_000, 0, 0, &[]).is_err());
        pool.found_well(2_000);
        assert!(pool.is_there(2_000));
        let tries = pool.choose(2_000, 0, 0, &[]).expect("one tries");
        assert!(!pool.is_there(2_000), "the others wait for it");
        drop(tries);
    }

    #[test]
    fn what_is_known_of_an_upstream_stays_when_its_pool_changes() {
        let before = pool(&[("a:1", ""), ("b:1", "")]);
        fail(&before, 0, 5);
        let mut config = before.config.clone();
        config.upstreams.push(UpstreamConfig { address: "c:1".to_owned(), weight: 2, region: String::new() });
        let after =
            Pool::new("pool", config, "north", Some(&before)).expect("without TLS nothing can be wrong");
        assert!(after.members[0].upstream.ejected_for_ms(1_001).is_some());
        assert_eq!(after.members[0].upstream.number, before.members[0].upstream.number);
    }

    #[test]
    fn retries_end_with_their_budget() {
        let pool = pool(&[("a:1", "")]);
        let taken = (0..1000).filter(|_| pool.may_retry(5_000)).count();
        assert_eq!(taken, 100, "ten a second for ten seconds, without any request");
    }
}
