//! A stream of server-sent events, as a caller follows it.

use anyhow::Context;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Events as they come (WHATWG HTML, server-sent events): the data of each.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    pub(crate) const fn new(body: Incoming) -> Self {
        Self { body, text: String::new() }
    }

    /// The next event's data; nothing when the stream has ended.
    ///
    /// # Errors
    /// When it is broken off.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                let data = data.iter().map(|data| data.trim_start()).collect::<Vec<_>>().join("\n");
                self.text = rest.to_owned();
                if !data.is_empty() {
                    return Ok(Some(data));
                }
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(bytes) = frame.context("the stream was broken off")?.into_data() {
                self.text.push_str(std::str::from_utf8(&bytes).context("events are text")?);
            }
        }
    }
}
