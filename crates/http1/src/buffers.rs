//! Memory for bytes on their way, kept by each thread and lent to the connections that need it now.
//!
//! A connection that waits for its caller holds none, or as little as it takes to keep the beginning of what they say, so
//! fifty thousand of them cost no buffers; and those that are busy pass the same few around, which stay in the
//! processor's caches.

use std::cell::RefCell;

/// Buffers that a thread keeps of each kind.
const KEPT_MAX: usize = 64;
/// A buffer that grew larger is given back to the system.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// Bytes that are put away apart while more is waited for, so that their room can serve others.
const PUT_AWAY_BYTES_MAX: usize = 4 << 10;
/// Room behind what is there below which the rest is moved to the front before more is read.
const ROOM_BYTES_MIN: usize = 4 << 10;

thread_local! {
    static INBOXES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static OUTBOXES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that came and were not used yet: never more than a header section and a little.
#[derive(Debug, Default)]
pub struct Inbox {
    /// As long as there is room; empty while nothing is lent.
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Inbox {
    /// Borrows room for `bytes_max` bytes if it has none.
    pub fn borrow(&mut self, bytes_max: usize) {
        if self.bytes.len() < bytes_max {
            let mut room = INBOXES.with_borrow_mut(Vec::pop).unwrap_or_default();
            room.resize(bytes_max, 0);
            self.move_to(room);
        }
    }

    /// Gives the room back, unless there is much in it.
    pub fn give_back(&mut self) {
        let count = self.end - self.begin;
        if self.bytes.len() > PUT_AWAY_BYTES_MAX && count <= PUT_AWAY_BYTES_MAX {
            let lent = self.move_to(vec![0; count]);
            keep(&INBOXES, lent);
        }
    }

    /// Moves what is there to the beginning of another room, and tells the one that it was in.
    fn move_to(&mut self, mut room: Vec<u8>) -> Vec<u8> {
        let count = self.end - self.begin;
        room[..count].copy_from_slice(self.bytes());
        (self.begin, self.end) = (0, count);
        std::mem::replace(&mut self.bytes, room)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    pub const fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Takes the first `count` bytes for used.
    pub const fn consume(&mut self, count: usize) {
        self.begin += count;
        if self.is_empty() {
            self.begin = 0;
            self.end = 0;
        }
    }

    /// Where the next bytes go; empty if the inbox is full.
    pub fn room(&mut self) -> &mut [u8] {
        if self.begin > 0 && self.bytes.len() - self.end < ROOM_BYTES_MIN {
            self.bytes.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// `count` bytes were put into the room.
    pub const fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.consume(self.end - self.begin);
        self.give_back();
    }
}

/// An empty buffer for answers.
pub fn outbox() -> Vec<u8> {
    OUTBOXES.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Takes a buffer for answers back.
pub fn keep_outbox(mut outbox: Vec<u8>) {
    outbox.clear();
    if outbox.capacity() > 0 {
        keep(&OUTBOXES, outbox);
    }
}

fn keep(kept: &'static std::thread::LocalKey<RefCell<Vec<Vec<u8>>>>, buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_BYTES_MAX {
        // A thread that ends has no use for it any more.
        let _kept = kept.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(inbox: &mut Inbox, bytes: &[u8]) {
        inbox.room()[..bytes.len()].copy_from_slice(bytes);
        inbox.filled(bytes.len());
    }

    #[test]
    fn what_was_not_used_stays_in_order() {
        let mut inbox = Inbox::default();
        inbox.borrow(ROOM_BYTES_MIN + 8);
        put(&mut inbox, b"0123456789");
        inbox.consume(4);
        assert_eq!(inbox.bytes(), b"456789");
        put(&mut inbox, b"ab");
        assert_eq!(inbox.bytes(), b"456789ab");
        assert_eq!(inbox.room().len(), ROOM_BYTES_MIN);
    }

    #[test]
    fn the_room_around_a_few_bytes_is_given_back_and_borrowed_again() {
        let mut inbox = Inbox::default();
        inbox.borrow(PUT_AWAY_BYTES_MAX * 2);
        put(&mut inbox, b"0half");
        inbox.consume(1);
        inbox.give_back();
        assert_eq!(inbox.bytes(), b"half");
        assert!(inbox.room().is_empty());
        inbox.borrow(PUT_AWAY_BYTES_MAX * 2);
        put(&mut inbox, b" whole");
        assert_eq!(inbox.bytes(), b"half whole");
        inbox.consume(10);
        inbox.give_back();
        assert!(inbox.room().is_empty());
    }

    #[test]
    fn an_inbox_with_many_bytes_in_it_keeps_its_room() {
        let mut inbox = Inbox::default();
        inbox.borrow(PUT_AWAY_BYTES_MAX * 2);
        put(&mut inbox, &[7; PUT_AWAY_BYTES_MAX + 1]);
        inbox.give_back();
        assert_eq!(inbox.room().len(), PUT_AWAY_BYTES_MAX - 1);
    }
}
