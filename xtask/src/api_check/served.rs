//! The real binary, served from a folder that is thrown away, and a client for the little that is asked of it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::steps::now;

/// How long a start or an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs. It is killed when dropped.
pub(super) struct Served {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Served {
    pub(super) fn start(root: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // A file, not a pipe: nobody has to read it for the server to go on.
        let said = folder.path().join("said");
        let mut command = Command::new(root.join("target/debug/holdfast"));
        command.arg("serve").arg("--data").arg(folder.path().join("data"));
        // Whoever checks is one address, and no limit is meant for them.
        let settings = folder.path().join("settings.toml");
        fs::write(&settings, "[networks]\nallowed = [\"127.0.0.0/8\"]\n")?;
        command.arg("--config").arg(&settings);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.stdout(Stdio::null()).stderr(File::create(&said)?);
        let child =
            command.spawn().context("cannot start the server; build it with `cargo build -p server`")?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Self { child, address, folder };
        served.address = served.wait_for_address(&said)?;
        Ok(served)
    }

    fn wait_for_address(&mut self, said: &Path) -> anyhow::Result<SocketAddr> {
        let began = now();
        loop {
            let text = fs::read_to_string(said)?;
            if let Some(address) = address_in(&text) {
                return Ok(address);
            }
            if self.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                bail!("the server did not start: {text}");
            }
            wait(Duration::from_millis(20));
        }
    }

    /// A folder to write in, gone with the server.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A token of the administrator of the first start.
    pub(super) fn sign_in(&self) -> anyhow::Result<String> {
        let password = fs::read_to_string(self.folder.path().join("data/first-administrator-password"))?;
        let body = json!({"userId": "administrator", "credentials": password.trim_end()});
        let (status, answer) = self.ask("POST", "/api/v1/authenticate", None, Some(&body))?;
        ensure!(status == 200, "the server answers {status}: {answer}");
        let token = answer.get("token").and_then(Value::as_str).context("the answer has no token")?;
        Ok(token.to_owned())
    }

    /// Asks one thing, and returns the status and the body.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let authorization =
            token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let body = body.map_or_else(String::new, Value::to_string);
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{authorization}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        read_answer(&answer).with_context(|| format!("cannot read the answer to {method} {path}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The public address, from the line in which the server tells it.
fn address_in(said: &str) -> Option<SocketAddr> {
    let line = said.lines().find_map(|line| line.strip_prefix("holdfast serves "))?;
    line.split_once(" (")?.0.parse().ok()
}

/// The status and the body of an answer that ends with its connection.
fn read_answer(answer: &str) -> Option<(u16, Value)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

#[expect(clippy::disallowed_methods, reason = "there is no runtime here whose timer could wait")]
fn wait(duration: Duration) {
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_where_it_serves() {
        let said = "{\"level\":\"INFO\"}\nholdfast serves 127.0.0.1:8080 (operators: 127.0.0.1:8081)\n";
        assert_eq!(address_in(said), Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(address_in("holdfast: no"), None);
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = "HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{\"a\": 1}\n";
        assert_eq!(read_answer(answer), Some((201, json!({"a": 1}))));
        assert_eq!(read_answer("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, Value::Null)));
    }
}
