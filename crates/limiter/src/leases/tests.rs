//! Seven nodes that share a quota.

use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
    sync::atomic::{AtomicBool, AtomicU64},
};

use clock::{Clock, Timestamp};
use tokio::sync::Notify;

use super::*;
use crate::{Algorithm, QuotaConfig};

const NODES: usize = 7;

/// How often everybody who can go on does so before time goes on.
const ROUNDS: usize = 50;

/// What is counted, and until which millisecond it is kept.
type Kept = HashMap<String, (Used, u64)>;

/// Where seven nodes count, on a clock that the test turns.
struct Fleet {
    clock: Clock,
    quota: Quota,
    nodes: Vec<Arc<Leases>>,
    trips: Arc<AtomicU64>,
    away: Arc<AtomicBool>,
    /// Time goes by.
    ticks: Arc<Notify>,
}

impl Fleet {
    fn new(algorithm: Algorithm, limit: u32, window_ms: u64) -> Self {
        let config = QuotaConfig {
            algorithm,
            limit: NonZeroU32::new(limit).expect("positive"),
            window_ms: NonZeroU64::new(window_ms).expect("positive"),
            burst: None,
            block_ms: None,
        };
        let clock = Clock::manual(Timestamp::from_millis(1_700_000_000_000), 1);
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let (trips, away) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (there, asked, gone) = (clock.clone(), trips.clone(), away.clone());
        let shared = Shared::by(move |ask: Ask| {
            let told = exchange(&kept, &ask, &there);
            asked.fetch_add(1, Relaxed);
            let gone = gone.load(Relaxed);
            async move {
                // Others run meanwhile, as they do while Redis is asked.
                tokio::task::yield_now().await;
                (!gone).then_some(told)
            }
        });
        let ticks = Arc::new(Notify::new());
        let (wall, tick) = (clock.clone(), ticks.clone());
        let shared = shared.sleeping(move |time| {
            let (waited, tick) = (wall.stopwatch(), tick.clone());
            async move {
                while waited.elapsed() < time {
                    tick.notified().await;
                }
            }
        });
        let node = |_| Arc::new(Leases::new("q", shared.clone(), 7, clock.stopwatch(), 10_000));
        let nodes = (0..NODES).map(node).collect();
        Self { clock, quota: config.quota().expect("it can be counted"), nodes, trips, away, ticks }
    }

    /// The same, whose nodes know the time.
    fn in_time(algorithm: Algorithm, limit: u32, window_ms: u64) -> Arc<Self> {
        let fleet = Self::new(algorithm, limit, window_ms);
        let now_us = fleet.clock.now().millis() * 1000;
        fleet.nodes.iter().for_each(|node| node.learn(now_us));
        Arc::new(fleet)
    }

    /// A millisecond goes by: whoever waited for it goes on, and all others as far as they can.
    async fn pass(&self) {
        self.clock.advance(Duration::from_millis(1));
        self.ticks.notify_waiters();
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
        }
    }

    /// One request at a node.
    async fn ask(&self, node: usize, key: u128) -> Taken {
        let node = &self.nodes[node];
        match node.take_at_once(key) {
            Some(taken) => taken,
            None => node.take(&self.quota, key).await,
        }
    }

    /// The same, while time goes by.
    async fn ask_alone(&self, node: usize, key: u128) -> Taken {
        let mut asking = std::pin::pin!(self.ask(node, key));
        loop {
            tokio::select! {
                biased;
                taken = &mut asking => return taken,
                () = self.pass() => {}
            }
        }
    }
}

fn exchange(kept: &Mutex<Kept>, ask: &Ask, clock: &Clock) -> Told {
    let mut kept = kept.lock().expect("nobody panicked");
    let now = clock.now().millis();
    let found = kept.get(&ask.key).filter(|(_, until)| now < *until).map_or(0, |(used, _)| *used);
    let replaced = found == ask.known;
    if replaced {
        let life = u64::try_from(ask.life.as_millis()).expect("a short life");
        kept.insert(ask.key.clone(), (ask.new, now + life));
    }
    Told { replaced, found, now_us: now * 1000 }
}

/// When requests passed, in milliseconds, if every node is asked so often each millisecond.
async fn flood(fleet: &Arc<Fleet>, milliseconds: u64, each: usize) -> Vec<u64> {
    let began = fleet.clock.stopwatch();
    let mut asked = Vec::new();
    for _ in 0..milliseconds {
        for node in (0..NODES).flat_map(|node| std::iter::repeat_n(node, each)) {
            let (fleet, began) = (fleet.clone(), began.clone());
            asked.push(tokio::spawn(async move {
                let taken = fleet.ask(node, 7).await;
                (taken == Taken::Passed).then(|| began.elapsed().as_millis())
            }));
        }
        fleet.pass().await;
    }
    let mut passed = Vec::new();
    for asked in asked {
        if !asked.is_finished() {
            // It waits for a journey that begins after the end.
            asked.abort();
        } else if let Some(at) = asked.await.expect("nobody panicked") {
            passed.push(u64::try_from(at).expect("a short test"));
        }
    }
    // Who passed as the last millisecond ended belongs to what follows.
    let end = u64::try_from(began.elapsed().as_millis()).expect("a short test");
    passed.retain(|at| *at < end);
    passed.sort_unstable();
    passed
}

fn most_within(passed: &[u64], window: u64) -> usize {
    let within = |from: u64| passed.iter().filter(|at| (from..from + window).contains(at)).count();
    passed.iter().map(|from| within(*from)).max().unwrap_or_default()
}

#[tokio::test]
async fn seven_nodes_never_let_through_more_than_the_quota_and_nearly_all_of_it() {
    for (algorithm, limit, window) in [
        (Algorithm::SubBuckets, 700, 1000),
        (Algorithm::SubBuckets, 10, 1000),
        (Algorithm::FixedWindow, 700, 1000),
        (Algorithm::FixedWindow, 10, 1000),
    ] {
        let fleet = Fleet::in_time(algorithm, limit, window);
        let passed = flood(&fleet, window, 3).await;
        let most = usize::try_from(limit).expect("small");
        assert!(passed.len() <= most, "{algorithm:?} of {limit}: {}", passed.len());
        assert!(passed.len() * 100 >= most * 80, "{algorithm:?} of {limit}: {}", passed.len());
        if algorithm == Algorithm::SubBuckets {
            let passed = flood(&fleet, window * 3, 1).await;
            assert!(most_within(&passed, window) <= most, "{limit}: {}", most_within(&passed, window));
        }
    }
}

#[tokio::test]
async fn a_bucket_that_nodes_share_never_holds_more_than_its_burst() {
    let fleet = Fleet::in_time(Algorithm::TokenBucket, 700, 1000);
    let passed = flood(&fleet, 3000, 2).await;
    // A full bucket, and what refills it meanwhile.
    assert!(most_within(&passed, 1000) <= 1400, "{}", most_within(&passed, 1000));
    assert!(most_within(&passed[1400..], 1000) <= 701, "{}", most_within(&passed[1400..], 1000));
    assert!(passed.len() >= 2200, "{}", passed.len());
}

#[tokio::test]
async fn a_hot_key_costs_few_journeys_and_one_that_is_refused_none() {
    let fleet = Fleet::in_time(Algorithm::FixedWindow, 7000, 1000);
    let passed = flood(&fleet, 1000, 4).await;
    let trips = fleet.trips.load(Relaxed);
    assert!(trips <= 10 * 7, "{trips} journeys of seven nodes");
    assert!((5600..=7000).contains(&passed.len()), "{}", passed.len());
    let narrow = Fleet::in_time(Algorithm::FixedWindow, 1, 1_000_000);
    flood(&narrow, 100, 1).await;
    let before = narrow.trips.load(Relaxed);
    flood(&narrow, 1000, 1).await;
    assert_eq!(narrow.trips.load(Relaxed), before);
}

#[tokio::test]
async fn a_node_that_does_not_know_the_time_asks_for_it_first() {
    let fleet = Fleet::new(Algorithm::FixedWindow, 2, 1_000_000);
    assert_eq!(fleet.ask_alone(0, 1).await, Taken::Passed);
    assert_eq!(fleet.ask_alone(1, 1).await, Taken::Passed);
    assert!(matches!(fleet.ask_alone(2, 1).await, Taken::Refused { .. }));
    assert!(matches!(fleet.ask_alone(0, 1).await, Taken::Refused { .. }));
    assert_eq!(fleet.ask_alone(2, 2).await, Taken::Passed, "another key");
}

#[tokio::test]
async fn a_node_that_can_ask_nobody_says_so_and_gives_out_what_it_has() {
    let fleet = Fleet::new(Algorithm::FixedWindow, 1400, 1_000_000);
    assert_eq!(fleet.ask_alone(0, 1).await, Taken::Passed);
    fleet.away.store(true, Relaxed);
    let mut passed = 0;
    while fleet.ask_alone(0, 1).await == Taken::Passed {
        passed += 1;
    }
    assert_eq!(passed, 9, "a first lease is a twentieth of a node's part");
    assert_eq!(fleet.ask_alone(0, 1).await, Taken::Away);
    assert_eq!(fleet.ask_alone(1, 1).await, Taken::Away);
    fleet.away.store(false, Relaxed);
    fleet.clock.advance(Duration::from_secs(1));
    assert_eq!(fleet.ask_alone(0, 1).await, Taken::Passed);
}

#[tokio::test]
async fn whoever_one_node_blocks_is_blocked_by_all_until_it_is_over() {
    let mut fleet = Fleet::new(Algorithm::FixedWindow, 2, 1000);
    let config = QuotaConfig {
        algorithm: Algorithm::FixedWindow,
        limit: NonZeroU32::new(2).expect("positive"),
        window_ms: NonZeroU64::new(1000).expect("positive"),
        burst: None,
        block_ms: NonZeroU64::new(60_000),
    };
    fleet.quota = config.quota().expect("it can be counted");
    while fleet.ask_alone(0, 1).await == Taken::Passed {}
    for node in 1..4 {
        fleet.clock.advance(Duration::from_secs(15));
        assert!(matches!(fleet.ask_alone(node, 1).await, Taken::Refused { .. }), "at {node}");
    }
    fleet.clock.advance(Duration::from_secs(15));
    assert_eq!(fleet.ask_alone(4, 1).await, Taken::Passed);
}

#[tokio::test]
async fn newcomers_for_whom_there_is_no_room_count_as_one_where_all_nodes_count() {
    let asked: Arc<Mutex<std::collections::HashSet<String>>> = Arc::default();
    let (kept, names, clock) = (Mutex::default(), asked.clone(), Clock::System);
    let there = clock.clone();
    let shared = Shared::by(move |ask: Ask| {
        names.lock().expect("nobody panicked").insert(ask.key.clone());
        let told = exchange(&kept, &ask, &there);
        async move { Some(told) }
    });
    let shared = shared.sleeping(|_| async {});
    let leases = Leases::new("q", shared, 1, clock.stopwatch(), PARTS);
    let quota = Fleet::new(Algorithm::FixedWindow, 8, 1_000_000).quota;
    for key in 1..=20 {
        let _taken = leases.take(&quota, key).await;
    }
    // All of these keys have one part.
    let crowd = format!("q:{CROWD:032x}");
    assert_eq!(*asked.lock().expect("nobody panicked"), [format!("q:{:032x}", 1), crowd].into());
}

#[tokio::test]
async fn keys_of_which_nothing_is_held_take_no_memory_for_long() {
    let fleet = Fleet::new(Algorithm::FixedWindow, 10, 1000);
    for key in 0..2000_u128 {
        assert_eq!(fleet.ask_alone(0, key << 64).await, Taken::Passed);
    }
    let full = fleet.nodes[0].bytes();
    assert!(full >= 2000 * KEY_BYTES, "{full}");
    fleet.clock.advance(Duration::from_secs(5));
    (0..PARTS).for_each(|_| fleet.nodes[0].sweep());
    assert!(fleet.nodes[0].bytes() < full / 20, "{}", fleet.nodes[0].bytes());
}

#[tokio::test]
async fn nobody_waits_for_a_lease_of_others_for_long() {
    let fleet = Fleet::in_time(Algorithm::FixedWindow, 100, 1000);
    let (_key, held) = fleet.nodes[0].held(1);
    let _leasing = held.lock().await;
    let taken = fleet.ask_alone(0, 1).await;
    assert_eq!(taken, Taken::Crowded { retry_after: QUEUE_MAX });
}

#[test]
fn a_bucket_that_holds_less_than_what_comes_between_two_journeys_cannot_be_leased() {
    let bucket = |limit, window_ms, burst| QuotaConfig {
        algorithm: Algorithm::TokenBucket,
        limit: NonZeroU32::new(limit).expect("positive"),
        window_ms: NonZeroU64::new(window_ms).expect("positive"),
        burst: NonZeroU32::new(burst),
        block_ms: None,
    };
    assert!(bucket(1000, 1000, 0).can_be_leased() && bucket(1000, 1000, 125).can_be_leased());
    assert!(!bucket(1000, 1000, 124).can_be_leased() && !bucket(9, 1000, 1).can_be_leased());
    assert!(bucket(480, 60_000, 1).can_be_leased());
}
