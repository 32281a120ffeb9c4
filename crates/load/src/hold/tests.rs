//! A target that is known: how many of its connections are held, refused and dropped?

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, TcpListener},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{Hold, hold_on};
use crate::target::Target;

const LONG: Duration = Duration::from_secs(60);

/// Serves on each connection until so many answers were given; who came.
fn serve(answers: usize) -> (Target, Arc<Mutex<BTreeSet<IpAddr>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = Target::at(listener.local_addr().expect("an address"));
    let came = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&came);
    thread::spawn(move || {
        while let Ok((mut stream, from)) = listener.accept() {
            seen.lock().expect("nobody panics").insert(from.ip());
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                for _ in 0..answers {
                    if !matches!(stream.read(&mut buffer), Ok(1..)) {
                        return;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap_or_default();
                }
                // Open, until the other side ends it.
                if answers > 2 {
                    drop(stream.read(&mut buffer));
                }
                // Whoever holds has a copy of every descriptor of this process, so closing this one would end nothing.
                stream.shutdown(Shutdown::Both).unwrap_or_default();
            });
        }
    });
    (target, came)
}

fn asked(target: &Target, connections: usize, asked_per_s: f64) -> Hold {
    let from = (1..=3).map(|last| Ipv4Addr::new(127, 80, 0, last)).collect();
    let path = "/health".to_owned();
    Hold { target: target.clone(), connections, from, path, asked_per_s, patience: LONG }
}

/// Waits until it is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let waited = clock::Clock::System.stopwatch();
    while !so() {
        assert!(waited.elapsed() < LONG, "{what} does not come about");
        thread::yield_now();
    }
}

#[test]
fn connections_of_several_tables_are_held_and_asked_in_turn() {
    let (target, came) = serve(usize::MAX);
    let held = hold_on(&asked(&target, 61, 500.0), 3).expect("they are opened");
    assert_eq!(held.open(), 61);
    assert_eq!(came.lock().expect("nobody panics").len(), 3, "they come from all addresses");
    thread::park_timeout(Duration::from_millis(200));
    let kept = held.let_go().expect("they were held");
    assert_eq!((kept.opened, kept.refused, kept.dropped), (61, 0, 0), "{:?}", kept.examples);
    let counts = kept.record.counts;
    assert_eq!((counts.wrong, counts.unknown, counts.refused), (0, 0, 0));
}

#[test]
fn what_the_target_closes_is_dropped_and_what_it_does_not_take_is_refused() {
    let (target, _) = serve(2);
    let held = hold_on(&asked(&target, 10, 1000.0), 2).expect("they are opened");
    until("that all are dropped", || held.open() == 0);
    let kept = held.let_go().expect("they were held");
    assert_eq!((kept.opened, kept.refused, kept.dropped), (10, 0, 10), "{:?}", kept.examples);

    let (target, _) = serve(0);
    let kept =
        hold_on(&asked(&target, 10, 0.0), 1).expect("they are tried").let_go().expect("they were tried");
    assert_eq!((kept.opened, kept.refused, kept.dropped), (0, 10, 0));
    assert!(!kept.examples.is_empty(), "it is said why");
}
