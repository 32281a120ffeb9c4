//! A thousand changes of a gateway's table, a switch from one set of servers to another, and a new binary, while
//! requests pass and connections that left HTTP stay open: what fails, and what is dropped.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use rig::Gateway;
use serde_json::json;

use crate::{figures::Figures, load::on_runtime, peer::Nginx};

const CHANGES: u32 = 1000;
const CALLERS: usize = 16;
const TUNNELS: usize = 50;
/// Longer than this nobody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let changes = if quick { CHANGES / 4 } else { CHANGES };
    let (blue, green) = (Nginx::start("{\"set\":\"blue\"}")?, Nginx::start("{\"set\":\"green\"}")?);
    let echo = echo()?;
    let mut gateway = Gateway::start(&settings(blue.address, green.address, echo))?;
    let mut tunnels = (0..TUNNELS).map(|_| tunnel(gateway.public)).collect::<anyhow::Result<Vec<_>>>()?;
    let (over, answered, failed) = (Arc::new(AtomicBool::new(false)), count(), count());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (over, answered, failed) = (over.clone(), answered.clone(), failed.clone());
            let address = gateway.public;
            thread::spawn(move || {
                while !over.load(Relaxed) {
                    if ask_until_it_ends(address, &over, &answered).is_err() {
                        failed.fetch_add(1, Relaxed);
                    }
                }
            })
        })
        .collect();
    let mut dropped = 0;
    on_runtime(async {
        let operator = gateway.operator();
        let mut table = operator.get("/gateway/table").await?.json();
        for number in 0..changes {
            // Another table each time: routes come and go beside the one that is asked.
            table["routes"][2]["path"] = json!(format!("/other/{number}"));
            let done = operator.put("/gateway/table", &table).await?;
            ensure!(done.status == 204, "a change was refused: {}", done.json());
        }
        dropped += tunnels.iter_mut().filter_map(|tunnel| speak(tunnel).err()).count();
        let weights = json!({ "weights": { "blue": 0, "green": 1 } });
        ensure!(operator.put("/gateway/routes/all/weights", &weights).await?.status == 204, "no switch");
        dropped += tunnels.iter_mut().filter_map(|tunnel| speak(tunnel).err()).count();
        gateway.hand_over().await?;
        anyhow::Ok(())
    })?;
    // Some time with the new process alone.
    #[expect(clippy::disallowed_methods, reason = "a measurement waits on its own thread")]
    thread::sleep(Duration::from_secs(3));
    dropped += tunnels.iter_mut().filter_map(|tunnel| speak(tunnel).err()).count();
    over.store(true, Relaxed);
    for caller in callers {
        ensure!(caller.join().is_ok(), "a caller panicked");
    }
    let mut figures = Figures::new("changes");
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let float = |count: u64| count as f64;
    figures.add("failed", float(failed.load(Relaxed)), "requests, over all changes");
    figures.add("dropped", float(dropped as u64), "of 50 connections that left HTTP");
    figures.add("answered", float(answered.load(Relaxed)), "requests, of 16 callers meanwhile");
    figures.add(
        "changes",
        f64::from(changes),
        "of the table, then a switch of all weights, then a new binary",
    );
    Ok(figures)
}

fn count() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(0))
}

fn settings(blue: SocketAddr, green: SocketAddr, echo: SocketAddr) -> String {
    let pool = |name: &str, address| format!("[pools.{name}]\nupstreams = [{{ address = \"{address}\" }}]\n");
    format!(
        "[log]\nfilter = \"warn\"\n{}{}{}[[routes]]\nname = \"all\"\npools = {{ blue = 1, green = 0 }}\n\
         [[routes]]\nname = \"echo\"\npath = \"/echo\"\npools = {{ echo = 1 }}\n\
         [[routes]]\nname = \"other\"\npath = \"/other\"\npools = {{ blue = 1 }}\n",
        pool("blue", blue),
        pool("green", green),
        pool("echo", echo)
    )
}

/// A server that leaves HTTP with whoever asks for it, and says back what it hears.
fn echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve_echo(stream));
        }
    });
    Ok(address)
}

fn serve_echo(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        if head.to_ascii_lowercase().contains("upgrade: websocket") {
            stream.write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            )?;
            return io::copy(&mut reader, &mut stream).map(drop);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
    }
}

/// A connection to the echo, through the gateway.
fn tunnel(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(
        b"GET /echo HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-key: k\r\n\r\n",
    )?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "the gateway closed the connection");
    }
    ensure!(head.starts_with("HTTP/1.1 101 "), "the protocol was not changed: {head}");
    Ok(reader)
}

/// Says something, and hears it back.
fn speak(tunnel: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    tunnel.get_mut().write_all(b"still here\n")?;
    let mut line = String::new();
    tunnel.read_line(&mut line)?;
    ensure!(line == "still here\n", "something else came back");
    Ok(())
}

/// Asks again and again over one connection, until the server says with an answer that it ends.
fn ask_until_it_ends(address: SocketAddr, over: &AtomicBool, answered: &AtomicU64) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while !over.load(Relaxed) {
        reader.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")?;
        let (mut length, mut ends) = (None, false);
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "closed before the answer");
        ensure!(line.starts_with("HTTP/1.1 200 "), "answered with {line}");
        while line != "\r\n" {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "closed within the answer");
            let field = line.trim_end().to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length: ") {
                length = Some(value.parse::<usize>()?);
            }
            ends |= field == "connection: close";
        }
        reader.read_exact(&mut vec![0; length.context("there is no length")?])?;
        answered.fetch_add(1, Relaxed);
        if ends {
            break;
        }
    }
    Ok(())
}
