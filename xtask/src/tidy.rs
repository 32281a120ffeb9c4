//! `cargo xtask tidy`: the rules of the house that no compiler knows, as code.
//!
//! Each rule is a function from the [`Tree`] to what it finds; the lists of exceptions may only shrink.

mod crates;
mod files;
mod manifests;
mod migrations;
mod problems;
mod source;
mod tree;
mod words;

use std::path::Path;

use anyhow::ensure;

use crate::tell;
pub(crate) use tree::Tree;

/// Something that breaks a rule, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    advice: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, advice: impl Into<String>) -> Self {
        Self { path: path.into(), line, advice: advice.into() }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

/// Every rule.
const RULES: &[Rule] = &[
    crates::crates_are_in_the_order,
    crates::crates_use_only_crates_before_them,
    crates::domains_never_name_each_other,
    crates::no_crate_is_too_large,
    crates::crates_are_in_the_architecture,
    manifests::crates_take_the_workspace_lints,
    manifests::the_workspace_lints_stand,
    manifests::members_only_inherit,
    manifests::banned_crates_are_not_used,
    manifests::some_crates_are_for_some,
    files::files_say_what_they_are_for,
    files::files_are_short,
    files::names_say_what_a_thing_does,
    files::nothing_is_left_to_do,
    files::nothing_of_one_machine,
    words::axum_is_in_http_files,
    words::sql_is_in_sql_files,
    words::the_engine_is_named_in_the_store_alone,
    words::tables_say_how_long_they_last,
    migrations::migrations_are_run,
    problems::codes_are_literals,
    problems::problems_are_explained,
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let tree = Tree::read(root)?;
    let findings = check(&tree);
    for Finding { path, line, advice } in &findings {
        tell(&format!("{path}:{line}: {advice}"));
    }
    ensure!(findings.is_empty(), "tidy found {} breaches of the rules above", findings.len());
    tell(&format!("{} rules hold over {} files", RULES.len(), tree.files.len()));
    Ok(())
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<_> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings.dedup();
    findings
}

/// Runs one rule on a sample that breaks it and on one that does not.
#[cfg(test)]
#[track_caller]
fn check_rule(rule: Rule, bad: &Tree, expected: &str, good: &Tree) {
    let found = rule(bad);
    let told: Vec<_> = found
        .iter()
        .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.advice))
        .collect();
    assert!(told.iter().any(|line| line.contains(expected)), "expected `{expected}` among {told:#?}");
    assert_eq!(rule(good), [], "the good sample breaks the rule");
}
