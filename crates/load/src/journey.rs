//! What a caller does, step by step: read from small files, so that a new one needs no new program.

mod text;

use anyhow::{Context, ensure};
use serde::Deserialize;
pub use text::{Source, Text};

use crate::people::Kind;

/// The journeys that come with the program.
const BUILT_IN: [&str; 8] = [
    include_str!("../journeys/validate-session.toml"),
    include_str!("../journeys/sign-in-password.toml"),
    include_str!("../journeys/sign-in-device.toml"),
    include_str!("../journeys/register.toml"),
    include_str!("../journeys/read-receipt.toml"),
    include_str!("../journeys/sign-out.toml"),
    include_str!("../journeys/vote.toml"),
    include_str!("../journeys/vote-secret.toml"),
];

/// Steps of one journey, at most.
const STEPS_MAX: usize = 16;

/// A journey as it is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    title: String,
    people: Kind,
    /// Callers wait for their sign-in to be hashed: so many a second are a lot.
    #[serde(default)]
    costly: bool,
    steps: Vec<WrittenStep>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenStep {
    method: String,
    path: String,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    expect: Vec<u16>,
    /// What later steps need of the answer: a name, and a JSON pointer.
    #[serde(default)]
    keep: std::collections::BTreeMap<String, String>,
    /// The ledger's command that a good answer says has happened; its receipt is in the answer.
    #[serde(default)]
    acknowledges: Option<String>,
    /// Where in the answer the receipt is, as a JSON pointer.
    #[serde(default = "receipt")]
    receipt: String,
}

fn receipt() -> String {
    "/receipt".to_owned()
}

/// What a caller does.
#[derive(Debug)]
pub struct Journey {
    pub name: String,
    pub title: String,
    pub people: Kind,
    pub costly: bool,
    pub steps: Vec<Step>,
}

/// One request, and what is made of its answer.
#[derive(Debug)]
pub struct Step {
    pub(crate) method: String,
    pub(crate) path: Text,
    pub(crate) fields: Vec<(String, Text)>,
    pub(crate) body: Option<Text>,
    pub(crate) expect: Vec<u16>,
    /// JSON pointers, in the order of the places that they are kept at.
    pub(crate) keep: Vec<String>,
    pub(crate) acknowledges: Option<String>,
    pub(crate) receipt: String,
}

impl Journey {
    /// Those that come with the program.
    ///
    /// # Errors
    /// When one of them cannot be read, which a test rules out.
    pub fn built_in() -> anyhow::Result<Vec<Self>> {
        BUILT_IN.iter().map(|text| Self::read(text)).collect()
    }

    /// Every journey in a folder of files.
    ///
    /// # Errors
    /// When the folder or one of its files cannot be read.
    pub fn in_folder(folder: &std::path::Path) -> anyhow::Result<Vec<Self>> {
        let files = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths = files.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        ensure!(!paths.is_empty(), "there is no journey (*.toml) in {}", folder.display());
        paths
            .iter()
            .map(|path| {
                Self::read(&std::fs::read_to_string(path)?).with_context(|| path.display().to_string())
            })
            .collect()
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is no journey; the error says where.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let Written { name, title, people, costly, steps } = toml::from_str(text).context("not a journey")?;
        ensure!((1..=STEPS_MAX).contains(&steps.len()), "a journey has 1 to {STEPS_MAX} steps");
        let mut kept = Vec::new();
        let steps = steps
            .into_iter()
            .map(|step| Step::of(step, &mut kept))
            .collect::<anyhow::Result<_>>()
            .with_context(|| format!("in the journey {name}"))?;
        Ok(Self { name, title, people, costly, steps })
    }

    /// Does each person always vote for what is theirs?
    #[must_use]
    pub fn votes_by_person(&self) -> bool {
        self.steps.iter().filter_map(|step| step.body.as_ref()).any(Text::has_option)
    }

    /// The names of commands that this journey has acknowledged.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.acknowledges.as_deref())
    }
}

impl Step {
    fn of(written: WrittenStep, kept: &mut Vec<String>) -> anyhow::Result<Self> {
        let WrittenStep { method, path, fields, body, expect, keep, acknowledges, receipt } = written;
        ensure!(!expect.is_empty(), "a step says which statuses it expects");
        let path = Text::read(&path, kept)?;
        let mut read = Vec::new();
        for (name, value) in &fields {
            read.push((name.clone(), Text::read(value, kept)?));
        }
        let body = body.map(|body| Text::read(&body, kept)).transpose()?;
        // What this answer holds is there for the steps behind it.
        let mut pointers = Vec::new();
        for (name, pointer) in keep {
            kept.push(name);
            pointers.push(pointer);
        }
        Ok(Self { method, path, fields: read, body, expect, keep: pointers, acknowledges, receipt })
    }

    /// The request as HTTP/1.1 has it, behind what is in `out` already.
    pub fn write(&self, host: &str, source: &Source<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        self.path.write(source, out);
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            value.write(source, out);
            out.extend_from_slice(b"\r\n");
        }
        let Some(body) = &self.body else {
            if self.method != "GET" {
                out.extend_from_slice(b"content-length: 0\r\n");
            }
            out.extend_from_slice(b"\r\n");
            return;
        };
        let mut bytes = Vec::new();
        body.write(source, &mut bytes);
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journeys_that_come_with_the_program_can_be_read_and_have_names_of_their_own() {
        let journeys = Journey::built_in().expect("they can be read");
        let names: std::collections::BTreeSet<_> = journeys.iter().map(|journey| &journey.name).collect();
        assert_eq!(names.len(), journeys.len());
    }

    #[test]
    fn a_journey_that_names_what_nobody_kept_is_refused() {
        let text = "name = \"a\"\ntitle = \"a\"\npeople = \"nobody\"\n[[steps]]\nmethod = \"GET\"\n\
                    path = \"/{challenge}\"\nexpect = [200]\n";
        let error = format!("{:#}", Journey::read(text).expect_err("nothing is kept before"));
        assert!(error.contains("challenge"), "{error}");
        assert!(Journey::read(&text.replace("{challenge}", "")).is_ok());
        assert!(Journey::read(&text.replace("people", "persons")).is_err());
    }
}
