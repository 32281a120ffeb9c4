//! Looks for a secret in files, in every form in which somebody may have written it down.

use std::{fs, path::Path};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem::Finder;

/// A text, and what its forms are.
pub(super) struct Canary {
    pub(super) text: String,
    forms: Vec<(String, Finder<'static>)>,
}

impl Canary {
    /// Names, hexadecimal, base64 wherever in a longer text it may begin, and the two bytes a letter of other systems.
    pub(super) fn new(text: &str) -> Self {
        let mut forms: Vec<(String, Vec<u8>)> = vec![
            ("as it is".to_owned(), text.as_bytes().to_vec()),
            ("in hexadecimal".to_owned(), hex::encode(text).into_bytes()),
            ("in hexadecimal".to_owned(), hex::encode_upper(text).into_bytes()),
            ("as UTF-16".to_owned(), text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("backwards".to_owned(), text.bytes().rev().collect()),
        ];
        for shift in 0..3 {
            // What stands before in the same text shifts the letters; the ends depend on what surrounds it.
            let shifted = [vec![0; shift], text.as_bytes().to_vec()].concat();
            for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                let from = (shift * 4).div_ceil(3);
                let to = shifted.len() * 4 / 3;
                forms.push(("in base64".to_owned(), encoded.as_bytes()[from..to].to_vec()));
            }
        }
        let finder = |(name, bytes): (String, Vec<u8>)| (name, Finder::new(&bytes).into_owned());
        Self { text: text.to_owned(), forms: forms.into_iter().map(finder).collect() }
    }

    /// In which form it stands in some bytes.
    pub(super) fn form_in(&self, bytes: &[u8]) -> Option<&str> {
        self.forms.iter().find(|(_, finder)| finder.find(bytes).is_some()).map(|(form, _)| form.as_str())
    }
}

/// Where they stand in a folder: what was found, and how many files and bytes were read.
pub(super) fn search(folder: &Path, canaries: &[Canary]) -> std::io::Result<(Vec<String>, usize, u64)> {
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
            let Ok(content) = fs::read(&path) else { continue };
            files += 1;
            bytes += content.len() as u64;
            for canary in canaries {
                if let Some(form) = canary.form_in(&content) {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    found.push(format!("{} stands {form} in {name}", canary.text));
                }
            }
        }
    }
    Ok((found, files, bytes))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form_and_nowhere_else() {
        let canary = Canary::new("drill-canary-7301");
        let text = b"drill-canary-7301";
        for before in 0..7 {
            let around = [vec![b'x'; before], text.to_vec(), b"yy".to_vec()].concat();
            for written in [
                around.clone(),
                hex::encode(&around).into_bytes(),
                hex::encode_upper(&around).into_bytes(),
                STANDARD.encode(&around).into_bytes(),
                URL_SAFE_NO_PAD.encode(&around).into_bytes(),
            ] {
                assert!(
                    canary.form_in(&written).is_some(),
                    "{before}: {}",
                    String::from_utf8_lossy(&written)
                );
            }
        }
        assert_eq!(canary.form_in(b"drill-canary-7391 and more of the like"), None);
        assert_eq!(canary.form_in(STANDARD.encode("drill-canary-7391").as_bytes()), None);
    }
}
