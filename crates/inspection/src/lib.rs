//! Does a request carry an attack? Decided from its line, its fields and its body, by rules that are given as text.
//!
//! What strangers disguise is undone first (`normal`); then patterns that take linear time, and tokenisers for SQL and
//! HTML, look at every value, and each rule that holds adds to the score of the request. It is a net with holes:
//! handlers that bind their parameters and escape what they write are what keeps an attack from doing anything.
//!
//! **Nothing is kept of a value**: what comes out are names of rules and numbers.

mod body;
mod inspector;
mod normal;
mod plain;
mod rules;
mod tally;

pub use body::Written;
pub use inspector::{Bound, Bounds, Inspector};
pub use plain::is_plain_field;
pub use rules::{Class, Classes, Place, RulesError};
pub use tally::{Exempt, Suspicion, Tally};
