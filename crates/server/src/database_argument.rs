//! A database's URL at the command line or in the environment: what is wrong with it is told without it, for it holds a password.

use std::ffi::OsStr;

use clap::{Arg, Command, builder::TypedValueParser, error::ErrorKind};
use store::DatabaseUrl;

/// Reads it as everybody else would, and repeats nothing of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadDatabaseUrl;

impl TypedValueParser for ReadDatabaseUrl {
    type Value = DatabaseUrl;

    fn parse_ref(
        &self,
        command: &Command,
        _argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<DatabaseUrl, clap::Error> {
        let told = |why: &str| {
            let text = format!("--database, or HOLDFAST_DATABASE, cannot be used: {why}");
            command.clone().error(ErrorKind::ValueValidation, text)
        };
        let text = value.to_str().ok_or_else(|| told("it is not UTF-8"))?;
        text.parse().map_err(|why: String| told(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_its_password() {
        for text in ["host=x password=s3cret", "postgres://ada:s3cret@[::1/x"] {
            let read = ReadDatabaseUrl.parse_ref(&Command::new("serve"), None, OsStr::new(text));
            let told = read.expect_err("it is no URL").to_string();
            assert!(told.contains("HOLDFAST_DATABASE") && !told.contains("s3cret"), "{told}");
        }
        let read =
            ReadDatabaseUrl.parse_ref(&Command::new("serve"), None, OsStr::new("postgres://ada@db/town"));
        assert!(read.is_ok());
    }
}
