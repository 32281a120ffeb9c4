//! Answers that may be given again, and one request for all who want the same.
//!
//! Of its own, beside the crate `cache`: there an entry is a value that is read by its key, lives for a time that
//! its room knows, and has tags that follow from its key. Here the answer itself says for how long it may be kept,
//! what it depends on and for whom it is, and it is made by whoever asks first, as it streams past.

use std::{
    collections::HashMap,
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, header};
use moka::sync::Cache as Moka;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::kept::{Condition, Kept};

/// Answers to one address that differ by what they vary on.
const VARIANTS_MAX: usize = 16;
/// Nobody waits for another's answer at addresses whose answers may not be kept, for so long.
const PASSING_FOR: Duration = Duration::from_secs(10);
const PASSING_MAX: u64 = 10_000;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheConfig {
    pub bytes_max: NonZeroU64,
    /// A larger answer is passed on and not kept.
    pub answer_bytes_max: NonZeroU32,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            bytes_max: NonZeroU64::new(64 << 20).expect("a positive constant"),
            answer_bytes_max: NonZeroU32::new(1 << 20).expect("a positive constant"),
        }
    }
}

/// How the cache fares, for operators.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheState {
    pub hits: u64,
    pub misses: u64,
    /// Given past their time.
    pub stale: u64,
    /// Requests that waited for another's answer.
    pub joined: u64,
    pub answers: u64,
    pub bytes: u64,
}

/// Those who wait for one another: who wants what is at one address, with a name of their own or without. What is
/// answered to somebody whom the upstream knows may be for nobody else, and says nothing of what it answers to strangers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Crowd {
    pub key: Arc<str>,
    is_known: bool,
}

impl Crowd {
    /// Those who ask this key as this request does: with a name, or without.
    #[must_use]
    pub fn of(key: &str, request: &HeaderMap) -> Self {
        let is_known = [header::AUTHORIZATION, header::COOKIE].iter().any(|name| request.contains_key(name));
        Self { key: key.into(), is_known }
    }
}

type Variants = Arc<Vec<Arc<Kept>>>;

/// The cache of a gateway.
pub struct ResponseCache {
    kept: Moka<Arc<str>, Variants>,
    passing: Moka<Crowd, ()>,
    flights: Mutex<HashMap<Crowd, Flight>>,
    /// Times that something was dropped wherever it lies: what was asked for before may be what was dropped.
    drops: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    joined: AtomicU64,
    pub answer_bytes_max: usize,
    /// Bytes that may be read ahead of callers, of all answers together: as many as are kept.
    ahead: Arc<Semaphore>,
}

impl fmt::Debug for ResponseCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseCache").finish_non_exhaustive()
    }
}

/// What is being asked for.
struct Flight {
    waiting: Waiting,
    /// What it asks for was changed meanwhile.
    is_late: Arc<AtomicBool>,
}

/// Whoever asks for all. When it is dropped, those who wait look again.
pub struct Lead {
    cache: Arc<ResponseCache>,
    crowd: Crowd,
    drops: u64,
    is_late: Arc<AtomicBool>,
    done: watch::Sender<bool>,
}

impl Lead {
    /// Does nobody wait for it?
    pub fn is_alone(&self) -> bool {
        // One is there for those who come.
        self.done.receiver_count() <= 1
    }

    /// It got an answer that is none, as those who wait are told when it is dropped.
    pub fn failed(&self) {
        self.done.send_if_modified(|failed| {
            *failed = true;
            // Nobody looks again before it is gone: they would find it still asking.
            false
        });
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.cache.flights().remove(&self.crowd);
    }
}

/// The end of another's asking.
#[derive(Clone)]
pub struct Waiting(watch::Receiver<bool>);

impl Waiting {
    /// Waits for it. Did whoever asked fail?
    pub async fn end(&mut self) -> bool {
        // It is never told of a change: it ends, and what was said last stays.
        let _ended = self.0.changed().await;
        *self.0.borrow()
    }
}

/// Whether to ask or to wait.
pub enum Joined {
    Lead(Lead),
    Wait(Waiting),
}

impl ResponseCache {
    /// A cache with nothing in it.
    #[must_use]
    pub fn new(config: &CacheConfig) -> Arc<Self> {
        let kept = Moka::builder()
            .max_capacity(config.bytes_max.get())
            .weigher(|key: &Arc<str>, variants: &Variants| {
                let bytes: usize = variants.iter().map(|kept| kept.bytes()).sum();
                u32::try_from(bytes + key.len()).unwrap_or(u32::MAX)
            })
            .support_invalidation_closures()
            .build();
        Arc::new(Self {
            kept,
            passing: Moka::builder().max_capacity(PASSING_MAX).time_to_live(PASSING_FOR).build(),
            flights: Mutex::default(),
            drops: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            joined: AtomicU64::new(0),
            answer_bytes_max: usize::try_from(config.answer_bytes_max.get()).unwrap_or(usize::MAX),
            ahead: Arc::new(Semaphore::new(
                usize::try_from(config.bytes_max.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS),
            )),
        })
    }

    /// What there is for this request, and how it may be given.
    pub fn look(&self, key: &str, request: &HeaderMap, now_ms: u64) -> Option<(Arc<Kept>, Condition)> {
        let variants = self.kept.get(key)?;
        // The last that came goes before others that are for the same request (RFC 9111, section 4.1).
        let kept = variants.iter().rev().find(|kept| kept.is_for(request))?;
        Some((kept.clone(), kept.condition(now_ms)?))
    }

    /// Counts an answer that was given from here, in what condition it was, or that none was there.
    pub fn count(&self, condition: Option<Condition>) {
        let counter = match condition {
            Some(Condition::Fresh) => &self.hits,
            Some(Condition::Stale | Condition::StaleOnError) => &self.stale,
            None => &self.misses,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Somebody waits for another's answer.
    pub fn count_joined(&self) {
        self.joined.fetch_add(1, Relaxed);
    }

    /// Is the last answer to this crowd known to be one that may not be kept?
    pub fn passes(&self, crowd: &Crowd) -> bool {
        self.passing.contains_key(crowd)
    }

    /// Room for so much of an answer until its caller takes it; none if slow callers have it all.
    pub fn room_ahead(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.ahead.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// Answers to this crowd may not be kept, until one of them is.
    pub fn pass(&self, lead: &Lead) {
        self.passing.insert(lead.crowd.clone(), ());
    }

    /// Asks for all who want this, or waits for whoever does.
    pub fn join(self: &Arc<Self>, crowd: &Crowd) -> Joined {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(crowd) {
            return Joined::Wait(flight.waiting.clone());
        }
        let (done, waiting) = watch::channel(false);
        let is_late = Arc::<AtomicBool>::default();
        flights.insert(crowd.clone(), Flight { waiting: Waiting(waiting), is_late: is_late.clone() });
        let drops = self.drops.load(Relaxed);
        Joined::Lead(Lead { cache: self.clone(), crowd: crowd.clone(), drops, is_late, done })
    }

    /// Keeps an answer, unless it may be one that was dropped since it was asked for.
    pub fn keep(&self, lead: &Lead, kept: Kept) {
        let key = &lead.crowd.key;
        self.passing.invalidate(&lead.crowd);
        if self.is_late(lead) {
            return;
        }
        let kept = Arc::new(kept);
        // Somebody of the other crowd may keep something here at the same time.
        self.kept.entry(key.clone()).and_upsert_with(|known| {
            let mut variants = known.map_or_else(Vec::new, |known| known.into_value().to_vec());
            variants.retain(|known| known.varies != kept.varies);
            if variants.len() >= VARIANTS_MAX {
                variants.remove(0);
            }
            variants.push(kept.clone());
            Arc::new(variants)
        });
        // Looked at again: whoever drops says so first, and looks for what is there afterwards. What was dropped meanwhile may
        // have been put back beside this.
        if self.is_late(lead) {
            self.kept.invalidate(key);
        }
    }

    /// Was something dropped that may be what is asked for here?
    fn is_late(&self, lead: &Lead) -> bool {
        self.drops.load(Relaxed) != lead.drops || lead.is_late.load(Relaxed)
    }

    /// Drops what is kept for this address, and what is being asked for there.
    pub fn drop_at(&self, key: &str) {
        let crowds = [true, false].map(|is_known| Crowd { key: key.into(), is_known });
        let flights = self.flights();
        for flight in crowds.iter().filter_map(|crowd| flights.get(crowd)) {
            flight.is_late.store(true, Relaxed);
        }
        drop(flights);
        self.kept.invalidate(key);
    }

    /// Drops every answer with one of these tags.
    pub fn drop_tags(&self, tags: Vec<String>) {
        self.drops.fetch_add(1, Relaxed);
        let has = move |_: &Arc<str>, variants: &Variants| {
            variants.iter().flat_map(|kept| &kept.tags).any(|tag| tags.iter().any(|gone| **gone == **tag))
        };
        // It is an error only where closures were not asked for, and they were.
        drop(self.kept.invalidate_entries_if(has));
    }

    /// Forgets everything, and what is being asked for.
    pub fn drop_all(&self) {
        self.drops.fetch_add(1, Relaxed);
        self.kept.invalidate_all();
    }

    /// How full it is, and what it was good for.
    #[must_use]
    pub fn state(&self) -> CacheState {
        self.kept.run_pending_tasks();
        CacheState {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            stale: self.stale.load(Relaxed),
            joined: self.joined.load(Relaxed),
            answers: self.kept.entry_count(),
            bytes: self.kept.weighted_size(),
        }
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<Crowd, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keeping, Plan, filling, kept::Varies};
    use bytes::Bytes;
    use edge::Content;
    use futures_util::stream;
    use http::{HeaderValue, StatusCode};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    fn kept(fresh_s: u64, tags: &[&str], varies: Varies) -> Kept {
        let second = Duration::from_secs;
        let keeping = Keeping {
            age: second(0),
            fresh: second(fresh_s),
            stale_while_revalidate: second(5),
            stale_if_error: second(60),
        };
        Kept {
            varies,
            status: StatusCode::OK,
            fields: HeaderMap::new(),
            body: Bytes::from_static(b"text"),
            keeping,
            tags: tags.iter().map(|tag| (*tag).into()).collect(),
            made_ms: 0,
        }
    }

    fn nothing() -> Varies {
        Varies::of(&[], &HeaderMap::new(), &HeaderMap::new())
    }

    fn crowd(key: &str) -> Crowd {
        Crowd::of(key, &HeaderMap::new())
    }

    fn lead(cache: &Arc<ResponseCache>, key: &str) -> Lead {
        match cache.join(&crowd(key)) {
            Joined::Lead(lead) => lead,
            Joined::Wait(_) => panic!("somebody else asks for {key}"),
        }
    }

    fn has(cache: &ResponseCache, key: &str, now_ms: u64) -> Option<Condition> {
        cache.look(key, &HeaderMap::new(), now_ms).map(|(_, condition)| condition)
    }

    #[test]
    fn an_answer_grows_old_step_by_step() {
        let cache = ResponseCache::new(&CacheConfig::default());
        cache.keep(&lead(&cache, "a"), kept(10, &[], nothing()));
        assert_eq!(has(&cache, "a", 9_999), Some(Condition::Fresh));
        assert_eq!(has(&cache, "a", 10_000), Some(Condition::Stale));
        assert_eq!(has(&cache, "a", 15_000), Some(Condition::StaleOnError));
        assert_eq!(has(&cache, "a", 70_000), None);
    }

    #[test]
    fn a_tag_drops_what_depends_on_it_and_nothing_else() {
        let cache = ResponseCache::new(&CacheConfig::default());
        cache.keep(&lead(&cache, "a"), kept(10, &["x", "y"], nothing()));
        cache.keep(&lead(&cache, "b"), kept(10, &["z"], nothing()));
        cache.drop_tags(vec!["y".to_owned()]);
        assert_eq!((has(&cache, "a", 0), has(&cache, "b", 0)), (None, Some(Condition::Fresh)));
    }

    #[test]
    fn what_was_asked_for_before_a_drop_is_not_kept_after_it() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let before = lead(&cache, "a");
        cache.drop_tags(vec!["x".to_owned()]);
        cache.keep(&before, kept(10, &["x"], nothing()));
        assert_eq!(has(&cache, "a", 0), None);
    }

    #[test]
    fn one_asks_for_all_until_it_is_done() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let first = lead(&cache, "a");
        assert!(matches!(cache.join(&crowd("a")), Joined::Wait(_)));
        assert!(matches!(cache.join(&crowd("b")), Joined::Lead(_)));
        drop(first);
        assert!(matches!(cache.join(&crowd("a")), Joined::Lead(_)));
    }

    #[tokio::test]
    async fn those_who_wait_learn_at_the_end_whether_it_failed() {
        let cache = ResponseCache::new(&CacheConfig::default());
        for fails in [true, false] {
            let lead = lead(&cache, "a");
            let Joined::Wait(mut waiting) = cache.join(&crowd("a")) else { panic!("somebody asks") };
            if fails {
                lead.failed();
            }
            let ended = tokio::time::timeout(Duration::from_millis(10), waiting.end()).await;
            assert!(ended.is_err(), "it still asks");
            drop(lead);
            assert_eq!(waiting.end().await, fails);
        }
    }

    #[test]
    fn nobody_waits_for_what_somebody_with_a_name_is_told() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let named = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
        let Joined::Lead(theirs) = cache.join(&Crowd::of("a", &named)) else { panic!("nobody asks yet") };
        cache.pass(&theirs);
        assert!(cache.passes(&Crowd::of("a", &named)) && !cache.passes(&crowd("a")));
        assert!(matches!(cache.join(&crowd("a")), Joined::Lead(_)));
    }

    #[test]
    fn an_answer_that_is_kept_ends_what_was_said_of_those_before() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let lead = lead(&cache, "a");
        cache.pass(&lead);
        assert!(cache.passes(&crowd("a")));
        cache.keep(&lead, kept(10, &[], nothing()));
        assert!(!cache.passes(&crowd("a")));
    }

    #[test]
    fn a_change_drops_what_anybody_asks_for_there() {
        let named = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=b"))]);
        for request in [named, HeaderMap::new()] {
            let cache = ResponseCache::new(&CacheConfig::default());
            let Joined::Lead(lead) = cache.join(&Crowd::of("a", &request)) else { panic!("nobody asks yet") };
            cache.drop_at("a");
            cache.keep(&lead, kept(10, &[], nothing()));
            assert_eq!(has(&cache, "a", 0), None, "{request:?}");
        }
    }

    #[test]
    fn a_change_drops_nothing_that_is_asked_for_elsewhere() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let (here, elsewhere) = (lead(&cache, "a"), lead(&cache, "b"));
        cache.drop_at("a");
        cache.keep(&here, kept(10, &[], nothing()));
        cache.keep(&elsewhere, kept(10, &[], nothing()));
        assert_eq!((has(&cache, "a", 0), has(&cache, "b", 0)), (None, Some(Condition::Fresh)));
    }

    #[test]
    fn what_comes_too_late_takes_nothing_away_that_came_in_time() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let named = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=b"))]);
        let late = lead(&cache, "a");
        cache.drop_tags(vec!["x".to_owned()]);
        let Joined::Lead(in_time) = cache.join(&Crowd::of("a", &named)) else { panic!("nobody asks yet") };
        cache.keep(&in_time, kept(10, &["new"], Varies::of(&[header::COOKIE], &named, &HeaderMap::new())));
        cache.keep(&late, kept(10, &["x"], nothing()));
        let (found, _) = cache.look("a", &named, 0).expect("it is kept");
        assert_eq!((found.tags.as_slice(), has(&cache, "a", 0)), (&["new".into()][..], None));
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_that_breaks_off_hears_that_it_failed() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let lead = lead(&cache, "a");
        let Joined::Wait(mut waiting) = cache.join(&crowd("a")) else { panic!("somebody asks already") };
        let pieces = [Ok(Frame::data(Bytes::from_static(b"te"))), Err(std::io::Error::other("lost"))];
        let body = Content::new(StreamBody::new(stream::iter(pieces)));
        let plan = Plan { cache: cache.clone(), lead, kept: kept(10, &[], nothing()) };
        assert!(filling(body, plan).collect().await.is_err());
        assert!(waiting.end().await);
        assert_eq!(has(&cache, "a", 0), None);
    }

    #[test]
    fn what_is_kept_weighs_what_it_takes() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let long = |letter: &str| HeaderValue::from_str(&letter.repeat(10_000)).expect("letters");
        let asked = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, long("a"))]);
        let mut answer = kept(10, &["x"], Varies::of(&[header::ACCEPT_LANGUAGE], &asked, &HeaderMap::new()));
        answer.fields.insert(header::LINK, long("b"));
        cache.keep(&lead(&cache, "a"), answer);
        let bytes = cache.state().bytes;
        assert!((20_000..22_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_last_answer_goes_before_one_that_varied_on_less() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let german = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"))]);
        cache.keep(&lead(&cache, "a"), kept(10, &["old"], nothing()));
        let varies = Varies::of(&[header::ACCEPT_LANGUAGE], &german, &HeaderMap::new());
        cache.keep(&lead(&cache, "a"), kept(10, &["new"], varies));
        let (found, _) = cache.look("a", &german, 0).expect("it is kept");
        assert_eq!(found.tags, ["new".into()]);
    }

    #[test]
    fn callers_get_the_variant_that_is_for_them() {
        let cache = ResponseCache::new(&CacheConfig::default());
        let german = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de"))]);
        let varies = Varies::of(&[header::ACCEPT_LANGUAGE], &german, &HeaderMap::new());
        cache.keep(&lead(&cache, "a"), kept(10, &[], varies));
        assert!(cache.look("a", &german, 0).is_some());
        assert!(cache.look("a", &HeaderMap::new(), 0).is_none());
    }
}
