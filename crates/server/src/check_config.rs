//! `holdfast check-config`: what would `serve` do?

use std::io::Write;

use anyhow::Context;
use clap::Args;

use crate::settings::SettingsOptions;

/// Which settings to look at.
#[derive(Debug, Clone, Args)]
pub struct CheckConfigOptions {
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Prints the merged settings, as a file that can be given back.
///
/// # Errors
/// When they cannot be used.
pub fn check_config(options: &CheckConfigOptions) -> anyhow::Result<()> {
    let text = options.settings.read_as_text()?;
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the settings")
}
