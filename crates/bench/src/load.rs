//! A caller that costs little: one connection, requests written as bytes, answers read as bytes.

pub(crate) mod open_loop;

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One HTTP/1.1 connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold an answer, and how far it has been read.
    filled: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024], filled: 0 })
    }

    /// Sends a request and reads its answer: the status and the body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            self.filled += read;
            let Some((status, start, end)) = parse(&self.buffer[..self.filled])? else { continue };
            if self.buffer.len() < end {
                self.buffer.resize(end, 0);
            }
            while self.filled < end {
                let read = self.stream.read(&mut self.buffer[self.filled..end]).await?;
                if read == 0 {
                    bail!("the answer did not arrive whole");
                }
                self.filled += read;
            }
            return Ok((status, &self.buffer[start..end]));
        }
    }
}

/// Status, and where the body begins and ends; nothing while the head is not whole.
fn parse(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head]).context("the head is not text")?;
    let status = text.get(9..12).and_then(|status| status.parse().ok()).context("there is no status")?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    let length: usize = length.context("there is no length")?.parse()?;
    Ok(Some((status, head + 4, head + 4 + length)))
}

/// A request as bytes.
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in fields {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Runs a future to its end on a runtime of its own.
pub(crate) fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(work)
}
