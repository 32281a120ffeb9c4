//! Looks for secrets in files, in every form in which somebody may have written them down.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::Path,
};

use aho_corasick::AhoCorasick;
use anyhow::Context;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Texts that nobody else uses, all of which are looked for at once: a file is read once, and never whole into memory.
pub(super) struct Canaries {
    texts: Vec<String>,
    forms: AhoCorasick,
    /// Whose form each is, by its number.
    of: Vec<(usize, &'static str)>,
}

impl Canaries {
    /// Each in all of its forms.
    pub(super) fn new(texts: Vec<String>) -> anyhow::Result<Self> {
        let (mut patterns, mut of) = (Vec::new(), Vec::new());
        for (number, text) in texts.iter().enumerate() {
            for (form, bytes) in forms(text) {
                patterns.push(bytes);
                of.push((number, form));
            }
        }
        let forms = AhoCorasick::new(patterns).context("cannot look for so many names")?;
        Ok(Self { texts, forms, of })
    }

    /// How many.
    pub(super) const fn count(&self) -> usize {
        self.texts.len()
    }

    /// What stands in the bytes, and in which form.
    fn found_in(&self, bytes: impl io::Read) -> io::Result<BTreeSet<(&str, &'static str)>> {
        let mut found = BTreeSet::new();
        for matched in self.forms.stream_find_iter(bytes) {
            let (number, form) = self.of[matched?.pattern().as_usize()];
            found.insert((self.texts[number].as_str(), form));
        }
        Ok(found)
    }

    /// Where they stand in a folder: what was found, and how many files and bytes were read.
    pub(super) fn search(&self, folder: &Path) -> io::Result<(Vec<String>, usize, u64)> {
        let (mut found, mut files, mut bytes) = (Vec::new(), 0, 0);
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // A file may go away meanwhile, as journals of databases do.
                let Ok(file) = File::open(&path) else { continue };
                files += 1;
                bytes += file.metadata()?.len();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let stands = |(text, form)| format!("{text} stands {form} in {name}");
                found.extend(self.found_in(file)?.into_iter().map(stands));
            }
        }
        Ok((found, files, bytes))
    }
}

/// Names, hexadecimal, base64 wherever in a longer text it may begin, and the two bytes a letter of other systems.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("as it is", text.as_bytes().to_vec()),
        ("in hexadecimal", hex::encode(text).into_bytes()),
        ("in hexadecimal", hex::encode_upper(text).into_bytes()),
        ("as UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("backwards", text.bytes().rev().collect()),
    ];
    for shift in 0..3 {
        // What stands before in the same text shifts the letters; the ends depend on what surrounds it.
        let shifted = [vec![0; shift], text.as_bytes().to_vec()].concat();
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            let from = (shift * 4).div_ceil(3);
            let to = shifted.len() * 4 / 3;
            forms.push(("in base64", encoded.as_bytes()[from..to].to_vec()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn canaries() -> Canaries {
        let texts = ["drill-canary-7301", "drill-canary-7302"].map(str::to_owned);
        Canaries::new(texts.to_vec()).expect("there are not many")
    }

    #[test]
    fn a_canary_is_found_in_every_form_and_nowhere_else() {
        let canaries = canaries();
        let in_ = |bytes: &[u8]| canaries.found_in(bytes).expect("bytes can be read");
        for before in 0..7 {
            let around = [vec![b'x'; before], b"drill-canary-7301yy".to_vec()].concat();
            for (written, form) in [
                (around.clone(), "as it is"),
                (hex::encode(&around).into_bytes(), "in hexadecimal"),
                (hex::encode_upper(&around).into_bytes(), "in hexadecimal"),
                (STANDARD.encode(&around).into_bytes(), "in base64"),
                (URL_SAFE_NO_PAD.encode(&around).into_bytes(), "in base64"),
            ] {
                let found: Vec<_> = in_(&written).into_iter().collect();
                assert_eq!(found, [("drill-canary-7301", form)], "{before}");
            }
        }
        assert!(in_(b"drill-canary-7391 and more of the like").is_empty());
        assert!(in_(STANDARD.encode("drill-canary-7391").as_bytes()).is_empty());
    }

    #[test]
    fn a_folder_is_searched_to_its_last_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("below");
        fs::create_dir(&below).expect("it is new");
        // Across whatever a file is read in pieces of.
        let bytes = [vec![b'.'; (1 << 20) - 5], b"drill-canary-7302".to_vec()].concat();
        fs::write(below.join("large"), &bytes).expect("it can be written");
        fs::write(folder.path().join("small"), "nothing").expect("it can be written");
        let (found, files, read) = canaries().search(folder.path()).expect("it can be read");
        assert_eq!(found, ["drill-canary-7302 stands as it is in large"]);
        assert_eq!((files, read), (2, bytes.len() as u64 + 7));
    }
}
