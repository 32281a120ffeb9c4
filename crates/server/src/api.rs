//! The public API as a whole: every service's routes, and their description.

mod http;

use std::io::Write;

pub use http::openapi;
pub(crate) use http::public;

/// Prints the description of the API.
///
/// # Errors
/// When nobody reads it.
pub fn print_openapi() -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", openapi().to_pretty_json()?)?;
    Ok(())
}
