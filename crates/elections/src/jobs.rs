//! What workers do: check votes, mix them, count them.

mod check_ballots;
mod count;
mod mix;

pub(crate) use check_ballots::CheckBallots;
pub(crate) use count::Count;
pub(crate) use mix::{Mix, read_rows};
use problem::Problem;
use queue::JobError;

/// What is kept of a problem that may be over soon.
pub(crate) fn later(problem: &Problem) -> JobError {
    JobError::Later(format!("{}: {}", problem.code(), problem.detail()))
}
