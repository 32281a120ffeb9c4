//! What the server shows of a ceremony.

use board::{Base64, Hex};
use serde::Deserialize;

/// A ceremony as it stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CeremonyView {
    pub attempt: u16,
    pub threshold: u16,
    pub trustees: u16,
    /// This trustee's number.
    pub you: Option<u16>,
    /// What all are waited for.
    pub step: String,
    /// In the order of the trustees' numbers.
    pub said: Vec<SaidView>,
    #[serde(default)]
    pub keys: Option<String>,
}

/// What one trustee said.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaidView {
    pub trustee: u16,
    pub name: String,
    pub transport_key: Option<Hex<32>>,
    pub sealed_opening: Option<Hex<64>>,
    pub opening: Option<Base64>,
    pub dealing: Option<Base64>,
    pub approved: bool,
}
