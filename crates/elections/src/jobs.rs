//! What workers do: check votes, mix them, check what trustees decrypted, count.

mod check_ballots;
mod check_part;
mod count;
mod mix;
mod prove_tokens;

pub(crate) use check_ballots::CheckBallots;
pub(crate) use check_part::CheckPart;
pub(crate) use count::Count;
pub(crate) use mix::Mix;
use problem::Problem;
use queue::JobError;

/// What is kept of a problem that may be over soon.
pub(crate) fn later(problem: &Problem) -> JobError {
    JobError::Later(format!("{}: {}", problem.code(), problem.detail()))
}
