//! Memory for bytes on their way, kept by each thread and lent to the connections that need it now.
//!
//! A connection that waits for its caller holds none, so fifty thousand of them cost no buffers; and those
//! that are busy pass the same few around, which stay in the processor's caches.

use std::cell::RefCell;

/// Buffers that a thread keeps of each kind.
const KEPT_MAX: usize = 64;
/// A buffer that grew larger is given back to the system.
const KEPT_BYTES_MAX: usize = 256 << 10;
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
            self.bytes = INBOXES.with_borrow_mut(Vec::pop).unwrap_or_default();
            self.bytes.resize(bytes_max, 0);
        }
    }

    /// Gives the room back if there is nothing in it.
    pub fn give_back(&mut self) {
        if self.is_empty() && !self.bytes.is_empty() {
            keep(&INBOXES, std::mem::take(&mut self.bytes));
        }
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
    fn an_inbox_with_bytes_in_it_keeps_its_room() {
        let mut inbox = Inbox::default();
        inbox.borrow(16);
        put(&mut inbox, b"half");
        inbox.give_back();
        assert_eq!(inbox.bytes(), b"half");
        inbox.consume(4);
        inbox.give_back();
        assert!(inbox.room().is_empty());
    }
}
