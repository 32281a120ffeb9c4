//! `holdfast check-config`: what would `serve` do?

use std::io::Write;

use anyhow::Context;
use clap::Args;

use crate::{checks, settings::SettingsOptions, tell};

/// Which settings to look at.
#[derive(Debug, Clone, Args)]
pub struct CheckConfigOptions {
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Prints the merged settings, as a file that can be given back; on standard error, which of them do nothing.
///
/// # Errors
/// When they cannot be used.
pub fn check_config(options: &CheckConfigOptions) -> anyhow::Result<()> {
    let unused = checks::server(&options.settings.read()?)?;
    let (_, text) = options.settings.read_with_text()?;
    unused.iter().for_each(|unused| tell(&format!("holdfast: {unused}")));
    tell(&format!("holdfast: {}", checks::ONLY_AT_START));
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the settings")
}
