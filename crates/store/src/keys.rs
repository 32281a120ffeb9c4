//! The rows a batch of commands is going to read, gathered so that each table is asked once.

use crate::{cell::Cell, row::Row, tx::Working};

/// Gathers the keys that commands name in `reads`. A key that nobody named is read alone when it is
/// asked for: correct, slower, and counted.
#[derive(Debug)]
pub struct Keys<'b>(pub(crate) &'b mut Working);

impl Keys<'_> {
    /// The row with this key will be read.
    pub fn want<R: Row>(&mut self, key: R::Key) {
        self.0.set::<R>().want(key);
    }

    /// All rows whose key begins with this column will be scanned; there are at most `rows_max`, or they are
    /// asked for when they are scanned.
    pub fn want_range<R: Row>(&mut self, first: Cell<'_>, rows_max: usize) {
        self.0.set::<R>().want_range(first.into_owned(), rows_max);
    }
}
