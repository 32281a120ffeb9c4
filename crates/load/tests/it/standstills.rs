//! A server that stands still now and then: what callers wait then is known by arithmetic.

use std::{sync::Arc, thread, time::Duration};

use clock::Clock;
use load::{Live, Phase, Ran, journey::Journey, target::Target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const EVERY: Duration = Duration::from_secs(10);
const STANDS: Duration = Duration::from_secs(1);
const PER_S: f64 = 1000.0;
/// Runs in which the machine itself was too busy to measure anything are run again, so often.
const ATTEMPTS_MAX: usize = 20;

/// Serves for as long as the process lives, but for the first second of every ten.
fn serve() -> Target {
    let (sender, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody waits for it");
            let stopwatch = Clock::System.stopwatch();
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("it is a socket");
                let stopwatch = stopwatch.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 << 10];
                    let mut tail = Vec::new();
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        tail.extend_from_slice(&buffer[..count]);
                        let asked = tail.windows(4).filter(|window| window == b"\r\n\r\n").count();
                        let end =
                            tail.windows(4).rposition(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
                        tail.drain(..end);
                        let within = Duration::from_nanos(
                            (stopwatch.elapsed().as_nanos() % EVERY.as_nanos())
                                .try_into()
                                .expect("it is short"),
                        );
                        if within < STANDS {
                            tokio::time::sleep(STANDS - within).await;
                        }
                        let answers = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".repeat(asked);
                        if stream.write_all(answers.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    Target::at(address.recv().expect("it listens"))
}

/// The generator may be judged by what it reports only while the machine has nothing else to do; a report that hides who
/// waited (half a second, for one in twenty) is wrong every time, however often it is asked.
#[test]
fn a_server_that_stands_still_a_tenth_of_the_time_is_seen_to() {
    let _alone = crate::alone();
    let target = serve();
    let journey = Arc::new(Journey::read(crate::ASK).expect("a journey"));
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS_MAX {
        let ran = run(&target, &journey);
        assert_eq!(ran.record.counts.good, 10_000, "{:?}", ran.record.wrong);
        let (p95, p99) = (ran.record.latency_ms(95.0), ran.record.latency_ms(99.0));
        assert!(p95 > 490.0 && p99 > 882.0, "who waited is not seen: p95 {p95} ms, p99 {p99} ms");
        if p95 < 510.0 && p99 < 918.0 {
            return;
        }
        seen.push((p95, p99, ran.record.lag_ms(99.0)));
    }
    panic!("p95 is not 500 ms, or p99 not 900: {seen:?}");
}

fn run(target: &Target, journey: &Arc<Journey>) -> Ran {
    let load = crate::load(target, journey, Phase::constant(PER_S, 10.0), 2000);
    load::run(&load, &Arc::new(Live::default())).expect("it runs")
}
