//! A flood in virtual time: what the gate promises, seen on servers of several kinds, and what happens without it.

mod floods;
mod town;
