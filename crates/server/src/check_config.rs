//! `holdfast check-config`: what would `serve` do?

use clap::Args;

use crate::{settings::SettingsOptions, tell};

/// Which settings to look at.
#[derive(Debug, Clone, Args)]
pub struct CheckConfigOptions {
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Prints the merged settings.
///
/// # Errors
/// When they cannot be used.
pub fn check_config(options: &CheckConfigOptions) -> anyhow::Result<()> {
    tell(&format!("{:#?}", options.settings.read()?));
    Ok(())
}
