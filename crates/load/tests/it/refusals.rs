//! A server that has so many connections for one caller, and closes all others unread.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use load::{Live, Phase, journey::Journey, target::Target};

const PLACES: usize = 8;
/// How long an answer takes: the places bear 1,600 requests a second.
const TAKES: Duration = Duration::from_millis(5);

#[expect(clippy::disallowed_methods, reason = "each connection has a thread")]
fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer) {
        thread::sleep(TAKES);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Serves for as long as the process lives, and counts whom it sent away.
fn serve(refused: Arc<AtomicUsize>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let taken = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            if taken.fetch_add(1, Relaxed) >= PLACES {
                taken.fetch_sub(1, Relaxed);
                refused.fetch_add(1, Relaxed);
                continue;
            }
            let taken = taken.clone();
            thread::spawn(move || {
                answer(stream);
                taken.fetch_sub(1, Relaxed);
            });
        }
    });
    Target::at(address)
}

#[test]
fn whoever_is_refused_connections_makes_do_with_those_that_are_open() {
    let _alone = crate::alone();
    let refused = Arc::new(AtomicUsize::new(0));
    let target = serve(refused.clone());
    let journey = Arc::new(Journey::read(crate::ASK).expect("a journey"));
    // Twice of what the places bear, so that somebody always waits for a connection.
    let load = crate::load(&target, &journey, Phase::constant(3200.0, 3.0), 1000);
    let ran = load::run(&load, &Arc::new(Live::default())).expect("it runs");
    let (counts, refused) = (ran.record.counts, refused.load(Relaxed));
    // Sixteen more are tried at each of twenty looks a second; without a bound every caller would be lost on one.
    assert!(refused > 0 && refused < 3200, "{refused} connections were refused");
    assert!(counts.good >= counts.offered / 2, "{counts:?}");
}
