//! A server of the test's own, that answers with whatever bytes a test wants.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    /// Bytes of its body, which is not kept.
    pub(crate) body_bytes: usize,
}

impl Asked {
    pub(crate) fn is(&self, method: &str) -> bool {
        self.head.starts_with(&format!("{method} "))
    }

    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// Answers a request on its connection: may another one follow?
type Rule = dyn Fn(&Asked, &mut TcpStream) -> bool + Send + Sync;

/// It ends, with all of its connections, when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Upstream {
    pub(crate) fn start(rule: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], peers::free_port().expect("a port"))), rule)
    }

    pub(crate) fn start_at(
        address: SocketAddr,
        rule: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let (asked, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let upstream = Self { address, asked: asked.clone(), ended: ended.clone(), open: open.clone() };
        let rule: Arc<Rule> = Arc::new(rule);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                open.lock().expect("nobody panics").push(stream.try_clone().expect("a socket can be shared"));
                let (rule, asked) = (rule.clone(), asked.clone());
                thread::spawn(move || serve(stream, &*rule, &asked));
            }
        });
        upstream
    }

    /// Answers everything, also health checks, with its name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::start(move |_, stream| answer(stream, "", name))
    }

    /// Requests that came, health checks apart.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
    }
}

fn serve(stream: TcpStream, rule: &Rule, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let Some(body_bytes) = read_body(&head, &mut reader) else { return };
        let request = Asked { head, body_bytes };
        asked.fetch_add(usize::from(request.path() != "/health"), Ordering::SeqCst);
        if !rule(&request, &mut stream) {
            drop(stream.shutdown(std::net::Shutdown::Both));
            return;
        }
    }
}

/// Reads a body, and says how long it was.
fn read_body(head: &str, reader: &mut impl BufRead) -> Option<usize> {
    if !head.contains("transfer-encoding: chunked") {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        reader.read_exact(&mut vec![0; length]).ok()?;
        return Some(length);
    }
    let mut total = 0;
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok().filter(|read| *read > 0)?;
        let bytes = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
        reader.read_exact(&mut vec![0; bytes + 2]).ok()?;
        total += bytes;
        if bytes == 0 {
            return Some(total);
        }
    }
}

/// 200 with these fields, each line with its end, and this body.
pub(crate) fn answer(stream: &mut TcpStream, fields: &str, body: &str) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{fields}\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).is_ok()
}

/// Another status, without a body.
pub(crate) fn status(stream: &mut TcpStream, status: &str) -> bool {
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_ok()
}
