//! Requests passed on to one server by our gateway, by nginx and by HAProxy, in turns on the same cores; in the
//! clear and over TLS; and what each adds to the time of a request at half load.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use clock::Clock;
use hdrhistogram::Histogram;
use peers::Program;
use rcgen::{CertificateParams, KeyPair};
use rig::Gateway;

use crate::{
    figures::{Figures, median},
    load::{Connection, on_runtime, request},
    peer::{self, Nginx},
};

const HAPROXY: Program = Program { name: "haproxy", package: "haproxy" };
const PATH: &str = "/api/v1/session";
/// Connections of the callers, as wrk opens them too.
const CALLERS: usize = 64;
/// Less than this cannot be told from nothing.
const ADDED_MS_MIN: f64 = 0.02;

/// A proxy's two ports.
#[derive(Debug, Clone, Copy)]
struct Ports {
    plain: SocketAddr,
    tls: SocketAddr,
}

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, seconds) = if quick { (3, 2) } else { (7, 4) };
    let body = format!("{{\"personId\":\"{}\"}}", "0".repeat(150));
    let server = Nginx::start(&body)?;
    let secrets = Secrets::make()?;
    let ours =
        [Gateway::start(&settings(&server, None))?, Gateway::start(&settings(&server, Some(&secrets)))?];
    let own = Ports { plain: ours[0].public, tls: ours[1].public };
    let (_nginx, nginx) = nginx(&server, &secrets)?;
    let (_haproxy, haproxy) = haproxy(&server, &secrets)?;

    let mut plain = [const { Vec::new() }; 3];
    let mut tls = [const { Vec::new() }; 3];
    // One after the other, so that what the machine does meanwhile falls on all.
    for _ in 0..runs {
        for (number, ports) in [own, nginx, haproxy].into_iter().enumerate() {
            plain[number].push(peer::wrk(ports.plain, PATH, "", seconds, 1)?);
            tls[number].push(peer::wrk_at("https", ports.tls, PATH, "", seconds, 1)?);
        }
    }
    let slowest =
        [&plain[0], &plain[1]].map(|rates| median(rates.clone())).into_iter().fold(f64::MAX, f64::min);
    let (pace, time) = (slowest / 2.0, Duration::from_secs(seconds));
    let mut p99 = [const { Vec::new() }; 3];
    for _ in 0..runs {
        for (number, address) in [server.address, own.plain, nginx.plain].into_iter().enumerate() {
            p99[number].push(p99_ms(address, pace, time)?);
        }
    }

    let ratio = |rates: &[Vec<f64>; 3], peer: usize| {
        median(rates[0].iter().zip(&rates[peer]).map(|(own, peer)| own / peer).collect())
    };
    let mut figures = Figures::new("proxy");
    figures.add("requests_per_s", median(plain[0].clone()), "64 keep-alive connections, one server behind");
    figures.add("ratio_to_nginx", ratio(&plain, 1), "of nginx in front of the same server");
    figures.add("ratio_to_haproxy", ratio(&plain, 2), "of HAProxy in front of the same server");
    figures.add("tls_requests_per_s", median(tls[0].clone()), "the same over TLS 1.3, keep-alive");
    figures.add("tls_ratio_to_nginx", ratio(&tls, 1), "of nginx over TLS");
    figures.add("tls_ratio_to_haproxy", ratio(&tls, 2), "of HAProxy over TLS");
    let [direct, own, nginx] = p99.map(median);
    figures.add("p99_ms", own, "of a request through the gateway, at half load, from when it was due");
    figures.add("nginx_p99_ms", nginx, "through nginx");
    figures.add("direct_p99_ms", direct, "to the server itself");
    let added = |p99: f64| (p99 - direct).max(ADDED_MS_MIN);
    figures.add(
        "added_p99_ratio_to_nginx",
        added(own) / added(nginx),
        "of what nginx adds to the direct way",
    );
    Ok(figures)
}

/// A certificate that all three show.
struct Secrets {
    folder: tempfile::TempDir,
}

impl Secrets {
    fn make() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        let folder = tempfile::tempdir()?;
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        fs::write(folder.path().join("both.pem"), format!("{certificate}{key}"))?;
        fs::write(folder.path().join("certificate.pem"), certificate)?;
        fs::write(folder.path().join("key.pem"), key)?;
        Ok(Self { folder })
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn settings(server: &Nginx, secrets: Option<&Secrets>) -> String {
    let tls = secrets.map_or_else(String::new, |secrets| {
        let (certificate, key) = (secrets.file("certificate.pem"), secrets.file("key.pem"));
        format!("tls = {{ mode = \"files\", certificate = {certificate:?}, key = {key:?} }}\n")
    });
    format!(
        "[public]\n{tls}[log]\nfilter = \"warn\"\n[pools.main]\nupstreams = [{{ address = \"{}\" }}]\n\
         [[routes]]\nname = \"all\"\npools = {{ main = 1 }}\n",
        server.address
    )
}

fn nginx(server: &Nginx, secrets: &Secrets) -> anyhow::Result<(Nginx, Ports)> {
    let ports = free_ports()?;
    let location = "location / { proxy_pass http://behind; proxy_http_version 1.1; \
                    proxy_set_header Connection \"\"; proxy_set_header Host $host; \
                    proxy_set_header X-Forwarded-For $remote_addr; }";
    let (certificate, key) = (secrets.file("certificate.pem"), secrets.file("key.pem"));
    let servers = format!(
        "upstream behind {{ server {}; keepalive 128; keepalive_requests 1000000000; }}
         server {{ listen {} reuseport; {location} }}
         server {{ listen {} reuseport ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; {location} }}",
        server.address, ports.plain, ports.tls
    );
    Ok((Nginx::start_with(tempfile::tempdir()?, ports.plain, &servers)?, ports))
}

/// HAProxy, until it is dropped.
struct Haproxy {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn haproxy(server: &Nginx, secrets: &Secrets) -> anyhow::Result<(Haproxy, Ports)> {
    let ports = free_ports()?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("haproxy.cfg");
    let threads = thread::available_parallelism()?;
    let text = format!(
        "global\n  nbthread {threads}\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  \
         option forwardfor\n  http-reuse always\n\
         frontend front\n  bind {}\n  bind {} ssl crt {}\n  default_backend behind\n\
         backend behind\n  server one {}\n",
        ports.plain,
        ports.tls,
        secrets.file("both.pem"),
        server.address
    );
    fs::write(&config, text)?;
    let mut command = HAPROXY.command()?;
    command.arg("-db").arg("-f").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().context("HAProxy does not start")?;
    let haproxy = Haproxy { child, _folder: folder };
    let stopwatch = Clock::System.stopwatch();
    while std::net::TcpStream::connect(ports.tls).is_err() {
        ensure!(stopwatch.elapsed().as_secs() < 10, "HAProxy does not serve");
        thread::yield_now();
    }
    Ok((haproxy, ports))
}

fn free_ports() -> anyhow::Result<Ports> {
    let port = || anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], peers::free_port()?)));
    Ok(Ports { plain: port()?, tls: port()? })
}

/// The 99th percentile of a request's time, counted from when it was due, at `pace` a second between all callers.
fn p99_ms(address: SocketAddr, pace: f64, time: Duration) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    // One thread for all callers: the proxy needs the rest of the machine more.
    let callers = thread::spawn(move || {
        on_runtime(async move {
            let callers: Vec<_> = (0..CALLERS)
                .map(|seat| {
                    let stop = stopped.clone();
                    tokio::spawn(async move { call(address, seat, pace, &stop).await })
                })
                .collect();
            let mut latency = Histogram::<u64>::new(3)?;
            for caller in callers {
                latency.add(caller.await??)?;
            }
            anyhow::Ok(latency)
        })
    });
    on_runtime(async { tokio::time::sleep(time).await });
    stop.store(true, Ordering::Relaxed);
    let latency = callers.join().map_err(|_| anyhow::anyhow!("the callers panicked"))??;
    #[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 microseconds")]
    let p99_ms = latency.value_at_quantile(0.99) as f64 / 1000.0;
    Ok(p99_ms)
}

async fn call(
    address: SocketAddr,
    seat: usize,
    pace: f64,
    stop: &AtomicBool,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = Connection::open(address).await?;
    let ask = request("GET", PATH, &[], b"");
    let mut latency = Histogram::<u64>::new(3)?;
    #[expect(clippy::cast_precision_loss, reason = "there are few callers")]
    let step = Duration::from_secs_f64(CALLERS as f64 / pace);
    let running = Clock::System.stopwatch();
    let mut due = step * u32::try_from(seat)? / u32::try_from(CALLERS)?;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(due.saturating_sub(running.elapsed())).await;
        let (status, _) = connection.ask(&ask).await?;
        ensure!(status == 200, "a request was answered with {status}");
        latency.record(u64::try_from(running.elapsed().saturating_sub(due).as_micros())?)?;
        due += step;
    }
    Ok(latency)
}
