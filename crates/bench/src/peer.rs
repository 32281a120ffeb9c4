//! nginx to measure beside, wrk and h2load to send load.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use peers::Program;

const NGINX: Program = Program { name: "nginx", package: "nginx-light" };
const WRK: Program = Program { name: "wrk", package: "wrk" };
const H2LOAD: Program = Program { name: "h2load", package: "nghttp2-client" };

/// An nginx that answers every request with the same body, from as many processes as there are cores.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Nginx {
    pub(crate) fn start(body: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], peers::free_port()?));
        let location = format!("default_type application/json; return 200 '{body}';");
        let server = format!("server {{ listen {address} reuseport; location / {{ {location} }} }}");
        Self::start_with(folder, address, &server)
    }

    /// Serves these `server` and `upstream` blocks, the first of which listens at `address`.
    pub(crate) fn start_with(
        folder: tempfile::TempDir,
        address: SocketAddr,
        servers: &str,
    ) -> anyhow::Result<Self> {
        let config = folder.path().join("nginx.conf");
        fs::write(&config, nginx_config(folder.path(), servers))?;
        let mut command = NGINX.command()?;
        command.arg("-c").arg(&config).arg("-p").arg(folder.path()).args(["-g", "daemon off;"]);
        let child = command.stderr(Stdio::null()).spawn().context("nginx does not start")?;
        let nginx = Self { child, address, _folder: folder };
        nginx.wait_until_it_serves()?;
        Ok(nginx)
    }

    fn wait_until_it_serves(&self) -> anyhow::Result<()> {
        let stopwatch = clock::Clock::System.stopwatch();
        while std::net::TcpStream::connect(self.address).is_err() {
            ensure!(stopwatch.elapsed().as_secs() < 10, "nginx does not serve");
            std::thread::yield_now();
        }
        Ok(())
    }
}

fn nginx_config(folder: &Path, servers: &str) -> String {
    let folder = folder.display();
    format!(
        "worker_processes auto; pid {folder}/pid; error_log /dev/null;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests 1000000000;
            client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
            uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
            {servers}
        }}"
    )
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Quits its workers too, which a kill would leave behind.
        drop(Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

/// Requests a second over 64 connections, as wrk counts them; `depth` of them sent at once on each.
pub(crate) fn wrk(
    address: SocketAddr,
    path: &str,
    token: &str,
    seconds: u64,
    depth: usize,
) -> anyhow::Result<f64> {
    wrk_at("http", address, path, token, seconds, depth)
}

/// The same, over `http` or `https`.
pub(crate) fn wrk_at(
    scheme: &str,
    address: SocketAddr,
    path: &str,
    token: &str,
    seconds: u64,
    depth: usize,
) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("requests.lua");
    fs::write(&script, wrk_script(path, token, depth))?;
    let mut wrk = WRK.command()?;
    wrk.args(["-t2", "-c64", &format!("-d{seconds}s"), "-s"])
        .arg(&script)
        .arg(format!("{scheme}://{address}{path}"));
    let output = wrk.output().context("wrk cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!text.contains("Non-2xx"), "not every answer was 200:\n{text}");
    number_after(&text, "Requests/sec:").with_context(|| format!("wrk said nothing of use:\n{text}"))
}

fn wrk_script(path: &str, token: &str, depth: usize) -> String {
    let headers = if token.is_empty() {
        String::new()
    } else {
        format!("wrk.headers['Authorization'] = 'Bearer {token}'")
    };
    let request = if depth > 1 {
        format!(
            "init = function() local r = {{}} for i = 1, {depth} do r[i] = wrk.format('GET', '{path}') end \
             all = table.concat(r) end\nrequest = function() return all end"
        )
    } else {
        String::new()
    };
    format!("{headers}\n{request}\n")
}

/// Requests a second over HTTP/2 with prior knowledge, 64 connections of 16 streams, as h2load counts them.
pub(crate) fn h2load(address: SocketAddr, path: &str, token: &str, requests: u64) -> anyhow::Result<f64> {
    let mut h2load = H2LOAD.command()?;
    h2load.args([
        "-t2",
        "-c64",
        "-m16",
        &format!("-n{requests}"),
        "-H",
        &format!("authorization: Bearer {token}"),
    ]);
    let output = h2load.arg(format!("http://{address}{path}")).output().context("h2load cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(text.contains(&format!("{requests} 2xx")), "not every answer was 200:\n{text}");
    let finished = text.lines().find(|line| line.starts_with("finished in")).unwrap_or_default();
    let rate =
        finished.split(", ").find_map(|part| part.strip_suffix(" req/s")).and_then(|rate| rate.parse().ok());
    rate.with_context(|| format!("h2load said nothing of use:\n{text}"))
}

fn number_after(text: &str, label: &str) -> Option<f64> {
    text.split(label).nth(1)?.split_whitespace().next()?.parse().ok()
}
