//! Seven nodes that keep one room, on a clock that the test turns.

use std::{
    collections::BTreeSet,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use futures_util::future::join_all;
use limiter::{Ask, Told};
use proptest::prelude::*;

use super::*;

const NODES: usize = 7;
const KEY: [u8; 32] = [7; 32];
const BEGIN: u64 = 1_700_000_000_000;

struct Fleet {
    clock: Clock,
    nodes: Vec<Arc<Room>>,
    away: Arc<AtomicBool>,
    trips: Arc<AtomicU64>,
}

/// Somebody who came: when, with which number, and what they have of it.
#[derive(Debug, Clone, Copy)]
struct Guest {
    came_ms: u64,
    token: Token,
    inside: bool,
}

fn number(token: Token) -> u64 {
    match token {
        Token::Place { number, .. } | Token::Pass { number, .. } => number,
    }
}

fn keep(step: Step) -> Token {
    match step {
        Step::Pass { keep: Some(keep) } | Step::Wait { keep, .. } => keep,
        step @ (Step::Pass { keep: None } | Step::Closed(_) | Step::Draw) => panic!("no token: {step:?}"),
    }
}

impl Fleet {
    fn new(terms: Terms) -> Self {
        Self::with_journeys(terms, 0)
    }

    /// What is asked arrives, and is answered, after as many turns of others as the dice say.
    fn with_journeys(terms: Terms, dice: u64) -> Self {
        let clock = Clock::manual(Timestamp::from_millis(BEGIN), 1);
        let kept: Arc<Mutex<HashMap<String, u64>>> = Arc::default();
        let (away, trips) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (there, gone, counted) = (clock.clone(), away.clone(), trips.clone());
        let shared = Shared::by(move |ask: Ask| {
            let trip = counted.fetch_add(1, Relaxed) + 1;
            let [there_in, back_in] =
                [1, 2].map(|way| (dice * trip * way).wrapping_mul(0x9e37_79b9) >> 16 & 7);
            let (kept, gone, there) = (kept.clone(), gone.clone(), there.clone());
            async move {
                turns(there_in).await;
                let gone = gone.load(Relaxed);
                let told = {
                    let mut kept = kept.lock().expect("nobody panics over it");
                    let found = kept.get(&ask.key).copied().unwrap_or_default();
                    let replaced = !gone && found == ask.known;
                    if replaced {
                        kept.insert(ask.key, ask.new);
                    }
                    Told { replaced, found, now_us: there.now().millis() * 1000 }
                };
                // Others run meanwhile, as they do while Redis is asked.
                turns(back_in.max(1)).await;
                (!gone).then_some(told)
            }
        });
        let node = |_| {
            Arc::new(Room::new("sale", terms, Keys::of(&KEY, "sale"), clock.clone(), Some(shared.clone())))
        };
        Self { nodes: (0..NODES).map(node).collect(), clock, away, trips }
    }

    fn now(&self) -> u64 {
        self.clock.now().millis()
    }

    async fn tend(&self) {
        for node in &self.nodes {
            node.tend().await;
        }
    }

    async fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.tend().await;
    }

    async fn come(&self, node: usize) -> Guest {
        let step = self.nodes[node % NODES].arrive(None).await;
        Guest { came_ms: self.now(), token: keep(step), inside: matches!(step, Step::Pass { .. }) }
    }

    /// Asks for somebody at a node; tells whether they are inside.
    fn ask(&self, node: usize, guest: &mut Guest) -> bool {
        match self.nodes[node % NODES].look(Some(guest.token)) {
            Step::Pass { keep } => {
                guest.token = keep.unwrap_or(guest.token);
                guest.inside = true;
            }
            Step::Wait { keep, .. } => guest.token = keep,
            Step::Closed(_) | Step::Draw => guest.inside = false,
        }
        guest.inside
    }
}

/// Lets others go on so many times.
async fn turns(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

fn terms(capacity: u64, rate_milli: u32) -> Terms {
    Terms { capacity, rate_milli, nodes: 7, ..Terms::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn seven_nodes_let_in_no_more_than_rate_and_capacity_and_in_order(
        capacity in 1_u64..60,
        rate in 1_u32..200,
        rounds in prop::collection::vec((0_u64..400, 0_usize..25, any::<u8>()), 1..50),
    ) {
        runtime().block_on(async {
            let fleet = Fleet::new(terms(capacity, rate * 1000));
            fleet.tend().await;
            let mut guests: Vec<Guest> = Vec::new();
            for (ms, come, salt) in rounds {
                fleet.pass(ms).await;
                for each in 0..come {
                    guests.push(fleet.come(each * 3 + usize::from(salt)).await);
                }
                for (index, guest) in guests.iter_mut().enumerate() {
                    fleet.ask(index + usize::from(salt), guest);
                }
                let inside = guests.iter().filter(|guest| guest.inside).count();
                let most = capacity + (fleet.now() - BEGIN) * u64::from(rate) / 1000;
                assert!(inside as u64 <= most.min(capacity), "{inside} of {most}, capacity {capacity}");
            }
            let numbers: BTreeSet<u64> = guests.iter().map(|guest| number(guest.token)).collect();
            assert_eq!(numbers.len(), guests.len(), "two have one number");
            for (one, other) in guests.iter().zip(guests.iter().skip(1)) {
                let later = other.came_ms > one.came_ms + BLOCK_MS;
                assert!(!later || number(one.token) < number(other.token), "{one:?} {other:?}");
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_more_are_inside_than_may_be_whatever_nodes_hear_of_each_other_and_when(
        capacity in 1_u64..20,
        dice in 1_u64..1 << 20,
        rounds in prop::collection::vec((1_u64..100, 0_u64..12), 1..12),
    ) {
        runtime().block_on(async {
            let fleet = Fleet::with_journeys(terms(capacity, 1_000_000), dice);
            let mut inside = 0;
            for (ms, come) in rounds {
                fleet.clock.advance(Duration::from_millis(ms));
                let guests = join_all((0..come).map(async |each| {
                    turns(dice / (each + 1) % 50).await;
                    fleet.come(usize::try_from(dice ^ each).unwrap_or_default() % NODES).await
                }));
                let (guests, _) = tokio::join!(guests, join_all(fleet.nodes.iter().map(|node| node.tend())));
                inside += guests.iter().filter(|guest| guest.inside).count();
                assert!(inside as u64 <= capacity, "{inside} are inside, and {capacity} may be");
            }
        });
    }
}

#[tokio::test]
async fn everybody_comes_in_at_the_rate_when_those_inside_leave() {
    // Whoever is inside stays for the 400 ms that a pass is good without use.
    let fleet = Fleet::new(Terms { idle_ms: 400, turn_ms: 30_000, ..terms(50, 100_000) });
    fleet.tend().await;
    let mut guests = Vec::new();
    for node in 0..500 {
        guests.push(fleet.come(node).await);
    }
    let mut waiting: Vec<Guest> = guests.into_iter().filter(|guest| !guest.inside).collect();
    assert!(waiting.len() >= 450);
    let mut rounds = 0;
    while !waiting.is_empty() {
        fleet.pass(100).await;
        waiting.retain_mut(|guest| !fleet.ask(rounds, guest));
        rounds += 1;
        assert!(rounds < 200, "{} wait after {rounds} rounds", waiting.len());
    }
    assert!(rounds >= 40, "450 at 100 a second take more than four seconds, and not {rounds} rounds");
}

#[tokio::test]
async fn those_who_do_not_come_hold_up_nobody_for_long() {
    let fleet = Fleet::new(Terms { idle_ms: 60_000, turn_ms: 1000, ..terms(10, 100_000) });
    fleet.tend().await;
    for node in 0..30 {
        fleet.come(node).await;
    }
    let mut last = fleet.come(0).await;
    // Those before it never ask again, and those inside use their passes no more.
    let mut rounds = 0;
    while !fleet.ask(0, &mut last) {
        fleet.pass(500).await;
        rounds += 1;
        assert!(rounds < 400, "{:?}", fleet.nodes[0].state());
    }
}

#[tokio::test]
async fn a_place_that_is_shown_everywhere_is_one_pass() {
    let fleet = Fleet::new(terms(10, 1000));
    fleet.tend().await;
    let place = Token::Place { number: number(fleet.come(0).await.token), from: 0 };
    let passes: Vec<Step> = fleet.nodes.iter().map(|node| node.look(Some(place))).collect();
    assert!(passes.iter().all(|step| *step == passes[0] && matches!(step, Step::Pass { .. })), "{passes:?}");
    // Long after its turn it is worth nothing.
    for _ in 0..40 {
        fleet.pass(60_000).await;
    }
    assert!(fleet.nodes.iter().all(|node| node.look(Some(place)) == Step::Draw));
}

#[tokio::test]
async fn a_person_has_one_number_on_all_nodes() {
    let fleet = Fleet::new(terms(1, 1));
    fleet.tend().await;
    fleet.come(0).await;
    let mut numbers = BTreeSet::new();
    for node in 0..50 {
        numbers.insert(number(keep(fleet.nodes[node % NODES].arrive(Some(b"ada")).await)));
    }
    assert_eq!(numbers.len(), 1, "{numbers:?}");
    let other = number(keep(fleet.nodes[0].arrive(Some(b"bob")).await));
    assert!(!numbers.contains(&other));
}

#[tokio::test]
async fn those_who_came_before_the_opening_are_served_by_lot_and_before_all_others() {
    let opens_at = Some(Timestamp::from_millis(BEGIN + 10_000));
    let fleet = Fleet::new(Terms { opens_at, ..terms(1, 1000) });
    fleet.tend().await;
    let mut early = Vec::new();
    for node in 0..200 {
        let guest = fleet.come(node).await;
        assert!(!guest.inside);
        early.push(guest.token);
    }
    fleet.pass(10_000).await;
    let place = |token| match fleet.nodes[1].look(Some(token)) {
        Step::Wait { standing, .. } => standing.place.expect("it is open"),
        Step::Pass { .. } => 0,
        step @ (Step::Closed(_) | Step::Draw) => panic!("{step:?}"),
    };
    let places: Vec<u64> = early.iter().map(|token| place(*token)).collect();
    let distinct: BTreeSet<u64> = places.iter().copied().collect();
    assert_eq!(distinct.len(), 200, "everybody has a place of their own");
    assert!(!places.is_sorted(), "it is not the order in which they came");
    let late = place(fleet.come(3).await.token);
    assert!(places.iter().all(|place| *place < late));
}

#[tokio::test]
async fn whoever_waits_is_told_of_the_end_on_all_nodes_and_whoever_is_inside_stays() {
    let fleet = Fleet::new(terms(1, 1000));
    fleet.tend().await;
    let (inside, waiting) = (fleet.come(0).await, fleet.come(1).await);
    assert!(inside.inside && !waiting.inside);
    fleet.nodes[2].say(|word| Word { closed: Some(Reason::SoldOut), ..word }).await;
    fleet.tend().await;
    for node in &fleet.nodes {
        assert_eq!(node.look(Some(waiting.token)), Step::Closed(Reason::SoldOut));
        assert_eq!(node.look(None), Step::Closed(Reason::SoldOut));
        assert_eq!(node.look(Some(inside.token)), Step::Pass { keep: None });
    }
    fleet.nodes[3].say(|word| Word { closed: None, ..word }).await;
    fleet.tend().await;
    assert!(matches!(fleet.nodes[0].look(Some(waiting.token)), Step::Wait { .. }), "the place was kept");
}

#[tokio::test]
async fn a_rate_that_an_operator_sets_holds_on_all_nodes() {
    let fleet = Fleet::new(terms(1000, 1));
    fleet.nodes[0].say(|word| Word { rate_milli: Some(500_000), ..word }).await;
    fleet.tend().await;
    assert!(fleet.nodes.iter().all(|node| (node.state().rate - 500.0).abs() < 1e-9));
}

#[tokio::test]
async fn nodes_go_on_alone_at_their_part_of_the_rate_and_find_together_again() {
    let fleet = Fleet::new(Terms { idle_ms: 1000, ..terms(70, 70_000) });
    fleet.tend().await;
    for node in 0..300 {
        fleet.come(node).await;
    }
    let before = fleet.nodes[0].state().serving;
    fleet.away.store(true, Relaxed);
    fleet.pass(300).await;
    fleet.pass(300).await;
    assert!(fleet.nodes.iter().all(|node| node.state().alone));
    let alone = fleet.come(0).await;
    for _ in 0..10 {
        fleet.pass(1000).await;
        fleet.pass(1000).await;
    }
    let grown: u64 = fleet.nodes.iter().map(|node| node.state().serving - before).sum();
    assert!(grown > 0, "it goes on");
    assert!(grown <= 70 * 21 + 70, "{grown} were let in by all of them");
    fleet.away.store(false, Relaxed);
    fleet.pass(300).await;
    fleet.pass(300).await;
    let states: Vec<RoomState> = fleet.nodes.iter().map(|node| node.state()).collect();
    assert!(states.iter().all(|state| !state.alone && state.issued == states[0].issued), "{states:?}");
    let next = fleet.come(3).await;
    assert!(number(next.token) > number(alone.token), "no number is given out again");
}

#[tokio::test]
async fn a_crowd_costs_few_journeys_and_no_memory() {
    let fleet = Fleet::new(terms(10, 1000));
    fleet.tend().await;
    let before = fleet.trips.load(Relaxed);
    for guest in 0..20_000 {
        fleet.come(guest).await;
    }
    let trips = fleet.trips.load(Relaxed) - before;
    assert!(trips < 500, "{trips} journeys for 20,000 people");
    assert_eq!(fleet.nodes[0].persons.lock().expect("unpoisoned").len(), 0);
    assert!(fleet.nodes[0].view().endings.len() <= 2);
}

#[tokio::test]
async fn whoever_goes_while_they_draw_takes_nobodys_room() {
    let fleet = Fleet::new(Terms { turn_ms: 600_000, ..terms(10, 500_000) });
    fleet.tend().await;
    for polls in 0..60 {
        let crowd = (0..5).map(|_| fleet.nodes[0].arrive(None));
        tokio::select! {
            biased;
            came = join_all(crowd) => panic!("nobody is quick enough to be answered: {came:?}"),
            () = turns(polls % 2) => {}
        }
        fleet.pass(200).await;
    }
    assert_eq!(fleet.nodes[0].queueing.load(Relaxed), 0, "nobody waits for a block any more");
    for _ in 0..10 {
        fleet.pass(100).await;
    }
    let issued = fleet.nodes[0].state().issued;
    let mut guests = Vec::new();
    for _ in 0..3 {
        guests.push(fleet.come(0).await);
        fleet.pass(200).await;
    }
    assert_eq!(fleet.nodes[0].view().issued, issued + 3, "no more is drawn than there are callers");
    assert!(guests.iter_mut().all(|guest| fleet.ask(0, guest)), "{:?}", fleet.nodes[0].state());
}

#[tokio::test]
async fn other_terms_lose_no_place() {
    let fleet = Fleet::new(terms(1, 1));
    fleet.tend().await;
    fleet.come(0).await;
    let guest = fleet.come(0).await;
    let place = |step| match step {
        Step::Wait { standing, .. } => standing.place,
        step @ (Step::Pass { .. } | Step::Closed(_) | Step::Draw) => panic!("{step:?}"),
    };
    let before = place(fleet.nodes[0].look(Some(guest.token)));
    fleet.nodes.iter().for_each(|node| node.set(terms(1, 2)));
    assert_eq!(place(fleet.nodes[0].look(Some(guest.token))), before);
}

#[tokio::test]
async fn those_inside_stay_inside_however_long_a_pass_is_good_from_now_on() {
    let fleet = Fleet::new(terms(5, 1_000_000));
    fleet.tend().await;
    let mut guests = Vec::new();
    for node in 0..10 {
        guests.push(fleet.come(node).await);
    }
    fleet.pass(1000).await;
    let (mut inside, mut waiting): (Vec<Guest>, Vec<Guest>) =
        guests.into_iter().partition(|guest| guest.inside);
    assert_eq!(inside.len(), 5);
    for idle_ms in [60_000, 600_000, 45_000, 3_600_000, 60_000] {
        fleet.nodes.iter().for_each(|node| node.set(Terms { idle_ms, ..terms(5, 1_000_000) }));
        for round in 0..20 {
            fleet.pass(5000).await;
            assert!(inside.iter_mut().all(|guest| fleet.ask(round, guest)), "they use it");
            assert!(!waiting.iter_mut().any(|guest| fleet.ask(round, guest)), "there is room for five");
            assert!(fleet.nodes.iter().all(|node| node.state().inside == 5), "{idle_ms} {round}");
        }
    }
    fleet.pass(5 * 3_600_000).await;
    assert!(fleet.nodes.iter().all(|node| node.state().inside == 0), "they are gone");
}

#[tokio::test]
async fn a_process_that_begins_again_alone_goes_on_where_it_was() {
    let clock = Clock::manual(Timestamp::from_millis(BEGIN), 1);
    let begin = || Arc::new(Room::new("sale", terms(5, 1000), Keys::of(&KEY, "sale"), clock.clone(), None));
    let before = begin();
    before.tend().await;
    let mut tokens = Vec::new();
    for _ in 0..40 {
        tokens.push(keep(before.arrive(None).await));
    }
    let again = begin();
    let place = |token| match again.look(Some(token)) {
        Step::Wait { standing, .. } => standing.place,
        Step::Pass { .. } => None,
        step @ (Step::Closed(_) | Step::Draw) => panic!("{step:?}"),
    };
    assert!(tokens[..5].iter().all(|pass| place(*pass).is_none()), "they are still inside");
    assert_eq!(
        tokens[5..].iter().map(|token| place(*token)).collect::<Vec<_>>(),
        (1..=35).map(Some).collect::<Vec<_>>()
    );
    again.tend().await;
    assert_eq!(again.state().inside, 5);
    let Step::Wait { standing, .. } = again.arrive(None).await else { panic!("it is full") };
    assert_eq!(standing.place, Some(36), "no number is given out again");
}

#[tokio::test]
async fn whoever_is_inside_is_counted_once_by_a_process_that_begins_again_on_other_terms() {
    for (idle_before, idle_after) in [(60_000, 45_000), (45_000, 60_000), (600_000, 7000), (7000, 600_000)] {
        let clock = Clock::manual(Timestamp::from_millis(BEGIN + 1234), 1);
        let begin = |idle_ms| {
            let terms = Terms { idle_ms, ..terms(5, 1000) };
            Arc::new(Room::new("sale", terms, Keys::of(&KEY, "sale"), clock.clone(), None))
        };
        let before = begin(idle_before);
        before.tend().await;
        let mut passes = Vec::new();
        for _ in 0..5 {
            passes.push(keep(before.arrive(None).await));
        }
        let again = begin(idle_after);
        let stretch_ms = idle_after / 4;
        // Often enough that they stay inside, and never just when something ends.
        for round in 0..60 {
            for pass in &mut passes {
                let Step::Pass { keep } = again.look(Some(*pass)) else { panic!("they are inside") };
                *pass = keep.unwrap_or(*pass);
            }
            again.tend().await;
            assert_eq!(again.state().inside, 5, "{idle_before} {idle_after} {round}");
            clock.advance(Duration::from_millis(stretch_ms / 3));
        }
        clock.advance(Duration::from_millis(2 * (idle_before + idle_after)));
        again.tend().await;
        assert_eq!(again.state().inside, 0, "they are gone");
    }
}

#[tokio::test]
async fn while_nobody_is_let_in_nobody_loses_a_turn() {
    let fleet = Fleet::new(Terms { idle_ms: 60_000, turn_ms: 1000, ..terms(10, 1_000_000) });
    fleet.tend().await;
    let pause = |rate_milli| fleet.nodes[0].say(move |word| Word { rate_milli, ..word });
    pause(Some(0)).await;
    fleet.tend().await;
    // The door stood open for ten; now it is shut.
    let mut guests = Vec::new();
    for node in 0..5 {
        guests.push(fleet.come(node).await);
    }
    assert!(guests.iter().all(|guest| !guest.inside));
    for _ in 0..100 {
        fleet.pass(5000).await;
        assert!(guests.iter_mut().all(|guest| !fleet.ask(3, guest)));
    }
    pause(None).await;
    fleet.pass(200).await;
    fleet.pass(200).await;
    assert!(guests.iter_mut().all(|guest| fleet.ask(3, guest)), "{:?}", fleet.nodes[3].state());
}
