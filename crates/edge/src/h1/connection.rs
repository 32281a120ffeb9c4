//! The loop of a connection: what can be answered on the spot is, all else goes through the router, one
//! request after the other.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use front::{Admitted, Asker, Seen};
use http::{Request, Response, StatusCode, Uri, header::HOST};
use problem::Problem;

use super::{
    Fault, Head, HeadLimits, Length, Target, Tunnel,
    answer::{Manner, write_answer, write_switch},
    intake::Intake,
    read_head,
    refusal::refusal,
    request::request,
    sending::Sending,
    wire::Wire,
};
use crate::{
    Answer, Ask, Fields,
    config::size,
    connection::{Order, Stream, Watch},
    forward::Answered,
    http::{Content, Peer},
    server::Port,
    turn::others_first,
};

/// Room in an inbox beyond the largest header section, for what comes behind it.
const INBOX_BYTES_MIN: usize = 16 << 10;

/// Requests of a connection that are answered before the others of its thread have their turn.
const ANSWERED_A_TURN: u32 = 128;

/// One connection that speaks HTTP/1.
pub(super) struct Connection {
    wire: Wire,
    port: Arc<Port>,
    watch: Arc<Watch>,
    peer: Peer,
    limits: HeadLimits,
    /// Bytes at the beginning of the inbox that are known to be no whole head.
    looked_at: usize,
    /// A request was answered since the caller was last waited for.
    answered: bool,
    /// Requests that were answered, or handed on to be, since others had their turn.
    turn_answered: u32,
}

/// A request on its way to the router, or back from the front.
struct Routed {
    request: Result<(Request<Content>, Admitted), Response<Content>>,
    intake: Option<Intake>,
    manner: Manner,
}

/// What is to be done about a head.
enum Found {
    Answered { persistent: bool },
    Routed(Box<Routed>),
}

/// What comes next.
enum Step {
    /// No whole request is left: send, and wait for more.
    Read,
    /// As much is gathered as may be.
    Send,
    /// So much was answered that others go first now.
    Yield,
    Route(Box<Routed>),
    Refuse(Fault),
    /// The last request of the connection was answered.
    Close,
}

/// How waiting for the caller ended.
enum Came {
    Bytes,
    Nothing,
    TooLate,
}

/// Whether the connection goes on after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onward {
    Persists,
    Closes,
    /// It closes, and its caller may still be sending.
    Lingers,
}

impl Connection {
    pub(super) fn new(stream: Stream, port: Arc<Port>, watch: Arc<Watch>, peer: Peer) -> Self {
        let config = port.edge.config();
        let bytes_max = size(config.header_bytes_max);
        let limits = HeadLimits { bytes_max, fields_max: size(config.header_fields_max) };
        let wire = Wire::new(stream, watch.clone(), bytes_max.saturating_add(INBOX_BYTES_MIN));
        Self { wire, port, watch, peer, limits, looked_at: 0, answered: false, turn_answered: 0 }
    }

    /// Answers until either side is done.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let end = loop {
            match self.step() {
                Step::Yield => {
                    self.turn_answered = 0;
                    tokio::task::yield_now().await;
                }
                Step::Send => poll_fn(|cx| self.wire.poll_send(cx)).await?,
                Step::Read => {
                    if self.wire.has_unsent() {
                        others_first().await;
                    }
                    match poll_fn(|cx| self.poll_more(cx)).await? {
                        Came::Bytes => {}
                        Came::Nothing => break Onward::Closes,
                        Came::TooLate => break self.refuse(Fault::TooSlow),
                    }
                }
                Step::Route(routed) => match self.route(routed).await? {
                    Onward::Persists => {}
                    end @ (Onward::Closes | Onward::Lingers) => break end,
                },
                Step::Refuse(fault) => break self.refuse(fault),
                Step::Close => break Onward::Closes,
            }
        };
        poll_fn(|cx| self.wire.poll_shutdown(cx)).await?;
        if end == Onward::Lingers || !self.wire.inbox.is_empty() {
            self.watch.lingers();
            poll_fn(|cx| self.wire.poll_linger(cx)).await?;
        }
        Ok(())
    }

    /// Answers on the spot what can be, in order, and finds out what comes then.
    fn step(&mut self) -> Step {
        while !self.wire.is_full() {
            if self.turn_answered == ANSWERED_A_TURN {
                return Step::Yield;
            }
            // A head is whole only when another line ended: bytes that come one by one are not looked at
            // over and over.
            let fresh = &self.wire.inbox.bytes()[self.looked_at..];
            let full = self.wire.inbox.bytes().len() >= self.limits.bytes_max;
            if fresh.is_empty() || (self.looked_at > 0 && !full && memchr::memchr(b'\n', fresh).is_none()) {
                return Step::Read;
            }
            let finishing = self.watch.ordered() != Order::Go;
            let (inbox, outbox) = self.wire.both();
            let look = |head: &Head<'_>| {
                let (asker, looked) = look(&self.port, self.peer, head);
                let persistent = head.framing.persistent && !finishing;
                let manner = Manner::of(head.version, head.method, persistent, asker);
                let admitted = match looked {
                    Ok(admitted) => admitted,
                    Err(answer) if head.framing.length == Length::Exact(0) => {
                        write_answer(outbox, &answer, head.framing.request_id, &manner, &self.port.edge);
                        return Ok((head.bytes, Found::Answered { persistent: manner.persistent }));
                    }
                    Err(answer) => {
                        let answer = answer.written(head.framing.request_id, self.port.edge.clock());
                        let routed = turned_away(head, manner, answer.map(Content::from));
                        return Ok((head.bytes, Found::Routed(routed)));
                    }
                };
                if answer_at_once(&self.port, head, &admitted, &manner, outbox) {
                    return Ok((head.bytes, Found::Answered { persistent: manner.persistent }));
                }
                routed(head, inbox.bytes(), manner, admitted)
                    .map(|routed| (head.bytes, Found::Routed(routed)))
            };
            let (bytes, found) = match read_head(inbox.bytes(), self.limits, look) {
                Ok(Some(Ok(found))) => found,
                Err(fault) | Ok(Some(Err(fault))) => return Step::Refuse(fault),
                Ok(None) => {
                    self.looked_at = inbox.bytes().len();
                    return Step::Read;
                }
            };
            inbox.consume(bytes);
            self.wire.begin_part();
            self.looked_at = 0;
            match found {
                Found::Answered { persistent: true } => {
                    self.answered = true;
                    self.turn_answered += 1;
                }
                Found::Answered { persistent: false } => return Step::Close,
                Found::Routed(routed) => {
                    self.turn_answered += 1;
                    return Step::Route(routed);
                }
            }
        }
        Step::Send
    }

    /// Sends what is gathered and waits for more of the caller.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Came>> {
        // A caller who does not take the answers is not asked for more requests.
        ready!(self.wire.poll_send(cx))?;
        if let Poll::Ready(count) = self.wire.poll_fill_part(cx)? {
            return Poll::Ready(Ok(if count > 0 { Came::Bytes } else { Came::Nothing }));
        }
        if std::mem::take(&mut self.answered) {
            self.watch.answered_at_once();
        }
        let is_silent = self.wire.inbox.is_empty();
        if !is_silent {
            self.watch.heard();
        }
        match self.watch.ordered() {
            Order::Expire => return Poll::Ready(Ok(Came::TooLate)),
            Order::Finish if is_silent => return Poll::Ready(Ok(Came::Nothing)),
            Order::Go | Order::Last | Order::Finish | Order::Cut => {}
        }
        self.wire.rest();
        self.turn_answered = 0;
        Poll::Pending
    }

    /// Says what was wrong, as the last word.
    fn refuse(&mut self, fault: Fault) -> Onward {
        let problem = Problem::from(fault);
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
        self.port.edge.traffic().count_refused(None, status);
        self.wire.outbox().extend_from_slice(&refusal(&problem, &self.port));
        Onward::Lingers
    }

    /// Takes a request through the router, its body in and its answer out.
    async fn route(&mut self, routed: Box<Routed>) -> io::Result<Onward> {
        let Routed { request, mut intake, mut manner } = *routed;
        let _busy = self.watch.begin();
        let mut answered = match request {
            Ok((request, admitted)) => {
                let mut handler = self.port.onward.answer(request, admitted);
                poll_fn(|cx| self.poll_handler(handler.as_mut(), &mut intake, cx)).await?
            }
            Err(refusal) => Answered::ours(refusal),
        };
        if let Some(tunnel) = Tunnel::of(&mut answered.response) {
            let clock = self.port.edge.clock();
            write_switch(self.wire.outbox(), &answered.whole(), tunnel.protocol(), clock);
            // Apart, so that other connections do not carry its state.
            Box::pin(tunnel.run(&mut self.wire)).await?;
            return Ok(Onward::Closes);
        }
        answered.complete(self.port.edge.front(), manner.asker);
        let settles = intake.as_mut().is_none_or(|intake| intake.can_settle(&mut self.wire));
        manner.persistent &= settles && self.watch.ordered() == Order::Go;
        let (outbox, clock) = (self.wire.outbox(), self.port.edge.clock());
        let mut sending = Sending::begin(outbox, answered, &manner, clock);
        poll_fn(|cx| sending.poll(&mut self.wire, &mut intake, cx)).await?;
        if intake.is_some_and(|mut intake| !intake.settle(&mut self.wire)) {
            return Ok(Onward::Lingers);
        }
        self.wire.begin_part();
        let persists = manner.persistent && !sending.ends_the_connection();
        Ok(if persists { Onward::Persists } else { Onward::Closes })
    }

    /// Runs the handler, with its body coming in as it asks for it.
    fn poll_handler<F>(
        &mut self,
        mut handler: Pin<&mut F>,
        intake: &mut Option<Intake>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Answered>>
    where
        F: Future<Output = Result<Answered, Infallible>> + ?Sized,
    {
        loop {
            if let Poll::Ready(Ok(answered)) = handler.as_mut().poll(cx) {
                return Poll::Ready(Ok(answered));
            }
            let Some(intake) = intake else { break };
            if intake.poll_give(&mut self.wire, cx)?.is_pending() {
                break;
            }
        }
        // The handler waits for something else, so the answers before this one must not.
        if self.wire.has_unsent() {
            let _sent = self.wire.poll_send(cx)?;
        }
        // Whoever has gone will not hear the answer.
        if intake.as_ref().is_none_or(Intake::is_done) {
            self.wire.poll_gone(cx)?;
        }
        self.wire.rest();
        Poll::Pending
    }
}

/// Answers a request that has a direct route, if the route does.
fn answer_at_once(
    port: &Port,
    head: &Head<'_>,
    admitted: &Admitted,
    manner: &Manner,
    outbox: &mut Vec<u8>,
) -> bool {
    let (Target::Origin { path, query }, Length::Exact(0)) = (head.form, head.framing.length) else {
        return false;
    };
    let ask = Ask { path, query, fields: Fields::read(head.fields) };
    let Some(answer) = port.direct.answer(&port.edge, head.method, ask, admitted) else { return false };
    write_answer(outbox, &answer, head.framing.request_id, manner, &port.edge);
    true
}

/// Who asks, and what the front says of a head.
fn look(port: &Port, Peer(peer): Peer, head: &Head<'_>) -> (Asker, Result<Admitted, Answer>) {
    let fields = Fields::read(head.fields);
    // Written out whole, it must be found by the same rules; few write it so.
    let whole: Option<Uri> = match head.form {
        Target::Absolute => head.target.parse().ok(),
        Target::Origin { .. } | Target::Asterisk => None,
    };
    let path = match (head.form, &whole) {
        (Target::Origin { path, .. }, _) => path,
        (Target::Absolute, Some(whole)) => whole.path(),
        (Target::Absolute, None) | (Target::Asterisk, _) => head.target,
    };
    let authority = whole.as_ref().and_then(|whole| whole.authority()).map(|host| host.as_str().as_bytes());
    let host = authority.or_else(|| fields.get(&HOST));
    let query = match head.form {
        Target::Origin { query, .. } => query,
        Target::Absolute | Target::Asterisk => whole.as_ref().and_then(Uri::query),
    };
    let secure = port.tls.is_some();
    let seen = Seen { method: head.method, path, query, host, fields, peer, secure };
    (port.edge.front().asker(&seen), port.edge.look(&seen))
}

/// A request that is answered without the router, whatever its body is.
fn turned_away(head: &Head<'_>, manner: Manner, answer: Response<Content>) -> Box<Routed> {
    let intake = Intake::of(head.framing.length, head.framing.expects_continue).map(|(intake, _)| intake);
    Box::new(Routed { request: Err(answer), intake, manner })
}

/// The request of a head for the router.
fn routed(head: &Head<'_>, read: &[u8], manner: Manner, admitted: Admitted) -> Result<Box<Routed>, Fault> {
    let intake = Intake::of(head.framing.length, head.framing.expects_continue);
    let (intake, body) = intake.unzip();
    let body = body.map_or_else(Content::empty, Content::new);
    let request = request(head, read, body)?;
    Ok(Box::new(Routed { request: Ok((request, admitted)), intake, manner }))
}
