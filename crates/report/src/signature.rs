//! The signature under a report: a C2SP signed note over the hash of its data.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use clock::Clock;
use ledger::note::{KeyName, Note, Signature, VerifierKey};
use seal::{Keys, SigningKeys};
use sha2::{Digest, Sha256};

use super::{Report, SignedBy};

/// The first line of what is signed.
const HEADING: &str = "holdfast drill report v1";

/// Who may read a key that is kept in a file.
const OWNERS: u32 = 0o600;

/// A key to sign with, and whose it is.
pub struct Signer {
    keys: SigningKeys,
    name: KeyName,
    whose: String,
}

impl Signer {
    /// With the key of a deployment's ledger, for a deployment whose keys the drill may read.
    pub fn of_ledger(folder: &Path, deployment: &str) -> anyhow::Result<Self> {
        let keys =
            Keys::open_existing(folder, &Clock::System).context("cannot read the deployment's keys")?;
        let name = KeyName::new(&format!("{deployment}/drill"))?;
        let whose = "the ledger of the deployment that the drill started".to_owned();
        Ok(Self { keys: keys.signing().clone(), name, whose })
    }

    /// With a key of the drill's own, kept in a file; made if there is none.
    pub fn in_file(path: &Path) -> anyhow::Result<Self> {
        // Nobody else may ever have read it: it is its owner's from the moment at which it is there, and never somewhere else.
        match fs::File::options().write(true).create_new(true).mode(OWNERS).open(path) {
            Ok(mut file) => {
                let seed: [u8; 32] = Clock::System.random();
                file.write_all(hex::encode(seed).as_bytes())
                    .and_then(|()| file.sync_all())
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut seed = [0; 32];
        hex::decode_to_slice(text.trim(), &mut seed).context("a drill's key is 64 hexadecimal digits")?;
        let whose = format!("the drill's own, kept in {}", path.display());
        Ok(Self { keys: SigningKeys::from_seeds(&seed, &seed), name: KeyName::new("holdfast-drill")?, whose })
    }

    /// With a key that is used this once and kept nowhere: it shows that report and signature belong together, not who
    /// made them.
    pub fn once(run: &str) -> anyhow::Result<Self> {
        let (seed, other): ([u8; 32], [u8; 32]) = (Clock::System.random(), Clock::System.random());
        let whose = "made for this one report and kept nowhere".to_owned();
        let name = KeyName::new(&format!("holdfast-drill/{run}"))?;
        Ok(Self { keys: SigningKeys::from_seeds(&seed, &other), name, whose })
    }

    /// The public half.
    pub fn public(&self) -> SignedBy {
        SignedBy {
            key: VerifierKey::new(self.name.clone(), self.keys.ed25519()).to_string(),
            whose: self.whose.clone(),
        }
    }

    /// Signs the data of a report.
    pub fn sign(&self, report: &Report, json: &[u8]) -> anyhow::Result<String> {
        let text = text(report, json);
        let key = VerifierKey::new(self.name.clone(), self.keys.ed25519());
        let bytes = self.keys.sign_ed25519(text.as_bytes())?;
        let signature = Signature { name: self.name.clone(), id: key.id(), bytes };
        Ok(Note::new(text, vec![signature])?.to_string())
    }
}

/// Is this the signature of this report, by its key? `expected` is the key that it must be, if the caller knows it.
pub(super) fn check(report: &Report, json: &[u8], note: &[u8], expected: Option<&str>) -> anyhow::Result<()> {
    if let Some(expected) = expected {
        ensure!(expected == report.signed_by.key, "it was signed with another key: {}", report.signed_by.key);
    }
    let key: VerifierKey = report.signed_by.key.parse().context("the report names no key")?;
    let note = Note::parse(note)?;
    note.verify(&[key])?;
    ensure!(note.text() == text(report, json), "the signature is for other data");
    Ok(())
}

fn text(report: &Report, json: &[u8]) -> String {
    let held = if report.verdict.held { "held" } else { "did not hold" };
    let hash = STANDARD.encode(Sha256::digest(json));
    format!("{HEADING}\n{}\nsha256 {hash}\n{held}\n", report.run.id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_key_is_its_owners_and_stays_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("drill.key");
        let first = Signer::in_file(&path).expect("it is made").public().key;
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, OWNERS);
        assert_eq!(Signer::in_file(&path).expect("it is read").public().key, first);
    }

    #[test]
    fn a_key_is_not_written_to_where_a_link_leads() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, elsewhere) = (folder.path().join("drill.key"), folder.path().join("elsewhere"));
        symlink(&elsewhere, &path).expect("a link");
        assert!(Signer::in_file(&path).is_err());
        assert!(!elsewhere.exists());
    }
}
