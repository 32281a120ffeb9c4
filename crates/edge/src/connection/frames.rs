//! What the frames of an HTTP/2 connection cost us beside what they bring (RFC 9113, section 10.5).
//!
//! Many frames are cheap to send and make work: a request that is taken back as soon as it was sent (CVE-2023-44487),
//! pings and settings of which each wants an answer (CVE-2019-9512 and 9515), pieces of a body or of a header section
//! without a byte (CVE-2019-9518 and 9516), ends of what has ended. Honest callers send some of them too, beside what they
//! came for. So a connection has an allowance: such frames use it up, and requests, answers, bytes of bodies either way,
//! and time fill it again.

/// What every HTTP/2 connection begins with (section 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes before a frame's payload (section 4.1).
const HEADER_BYTES: usize = 9;
/// What is left of an allowance that nothing was taken of.
const ALLOWANCE_MAX: u32 = 1000;
/// A request that is taken back uses up more than it brought.
const REQUEST_EARNS: u32 = 1;
const RESET_COSTS: u32 = 2;
/// A frame that wants an answer, or brings nothing at all.
const IDLE_COSTS: u32 = 2;
/// A frame that only tells us something.
const NOTICE_COSTS: u32 = 1;
/// Whoever measures their line sends a ping and tells of room, for the stream and the connection, at every piece of an
/// answer, as gRPC does.
const PIECE_EARNS: u32 = IDLE_COSTS + 2 * NOTICE_COSTS;
/// Downloads and uploads earn by their length too.
const EARNING_BYTES: usize = 1 << 10;
const EARNED_PER_S: u64 = 20;

/// Kinds of frames (section 6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const CONTINUATION: u8 = 9;
}
/// `ACK` of settings and pings.
const ACK: u8 = 1;
/// `END_STREAM` of header sections and data, and `PADDED` of data.
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;
/// The length of padding, and the longest there is (section 6.1): a piece that is no larger may be nothing else.
const PADDING_BYTES_MAX: usize = 1 + 255;

/// The caller sends more frames that are of no use than anybody honest would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flooded;

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy)]
struct Header {
    bytes: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Finds the frames in bytes, however these are cut into pieces.
#[derive(Debug)]
struct Finder {
    /// Bytes of the preface, or of a payload, that are still to come.
    passing: usize,
    header: [u8; HEADER_BYTES],
    /// Bytes of a header that came so far.
    filled: usize,
}

/// The frames of one connection, in both directions.
#[derive(Debug)]
pub(super) struct Frames {
    came: Finder,
    went: Finder,
    /// The highest stream that a request came on.
    last_stream: u32,
    /// Requests that said that more of them would come, and whose ends have not come yet.
    open: u32,
    allowance: u32,
    /// Bytes that were written and have not earned anything yet.
    written: usize,
    /// When time was last paid for, in milliseconds.
    paid_ms: u64,
}

impl Finder {
    const fn new(passing: usize) -> Self {
        Self { passing, header: [0; HEADER_BYTES], filled: 0 }
    }

    /// The next frame that begins in the bytes, which are taken up to its payload.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Header> {
        let (_passed, rest) = bytes.split_at(self.passing.min(bytes.len()));
        self.passing -= bytes.len() - rest.len();
        let (taken, rest) = rest.split_at((HEADER_BYTES - self.filled).min(rest.len()));
        self.header[self.filled..][..taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        *bytes = rest;
        if self.filled < HEADER_BYTES {
            return None;
        }
        self.filled = 0;
        let [high, middle, low, kind, flags, stream @ ..] = self.header;
        self.passing = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
        Some(Header { bytes: self.passing, kind, flags, stream })
    }
}

impl Frames {
    pub(super) const fn new(now_ms: u64) -> Self {
        Self {
            came: Finder::new(PREFACE_BYTES),
            went: Finder::new(0),
            last_stream: 0,
            open: 0,
            allowance: ALLOWANCE_MAX,
            written: 0,
            paid_ms: now_ms,
        }
    }

    /// Takes what has come; tells how many frames began in it.
    pub(super) fn read(&mut self, mut bytes: &[u8], now_ms: u64) -> Result<u32, Flooded> {
        self.pay(now_ms);
        let mut began = 0;
        while let Some(header) = self.came.next(&mut bytes) {
            began += 1;
            self.begin(header)?;
        }
        Ok(began)
    }

    /// These bytes were taken by the caller.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len();
        let earned = self.written / EARNING_BYTES;
        self.written %= EARNING_BYTES;
        self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        while let Some(header) = self.went.next(&mut bytes) {
            if header.kind == kind::DATA {
                self.earn(PIECE_EARNS);
            }
        }
    }

    /// A frame begins with the header that has come.
    fn begin(&mut self, Header { bytes, kind, flags, stream }: Header) -> Result<(), Flooded> {
        let ends = flags & END_STREAM > 0;
        match kind {
            kind::HEADERS if stream > self.last_stream => {
                self.last_stream = stream;
                self.open = self.open.saturating_add(u32::from(!ends));
                self.earn(REQUEST_EARNS);
            }
            // The fields behind a body end it, once.
            kind::HEADERS if ends && self.end() => {}
            kind::HEADERS => self.spend(NOTICE_COSTS)?,
            kind::DATA if ends && !self.end() => self.spend(IDLE_COSTS)?,
            kind::DATA if ends || brings_something(bytes, flags) => {
                self.earn(u32::try_from(bytes / EARNING_BYTES).unwrap_or(u32::MAX));
            }
            kind::CONTINUATION if bytes > 0 => {}
            kind::DATA | kind::CONTINUATION => self.spend(IDLE_COSTS)?,
            kind::SETTINGS | kind::PING if flags & ACK == 0 => self.spend(IDLE_COSTS)?,
            kind::RST_STREAM => self.spend(RESET_COSTS)?,
            _ => self.spend(NOTICE_COSTS)?,
        }
        Ok(())
    }

    /// Is there a request that this may be the end of? Each has one.
    const fn end(&mut self) -> bool {
        let is_open = self.open > 0;
        self.open = self.open.saturating_sub(1);
        is_open
    }

    fn pay(&mut self, now_ms: u64) {
        let earned = now_ms.saturating_sub(self.paid_ms).saturating_mul(EARNED_PER_S) / 1000;
        if earned > 0 {
            self.paid_ms = now_ms;
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
    }

    fn earn(&mut self, earned: u32) {
        self.allowance = self.allowance.saturating_add(earned).min(ALLOWANCE_MAX);
    }

    fn spend(&mut self, cost: u32) -> Result<(), Flooded> {
        self.allowance = self.allowance.checked_sub(cost).ok_or(Flooded)?;
        Ok(())
    }
}

/// Is there more than padding in a piece of a body?
const fn brings_something(bytes: usize, flags: u8) -> bool {
    let idle_bytes_max = if flags & PADDED > 0 { PADDING_BYTES_MAX } else { 0 };
    bytes > idle_bytes_max
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        on(1, kind, flags, payload)
    }

    fn on(stream: u32, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
        [&[high, middle, low, kind, flags], &stream.to_be_bytes()[..], payload].concat()
    }

    /// So many requests, each with what follows it.
    fn requests(count: u32, then: impl Fn(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
        let one = |stream| [on(stream, kind::HEADERS, 4, b"\x82"), then(stream)].concat();
        (0..count).map(|number| one(2 * number + 1)).collect()
    }

    fn reset(stream: u32) -> Vec<u8> {
        on(stream, kind::RST_STREAM, 0, &[0; 4])
    }

    /// A connection on which so much was said at its first moment.
    fn after(frames: &[Vec<u8>]) -> (Frames, Result<u32, Flooded>) {
        let mut read = Frames::new(0);
        let began = read.read(&[PREFACE, &frames.concat()].concat(), 0);
        (read, began)
    }

    #[track_caller]
    fn check_floods(frames: &[Vec<u8>]) {
        let said = |times: usize| after(&vec![frames.concat(); times]).1;
        assert!(said(100).is_ok(), "anybody may do so now and then");
        assert_eq!(said(1100), Err(Flooded));
    }

    #[test]
    fn frames_that_only_make_work_are_a_flood_when_there_are_many() {
        check_floods(&[frame(kind::PING, 0, &[0; 8])]);
        check_floods(&[frame(kind::SETTINGS, 0, b"")]);
        check_floods(&[frame(kind::SETTINGS, ACK, b"")]);
        check_floods(&[frame(kind::DATA, 0, b"")]);
        check_floods(&[frame(kind::DATA, PADDED, &[1, 0])]);
        check_floods(&[frame(kind::DATA, PADDED, &[255; 256])]);
        check_floods(&[frame(kind::CONTINUATION, 0, b"")]);
        check_floods(&[frame(2, 0, &[0; 5])]);
        check_floods(&[frame(8, 0, &[0; 4])]);
        check_floods(&[frame(200, 0, b"unknown")]);
    }

    #[test]
    fn whoever_takes_back_every_request_is_one_with_or_without_more_fields_behind() {
        assert_eq!(after(&requests(1100, reset)).1, Err(Flooded));
        let trailers = |stream| [on(stream, kind::HEADERS, 5, b"\x82"), reset(stream)].concat();
        assert_eq!(after(&requests(1100, trailers)).1, Err(Flooded));
    }

    #[test]
    fn whoever_ends_what_has_ended_is_one() {
        let ended = frame(kind::HEADERS, 5, b"\x82");
        for again in [
            frame(kind::DATA, END_STREAM, b""),
            frame(kind::DATA, END_STREAM, b"x"),
            frame(kind::DATA, END_STREAM | PADDED, &[1, 0]),
            frame(kind::HEADERS, 5, b"\x82"),
            frame(kind::HEADERS, 4, b"\x82"),
        ] {
            let said = |times: usize| after(&[ended.clone(), again.repeat(times)]).1;
            assert!(said(100).is_ok());
            assert_eq!(said(1100), Err(Flooded), "{again:?}");
        }
        let open = frame(kind::HEADERS, 4, b"\x82");
        let said = [open, frame(kind::DATA, END_STREAM, b"").repeat(1100)];
        assert_eq!(after(&said).1, Err(Flooded), "an end is one, however often it is said");
    }

    #[test]
    fn requests_that_end_in_a_frame_of_its_own_are_none_however_many() {
        let data = |stream| on(stream, kind::DATA, 0, b"body");
        for end in [(kind::DATA, END_STREAM, b"".as_slice()), (kind::HEADERS, 5, b"\x82")] {
            let (kind, flags, payload) = end;
            let (_, began) =
                after(&requests(50_000, |stream| [data(stream), on(stream, kind, flags, payload)].concat()));
            assert_eq!(began, Ok(150_000));
        }
    }

    #[test]
    fn requests_and_bodies_are_none_however_many() {
        let (_, began) = after(&requests(100_000, |stream| on(stream, kind::DATA, 1, b"body")));
        assert_eq!(began, Ok(200_000));
    }

    #[test]
    fn whoever_takes_back_every_third_request_may_go_on() {
        let third = |stream| if stream % 3 == 0 { reset(stream) } else { Vec::new() };
        assert!(after(&requests(30_000, third)).1.is_ok());
    }

    #[test]
    fn whoever_measures_their_line_at_every_answer_may_go_on() {
        let (mut frames, _) = after(&[]);
        for stream in (1..200_000).step_by(2) {
            let asked = [on(stream, kind::HEADERS, 4, b"\x82"), on(stream, kind::DATA, 1, &[7; 37])].concat();
            assert_eq!(frames.read(&asked, 0), Ok(2));
            frames.wrote(
                &[on(stream, kind::HEADERS, 4, &[0; 20]), on(stream, kind::DATA, 1, &[0; 40])].concat(),
            );
            let measured =
                [frame(8, 0, &[0; 4]), frame(8, 0, &[0; 4]), frame(kind::PING, 0, &[0; 8])].concat();
            assert_eq!(frames.read(&measured, 0), Ok(3));
        }
    }

    #[test]
    fn whoever_downloads_may_say_how_much_room_there_is() {
        let (mut frames, _) = after(&[]);
        for _ in 0..10_000 {
            frames.wrote(&on(1, kind::DATA, 0, &[0; 1024]));
            assert_eq!(frames.read(&frame(8, 0, &[0; 4]), 0), Ok(1));
        }
    }

    #[test]
    fn a_ping_now_and_then_may_go_on_for_ever() {
        let (mut frames, _) = after(&[]);
        let ping = frame(kind::PING, 0, &[0; 8]);
        assert!((0..100_000).all(|second| frames.read(&ping.repeat(10), second * 1000).is_ok()));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            frames in prop::collection::vec((0_u8..12, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..60),
            piece in 1_usize..50,
        ) {
            let frames: Vec<_> = frames.iter().map(|(kind, flags, payload)| frame(*kind, *flags, payload)).collect();
            let (whole, began) = after(&frames);
            let mut pieces = Frames::new(0);
            let bytes = [PREFACE, &frames.concat()].concat();
            let mut seen = 0;
            for piece in bytes.chunks(piece) {
                seen += pieces.read(piece, 0).expect("sixty frames are no flood");
            }
            prop_assert_eq!(began, Ok(seen));
            prop_assert_eq!(whole.allowance, pieces.allowance);
            prop_assert_eq!(u32::try_from(frames.len()).expect("few"), seen);
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _read = Frames::new(0).read(&bytes, u64::MAX);
        }
    }
}
