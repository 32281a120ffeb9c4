//! `check-config`: settings are looked at before anybody is served by them.

use rig::{Outcome, ServerOptions, run, run_alone};

use crate::Folder;

fn checked(settings: &str) -> Outcome {
    let options = ServerOptions { settings: settings.to_owned(), ..ServerOptions::default() };
    run(&["check-config"], &Folder::new().data(), &options).expect("it runs")
}

#[test]
fn settings_that_are_printed_mean_the_same_when_they_are_given_back() {
    let first =
        checked("name = \"id.example.gov\"\n[public]\nbacklog-max = 77\n[edge]\nidle-ms-max = 12345\n");
    assert!(first.status.success(), "{}", first.stderr);
    for line in ["name = \"id.example.gov\"", "backlog-max = 77", "idle-ms-max = 12345"] {
        assert!(first.stdout.lines().any(|printed| printed == line), "{line} is missing: {}", first.stdout);
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &first.stdout).expect("it can be written");
    let again =
        run_alone(&["check-config", "--config", &file.path().display().to_string()]).expect("it runs");
    assert!(again.status.success(), "{}", again.stderr);
    assert_eq!(again.stdout, first.stdout);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    for (settings, named) in [
        ("[edge]\nidle-minutes = 3\n", "idle-minutes"),
        ("[edge]\nidle-ms-max = 0\n", "idle-ms-max"),
        ("[log]\nfilter = \"ledger=loud\"\n", "filter"),
        ("name = ", "name"),
    ] {
        let checked = checked(settings);
        assert!(!checked.status.success(), "{settings}");
        assert!(checked.stderr.contains(named), "{settings}: {}", checked.stderr);
        assert!(checked.stdout.is_empty(), "nothing is printed that cannot be used");
    }
}
