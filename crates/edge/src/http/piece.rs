//! A piece of an answer's body over HTTP/2, from the moment it is given to be sent until all of it was.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::connection::Taking;

/// Bytes that wait for their caller to grant them room. While any of an answer's are left, the answer counts as not taken,
/// though its handler may long have made all of it.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    _taking: Option<Arc<Taking>>,
}

impl Piece {
    pub(super) const fn new(bytes: Bytes, taking: Option<Arc<Taking>>) -> Self {
        Self { bytes, _taking: taking }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
