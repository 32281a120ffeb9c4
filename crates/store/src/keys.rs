//! The rows a batch of commands is going to read, gathered so that each table is asked once.

use crate::{row::Row, tx::Working};

/// Gathers the keys that commands name in `reads`. A key that nobody named is read alone when it is
/// asked for: correct, slower, and counted.
#[derive(Debug)]
pub struct Keys<'b>(pub(crate) &'b mut Working);

impl Keys<'_> {
    /// The row with this key will be read.
    pub fn want<R: Row>(&mut self, key: R::Key) {
        self.0.set::<R>().want(key);
    }
}
