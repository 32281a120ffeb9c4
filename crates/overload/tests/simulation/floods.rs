//! What is promised of a flood, on several seeds each.

use overload::Class;

use crate::town::{Before, MS, SECOND, Server, Stream, Town};

const SEEDS: [u64; 6] = [1, 2, 3, 4, 5, 6];

/// One core that works 10 ms at each: a hundred a second.
const ONE: Server = Server::Workers { count: 1, service_ns: 10 * MS };
const SIXTEEN: Server = Server::Workers { count: 16, service_ns: 20 * MS };
/// 5 ms a commit and 20 µs for each in it: at best fifty thousand a second.
const LEDGER: Server = Server::GroupCommit { sync_ns: 5 * MS, each_ns: 20_000 };

fn stream(class: Class, per_second: f64, from_s: u64, to_s: u64) -> Stream {
    Stream { class, per_second, from: from_s * SECOND, to: to_s * SECOND }
}

/// Answers in a second that come in time, when so many ask, from the third second to the end.
fn goodput(server: Server, before: Before, per_second: f64, seed: u64) -> f64 {
    let town = Town::new(server, before, seed).run(&[stream(Class::Anonymous, per_second, 0, 12)]);
    town.goodput(3 * SECOND, 12 * SECOND)
}

/// The share of the peak that is left at two, five and ten times the knee, the worst of all seeds.
fn shares(server: Server, before: Before, knee: f64) -> [f64; 3] {
    let mut worst = [f64::MAX; 3];
    for seed in SEEDS {
        let loads = [0.9, 1.0, 2.0, 5.0, 10.0];
        let found = loads.map(|load| goodput(server, before, knee * load, seed));
        let peak = found.into_iter().fold(0.0, f64::max);
        worst.iter_mut().zip(&found[2..]).for_each(|(worst, found)| *worst = worst.min(found / peak));
    }
    worst
}

#[track_caller]
fn holds(server: Server, knee: f64) {
    let [twice, five, ten] = shares(server, Before::Gate, knee);
    assert!(twice >= 0.95 && five >= 0.9 && ten >= 0.9, "{server:?}: {twice:.3} {five:.3} {ten:.3}");
}

#[test]
fn one_core_answers_nearly_as_many_in_a_flood_as_at_its_best() {
    holds(ONE, 100.0);
}

#[test]
fn sixteen_cores_do_too() {
    holds(SIXTEEN, 800.0);
}

#[test]
fn an_endless_line_answers_hardly_anybody_in_time() {
    let [_, _, ten] = shares(ONE, Before::Nothing, 100.0);
    assert!(ten < 0.3, "a line without limits held: {ten:.3}");
}

#[test]
fn a_ledger_is_not_strangled_by_what_its_commits_take() {
    for seed in SEEDS {
        let asked = 12_000.0;
        let town = Town::new(LEDGER, Before::Gate, seed).run(&[stream(Class::SignedIn, asked, 0, 8)]);
        let good = town.goodput(4 * SECOND, 8 * SECOND);
        assert!(good >= 0.99 * asked, "seed {seed}: {good:.0} of {asked:.0}, limit {}", town.gate.limit());
    }
}

/// A town with the usual load, and twelve times as much of the lowest class from the fourth second to the tenth.
fn flooded(server: Server, knee: f64, top: Class, seed: u64) -> Town {
    Town::new(server, Before::Gate, seed).run(&[
        stream(top, knee * 0.3, 0, 20),
        stream(Class::Anonymous, knee * 0.3, 0, 20),
        stream(Class::Crawlers, knee * 12.0, 4, 10),
    ])
}

#[test]
fn the_best_classes_hardly_notice_a_flood_of_the_lowest() {
    for (server, knee) in [(ONE, 100.0), (SIXTEEN, 800.0)] {
        for top in [Class::Operators, Class::Emergency, Class::SignedIn] {
            let towns = SEEDS.map(|seed| flooded(server, knee, top, seed));
            let (mut came, mut answered) = (0.0, 0.0);
            for town in &towns {
                let (count, share) = town.answered(top, 4 * SECOND, 10 * SECOND);
                came += f64::from(u32::try_from(count).expect("it is counted"));
                answered += share * f64::from(u32::try_from(count).expect("it is counted"));
            }
            assert!(answered / came >= 0.999, "{server:?} {top:?}: {answered} of {came}");
        }
    }
}

#[test]
fn the_classes_above_the_flood_are_served_within_some_100_ms() {
    for seed in SEEDS {
        let town = flooded(ONE, 100.0, Class::Emergency, seed);
        let (_, share) = town.answered(Class::Anonymous, 4 * SECOND + 300 * MS, 10 * SECOND);
        assert!(share >= 0.9, "seed {seed}: {share:.3}");
    }
}

#[test]
fn a_second_after_the_flood_everybody_is_served() {
    for (server, knee) in [(ONE, 100.0), (SIXTEEN, 800.0)] {
        for seed in SEEDS {
            let town = flooded(server, knee, Class::Emergency, seed);
            for class in [Class::Emergency, Class::Anonymous] {
                let (_, share) = town.answered(class, 11 * SECOND, 20 * SECOND);
                assert!(share >= 0.995, "{server:?} seed {seed} {class:?}: {share:.4}");
            }
        }
    }
}
