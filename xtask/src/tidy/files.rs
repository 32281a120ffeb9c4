//! Rules about every file: how it begins, how long it is, what it is called, what it must not say.

use super::{Finding, Tree, tree::File};

/// Lines in one file, at most.
const FILE_LINES_MAX: usize = 600;

/// Names that say nothing of what a thing does.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

/// Marks of work that somebody left. Written in halves, because this file too is checked.
const LEFT: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Folders that are on one machine only. In halves for the same reason.
const FOLDERS: [&str; 4] =
    [concat!("/t", "mp/"), concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// What names a registry other than the public one.
const REGISTRIES: [&str; 5] = [
    concat!("[source", "."),
    concat!("[registries", "."),
    concat!("--index", "-url"),
    concat!("replace", "-with"),
    concat!("GO", "PROXY"),
];

/// Where every crate in a lock file comes from.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn files_say_what_they_are_for(tree: &Tree) -> Vec<Finding> {
    let without = tree.sources().filter(|(file, _)| !file.text.starts_with("//! "));
    let advice = "begin the file with `//!` and what it is for";
    without.map(|(file, _)| Finding::new(&file.path, 1, advice)).collect()
}

pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let long = tree.sources().filter(|(file, _)| file.text.lines().count() > FILE_LINES_MAX);
    let advice = format!("split the file: it has more than {FILE_LINES_MAX} lines");
    long.map(|(file, _)| Finding::new(&file.path, FILE_LINES_MAX + 1, &*advice)).collect()
}

pub(super) fn names_say_what_a_thing_does(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judge = |path: &str, line: usize, name: &str| {
        if name.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word)) {
            findings.push(Finding::new(path, line, format!("name `{name}` for what it does")));
        }
    };
    for file in &tree.files {
        let folders = file.path.split('/').rev().skip(1);
        folders.chain([file.stem()]).for_each(|name| judge(&file.path, 1, name));
    }
    for (file, source) in tree.sources() {
        for at in source.word("mod") {
            let rest = source.code[at + "mod".len()..].trim_start();
            let end =
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            judge(&file.path, source.line(at), &rest[..end]);
        }
    }
    for member in &tree.crates {
        judge(&member.manifest(), 1, &member.name);
    }
    findings
}

pub(super) fn nothing_is_left_to_do(tree: &Tree) -> Vec<Finding> {
    let mut findings =
        lines_with(tree, &LEFT, |word| format!("do it, or write nothing: no {word} stays in the code"));
    // The rule itself has to be written somewhere.
    findings.retain(|finding| finding.path != "STYLE.md");
    findings
}

pub(super) fn nothing_of_one_machine(tree: &Tree) -> Vec<Finding> {
    let mut findings = lines_with(tree, &FOLDERS, |folder| {
        format!(
            "`{folder}` is on one machine only: take the folder as an argument, or make one with tempfile"
        )
    });
    findings.extend(lines_with(tree, &REGISTRIES, |_| {
        "which registry a machine uses is that machine's own setting: leave it out".to_owned()
    }));
    for file in tree.files.iter().filter(|file| file.path.ends_with("Cargo.lock")) {
        let other = |line: &str| line.starts_with("source = ") && !line.contains(CRATES_IO);
        let lines = file.lines().filter(|(_, line)| other(line));
        let advice = "lock the crate from crates.io";
        findings.extend(lines.map(|(number, _)| Finding::new(&file.path, number, advice)));
    }
    findings
}

fn lines_with(tree: &Tree, words: &[&str], advice: impl Fn(&str) -> String) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !is_locked(file)) {
        for (number, line) in file.lines() {
            let found = words.iter().find(|word| line.contains(**word));
            findings.extend(found.map(|word| Finding::new(&file.path, number, advice(word))));
        }
    }
    findings
}

/// Written by a tool, from what others publish.
fn is_locked(file: &File) -> bool {
    file.path.ends_with(".lock")
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    fn file(text: &str) -> Tree {
        Tree::of(&[("crates/ids/src/lib.rs", text)])
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        check_rule(
            files_say_what_they_are_for,
            &file("use x;"),
            "lib.rs:1: begin",
            &file("//! What it is for."),
        );
    }

    #[test]
    fn a_file_is_short() {
        check_rule(files_are_short, &file(&"x\n".repeat(601)), "lib.rs:601", &file(&"x\n".repeat(600)));
    }

    #[test]
    fn a_name_says_something() {
        let good = Tree::of(&[("crates/ids/src/lib.rs", "mod words; // mod utils\nuse x::utils;")]);
        check_rule(names_say_what_a_thing_does, &file("\nmod string_utils;"), "lib.rs:2: name", &good);
        check_rule(names_say_what_a_thing_does, &Tree::of(&[("src/helpers/a.rs", "")]), "`helpers`", &good);
        check_rule(
            names_say_what_a_thing_does,
            &Tree::of(&[("src/key_manager.rs", "")]),
            "`key_manager`",
            &good,
        );
        check_rule(
            names_say_what_a_thing_does,
            &Tree::default().with_crate("common", &[]),
            "`common`",
            &good,
        );
    }

    #[test]
    fn nothing_is_left() {
        let bad = format!("fn f() {{}} // {}: more", LEFT[0]);
        check_rule(nothing_is_left_to_do, &file(&bad), "lib.rs:1: do it", &file("// done"));
    }

    #[test]
    fn nothing_is_of_one_machine() {
        let bad = format!("let folder = \"{}x\";", FOLDERS[0]);
        check_rule(nothing_of_one_machine, &file(&bad), "tempfile", &file("let folder = tempdir();"));
        let locked =
            |source: &str| Tree::of(&[("Cargo.lock", &*format!("name = \"a\"\nsource = \"{source}\""))]);
        check_rule(
            nothing_of_one_machine,
            &locked("registry+https://mirror"),
            "Cargo.lock:2",
            &locked(CRATES_IO),
        );
        let setting = format!("{}x]", REGISTRIES[0]);
        check_rule(nothing_of_one_machine, &file(&setting), "own setting", &file(""));
    }
}
