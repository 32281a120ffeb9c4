//! Encryption in transit: what the target agrees to.

use load::dial::dial;
use report::{Area, Outcome};

use crate::ground::Ground;

const NAME: &str = "compliance/in-transit";
const TITLE: &str = "Nobody on the way can read what is sent";

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    if ground.target.trust.is_none() {
        if ground.target.address.ip().is_loopback() {
            let why = "the target speaks plainly on this machine's own loopback, where nobody is on the way";
            ground.skipped(Area::Compliance, NAME, TITLE, why);
        } else {
            let detail = "the target speaks plainly over a network";
            ground.found(Area::Compliance, NAME, TITLE, Outcome::Failed, detail, Vec::new());
        }
        return Ok(());
    }
    let (stream, _) = ground.block_on(dial(&ground.target, false))?;
    let (version, group) = stream.encryption().unwrap_or_default();
    let mut against = Vec::new();
    if version != "TLSv1_3" {
        against.push(format!("{version} and not TLS 1.3"));
    }
    let post_quantum =
        if group.contains("MLKEM") { ", which also a quantum computer could not undo" } else { "" };
    let detail = format!("agreed on {version} with the key exchange {group}{post_quantum}");
    ground.judged(Area::Compliance, NAME, TITLE, detail, against);
    Ok(())
}
