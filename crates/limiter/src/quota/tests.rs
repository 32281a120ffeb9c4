//! Quotas as whoever asks for them sees them.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn quota(algorithm: Algorithm, limit: u32, window_ms: u64) -> Quota {
    config(algorithm, limit, window_ms).quota().expect("it can be counted")
}

fn config(algorithm: Algorithm, limit: u32, window_ms: u64) -> QuotaConfig {
    QuotaConfig {
        algorithm,
        limit: limit.try_into().expect("it is positive"),
        window_ms: window_ms.try_into().expect("it is positive"),
        burst: None,
        block_ms: None,
    }
}

const ALL: [Algorithm; 5] = [
    Algorithm::FixedWindow,
    Algorithm::SlidingWindow,
    Algorithm::SubBuckets,
    Algorithm::TokenBucket,
    Algorithm::EvenSpacing,
];

/// When each of these requests passes, if it does.
fn passes(quota: &Quota, times: &[u64]) -> Vec<u64> {
    let mut used = 0;
    let mut passed = Vec::new();
    for now in times {
        let (after, decision) = quota.decide(used, *now, 1);
        used = after;
        match decision.verdict {
            Verdict::Pass => passed.push(*now),
            Verdict::PassAfter(wait) => passed.push(now + nanos(wait)),
            Verdict::Refuse { .. } => {}
        }
    }
    passed
}

/// The same, if every second one that passes is given back when the fifth after it comes.
fn passes_but_every_second(quota: &Quota, times: &[u64]) -> Vec<u64> {
    let (mut used, mut passed, mut returns) = (0, Vec::new(), Vec::new());
    for (number, now) in times.iter().enumerate() {
        returns.retain(|(due, then)| {
            if *due == number {
                used = quota.give_back(used, *then, *now);
            }
            *due != number
        });
        let (after, decision) = quota.decide(used, *now, 1);
        used = after;
        match decision.verdict {
            Verdict::Pass if number % 2 == 0 => returns.push((number + 5, *now)),
            Verdict::Pass => passed.push(*now),
            Verdict::PassAfter(_) | Verdict::Refuse { .. } => {}
        }
    }
    passed
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().expect("a test is short")
}

/// The most that passed within any window's length.
fn most_in_a_window(passed: &[u64], window: u64) -> usize {
    let within = |from: u64| passed.iter().filter(|at| (from..from + window).contains(at)).count();
    passed.iter().map(|from| within(*from)).max().unwrap_or_default()
}

#[test]
fn as_many_as_the_limit_pass_at_once_and_no_more() {
    for algorithm in
        [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SubBuckets, Algorithm::TokenBucket]
    {
        let passed = passes(&quota(algorithm, 10, 1000), &[5 * SECOND; 30]);
        assert_eq!(passed.len(), 10, "{algorithm:?}");
    }
}

#[test]
fn an_even_queue_lets_one_through_at_a_time() {
    let queue = QuotaConfig {
        burst: Some(3.try_into().expect("it is positive")),
        ..config(Algorithm::EvenSpacing, 10, 1000)
    };
    let passed = passes(&queue.quota().expect("it can be counted"), &[SECOND; 10]);
    assert_eq!(passed, [SECOND, SECOND + SECOND / 10, SECOND + SECOND / 5, SECOND + SECOND * 3 / 10]);
}

#[test]
fn whoever_asks_too_often_is_blocked_for_a_while() {
    let strict = QuotaConfig {
        block_ms: Some(60_000.try_into().expect("it is positive")),
        ..config(Algorithm::FixedWindow, 2, 1000)
    };
    let strict = strict.quota().expect("it can be counted");
    let times = [0, 1, 2, SECOND * 30, SECOND * 59, SECOND * 61];
    assert_eq!(passes(&strict, &times), [0, 1, SECOND * 61]);
}

#[test]
fn what_cannot_be_counted_is_refused() {
    assert!(config(Algorithm::SubBuckets, 4096, 1000).quota().is_err());
    assert!(config(Algorithm::SlidingWindow, 1 << 20, 1000).quota().is_err());
    assert!(config(Algorithm::TokenBucket, u32::MAX, 1).quota().is_err());
    assert!(config(Algorithm::TokenBucket, 1, u64::MAX).quota().is_err());
}

fn any_times() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..SECOND / 2, 1..300).prop_map(|pauses| {
        let times = pauses.iter().scan(0, |now, pause| {
            // Bursts and long pauses alike.
            *now += if pause % 3 == 0 { pause * 4 } else { pause / 1000 };
            Some(*now)
        });
        times.collect()
    })
}

proptest! {
    #[test]
    fn sub_buckets_never_let_more_than_the_limit_into_any_window(times in any_times(), limit in 1..50u32) {
        let passed = passes(&quota(Algorithm::SubBuckets, limit, 1000), &times);
        prop_assert!(most_in_a_window(&passed, SECOND) <= limit as usize);
    }

    #[test]
    fn a_token_bucket_lets_at_most_a_burst_and_the_refill_into_any_window(
        times in any_times(), limit in 1..50u32, burst in 1..50u32
    ) {
        let config = QuotaConfig { burst: burst.try_into().ok(), ..config(Algorithm::TokenBucket, limit, 1000) };
        let passed = passes(&config.quota().expect("it can be counted"), &times);
        prop_assert!(most_in_a_window(&passed, SECOND) <= (limit + burst.min(limit)) as usize);
    }

    #[test]
    fn fixed_and_sliding_windows_never_reach_more_than_twice_the_limit(times in any_times(), limit in 1..50u32) {
        for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow] {
            let passed = passes(&quota(algorithm, limit, 1000), &times);
            prop_assert!(most_in_a_window(&passed, SECOND) <= 2 * limit as usize);
        }
    }

    #[test]
    fn turns_of_an_even_queue_are_evenly_apart(times in any_times(), limit in 1..50u32) {
        let passed = passes(&quota(Algorithm::EvenSpacing, limit, 1000), &times);
        prop_assert!(passed.windows(2).all(|pair| pair[1] - pair[0] >= SECOND / u64::from(limit)));
    }

    #[test]
    fn whoever_comes_back_when_told_to_passes(times in any_times(), limit in 1..50u32) {
        for Decided { quota, used, now, decision } in decided_by_all(&times, limit) {
            if let Verdict::Refuse { retry_after } = decision.verdict {
                let (_, again) = quota.decide(used, now + nanos(retry_after), 1);
                let passes = !matches!(again.verdict, Verdict::Refuse { .. });
                prop_assert!(passes, "{quota:?} at {now}: {decision:?}, then {again:?}");
            }
        }
    }

    #[test]
    fn what_was_used_is_as_good_as_nothing_when_it_is_said_to_be(times in any_times(), limit in 1..50u32) {
        for Decided { quota, used, now, decision } in decided_by_all(&times, limit) {
            let reset = now + nanos(decision.reset_after);
            prop_assert!(quota.is_idle(used, reset), "{quota:?} at {now}: {decision:?}");
            prop_assert!(!quota.is_idle(used, now), "{quota:?} at {now}");
            let fresh = quota.decide(0, reset, 1).1;
            prop_assert_eq!(quota.decide(used, reset, 1).1, fresh);
        }
    }

    #[test]
    fn as_many_pass_as_are_said_to_remain(times in any_times(), limit in 1..50u32) {
        for Decided { quota, used, now, decision } in decided_by_all(&times, limit) {
            let more = passes_from(&quota, used, now);
            prop_assert_eq!(more, decision.remaining, "{:?} at {}: {:?}", quota, now, decision);
        }
    }

    #[test]
    fn what_is_given_back_at_once_is_there_again(times in any_times(), limit in 1..50u32) {
        for algorithm in ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::EvenSpacing) {
            let (quota, mut used) = (quota(algorithm, limit, 1000), 0);
            for now in &times {
                let (after, decision) = quota.decide(used, *now, 1);
                if decision.verdict == Verdict::Pass {
                    let again = quota.decide(quota.give_back(after, *now, *now), *now, 1).1;
                    prop_assert_eq!(again, decision, "{:?} at {}", quota, now);
                }
                used = after;
            }
        }
    }

    #[test]
    fn what_is_given_back_late_lets_through_no_more_than_the_quota(
        times in any_times(), limit in 1..50u32, burst in 1..50u32
    ) {
        for (algorithm, most) in [(Algorithm::SubBuckets, limit), (Algorithm::TokenBucket, limit + burst.min(limit))] {
            let config = QuotaConfig { burst: burst.try_into().ok(), ..config(algorithm, limit, 1000) };
            let passed = passes_but_every_second(&config.quota().expect("it can be counted"), &times);
            let in_a_window = most_in_a_window(&passed, SECOND);
            prop_assert!(in_a_window <= most as usize, "{algorithm:?}: {in_a_window} and not {most}");
        }
    }

    #[test]
    fn a_key_that_used_nothing_always_gets_a_lease_of_one(
        now in 0..u64::MAX >> 8, limit in 1..4096u32, burst in 1..4096u32, permille in 0..=1000u32, window in 10..100_000u64
    ) {
        for algorithm in ALL {
            let config = QuotaConfig { burst: burst.try_into().ok(), ..config(algorithm, limit, window) };
            let quota = config.quota().expect("it can be counted").scaled(permille);
            let (_, leased) = quota.lease(0, now, 1);
            let got = matches!(leased, Leased::Granted { tokens: 1, .. });
            prop_assert!(got, "{quota:?}: {leased:?}");
        }
    }

    #[test]
    fn no_numbers_make_it_panic(used: u64, now in 0..u64::MAX >> 8, cost: u32, limit in 1..4096u32, window in 1..YEAR) {
        for algorithm in ALL {
            if let Ok(quota) = config(algorithm, limit, window).quota() {
                quota.decide(used, now, cost);
                quota.is_idle(used, now);
            }
        }
    }
}

/// One decision, and what the key has used after it.
struct Decided {
    quota: Quota,
    used: Used,
    now: u64,
    decision: Decision,
}

/// What every algorithm decides of requests at these times.
fn decided_by_all(times: &[u64], limit: u32) -> Vec<Decided> {
    let by = |algorithm| {
        let quota = quota(algorithm, limit, 1000);
        times.iter().scan(0, move |used, now| {
            let decision;
            (*used, decision) = quota.decide(*used, *now, 1);
            Some(Decided { quota, used: *used, now: *now, decision })
        })
    };
    ALL.into_iter().flat_map(by).collect()
}

/// How many more pass at this moment.
fn passes_from(quota: &Quota, mut used: u64, now: u64) -> u32 {
    let mut more = 0;
    loop {
        let (after, decision) = quota.decide(used, now, 1);
        if matches!(decision.verdict, Verdict::Refuse { .. }) {
            return more;
        }
        (used, more) = (after, more + 1);
    }
}

#[test]
fn times_that_come_out_of_order_forget_nothing() {
    for (algorithm, most) in [
        (Algorithm::FixedWindow, 20),
        (Algorithm::SlidingWindow, 10),
        (Algorithm::SubBuckets, 10),
        (Algorithm::TokenBucket, 10),
    ] {
        let quota = quota(algorithm, 10, 3000);
        // Two threads looked at the clock right before and right after each beginning, and take turns.
        for begins in [1, 2, 3, 4].map(|seconds| seconds * 3 * SECOND) {
            let times: Vec<_> = (0..200).map(|turn| begins - turn % 2).collect();
            let passed = passes(&quota, &times).len();
            assert!(passed <= most, "{algorithm:?}: {passed} passed around {begins}");
        }
    }
}
