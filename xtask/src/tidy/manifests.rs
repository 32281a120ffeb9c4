//! Rules about Cargo manifests.

use super::{
    Finding, Tree,
    tree::{Crate, File},
};

/// Crates that are not used here, and what to use instead.
const BANNED: [(&str, &str); 3] = [
    ("async-trait", "write `fn f(&self) -> impl Future<Output = T> + Send` in the trait"),
    ("reqwest", "use hyper-util"),
    ("sqlx", "use the crate store"),
];

/// Crates that only some of ours may use, and what the others do instead.
const RESERVED: [(&str, &[&str], &str); 3] = [
    ("tokio-postgres", &["store"], "ask for what is wanted as a function of the store"),
    ("rusqlite", &["store", "bench"], "ask for what is wanted as a function of the store"),
    (
        "anyhow",
        &["peers", "load", "report", "drill", "server", "rig", "bench", "xtask"],
        "write an enum of errors",
    ),
];

/// Lints that hold other rules of the house: they stay on for everybody.
const LINTS: [&str; 7] = [
    "unsafe_code = \"deny\"",
    "unreachable_pub = \"warn\"",
    "disallowed_methods = \"warn\"",
    "print_stderr = \"warn\"",
    "too_many_lines = \"warn\"",
    "unwrap_used = \"warn\"",
    "wildcard_enum_match_arm = \"warn\"",
];

/// A line of a manifest, and the table that it stands in.
struct Entry<'m> {
    number: usize,
    table: &'m str,
    text: &'m str,
}

fn entries(manifest: &File) -> Vec<Entry<'_>> {
    let mut table = "";
    let mut entries = Vec::new();
    for (number, line) in manifest.lines() {
        let text = line.trim();
        if text.starts_with('[') {
            table = text.trim_matches(['[', ']']);
        } else if !text.is_empty() && !text.starts_with('#') {
            entries.push(Entry { number, table, text });
        }
    }
    entries
}

/// The manifests of the workspace's members.
fn members(tree: &Tree) -> impl Iterator<Item = (&Crate, &File)> {
    tree.crates.iter().filter_map(|member| Some((member, tree.file(&member.manifest())?)))
}

pub(super) fn crates_take_the_workspace_lints(tree: &Tree) -> Vec<Finding> {
    let without = members(tree).filter(|(_, manifest)| {
        !entries(manifest).iter().any(|entry| entry.table == "lints" && entry.text == "workspace = true")
    });
    without
        .map(|(_, manifest)| {
            Finding::new(&manifest.path, 1, "write `[lints]` and `workspace = true` under it")
        })
        .collect()
}

pub(super) fn the_workspace_lints_stand(tree: &Tree) -> Vec<Finding> {
    let stands = |path: &str, line: &str| {
        tree.file(path).is_some_and(|file| entries(file).iter().any(|entry| entry.text.starts_with(line)))
    };
    let lints = LINTS.iter().map(|lint| ("Cargo.toml", *lint));
    let wanted = lints.chain([("clippy.toml", "too-many-lines-threshold = 70")]);
    let gone = wanted.filter(|(path, line)| !stands(path, line));
    let mut findings: Vec<_> =
        gone.map(|(path, line)| Finding::new(path, 1, format!("put back `{line}`"))).collect();
    let lint = "too_many_lines";
    for (file, source) in tree.sources() {
        findings.extend(source.word(lint).map(|at| {
            let advice = "split the function: no file is excused from seventy lines";
            Finding::new(&file.path, source.line(at), advice)
        }));
    }
    findings
}

pub(super) fn members_only_inherit(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, manifest) in members(tree) {
        for Entry { number, table, text } in entries(manifest) {
            let advice = if table.contains("dependencies.") {
                "write a dependency on one line, as in `serde.workspace = true`"
            } else if table.ends_with("dependencies") && !inherits(text) {
                "write `name.workspace = true`; versions and features go in [workspace.dependencies]"
            } else {
                continue;
            };
            findings.push(Finding::new(&manifest.path, number, advice));
        }
    }
    findings
}

fn inherits(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let value = value.split('#').next().unwrap_or_default().trim();
    (name.trim_end().ends_with(".workspace") && value == "true")
        || matches!(value, "{ workspace = true }" | "{ workspace = true, optional = true }")
}

pub(super) fn banned_crates_are_not_used(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in tree.files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        for Entry { number, table, text } in entries(manifest) {
            let name = text.split(['.', '=', ' ']).next().unwrap_or_default();
            let banned = BANNED.iter().find(|(banned, _)| *banned == name && table.ends_with("dependencies"));
            let told = |(name, instead): &(_, _)| format!("{name} is not used here: {instead}");
            findings.extend(banned.map(|banned| Finding::new(&manifest.path, number, told(banned))));
        }
    }
    findings
}

pub(super) fn some_crates_are_for_some(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (reserved, users, instead) in RESERVED {
        let others = tree.crates.iter().filter(|member| !users.contains(&member.name.as_str()));
        let others = others.filter(|member| member.uses.iter().any(|used| used == reserved));
        let advice = format!("{reserved} is only for {}: {instead}", users.join(", "));
        findings.extend(others.map(|member| Finding::new(member.manifest(), 1, &*advice)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    fn member(text: &str) -> Tree {
        Tree::of(&[("crates/ids/Cargo.toml", text)]).with_crate("ids", &[])
    }

    #[test]
    fn lints_come_from_the_workspace() {
        let bad = member("[package]\nworkspace = true\n[lints.rust]\n");
        check_rule(
            crates_take_the_workspace_lints,
            &bad,
            "`[lints]`",
            &member("[lints]\nworkspace = true\n"),
        );
    }

    #[test]
    fn lints_stand() {
        let lints = LINTS.join("\n");
        let threshold = "too-many-lines-threshold = 70";
        let tree = |code| Tree::of(&[("Cargo.toml", &lints), ("clippy.toml", threshold), ("a.rs", code)]);
        let name = "too_many_lines";
        let excused = format!("#[allow(clippy::{name})] fn f() {{}}");
        check_rule(the_workspace_lints_stand, &tree(&excused), "a.rs:1: split", &tree("fn f() {}"));
        assert_eq!(the_workspace_lints_stand(&Tree::default()).len(), LINTS.len() + 1);
    }

    #[test]
    fn features_are_set_once() {
        let good = "[package]\nname = \"ids\"\n[dependencies]\nserde.workspace = true\n\
            bft = { workspace = true, optional = true }\n[dev-dependencies]\ntempfile.workspace = true";
        for bad in [
            "[dependencies]\nserde = \"1\"",
            "[dev-dependencies]\nserde = { workspace = true, features = [\"rc\"] }",
            "[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"",
            "[dependencies.serde]\nworkspace = true",
        ] {
            check_rule(members_only_inherit, &member(bad), "crates/ids/Cargo.toml:2: write", &member(good));
        }
    }

    #[test]
    fn some_crates_are_not_used() {
        let bad = member("[dependencies]\nreqwest.workspace = true");
        check_rule(
            banned_crates_are_not_used,
            &bad,
            "hyper-util",
            &member("[dependencies]\nhyper.workspace = true"),
        );
    }

    #[test]
    fn some_crates_are_for_some_of_ours() {
        let good = Tree::default().with_crate("store", &["rusqlite"]).with_crate("server", &["anyhow"]);
        let bad = Tree::default().with_crate("identity", &["rusqlite", "anyhow"]);
        check_rule(some_crates_are_for_some, &bad, "rusqlite is only for store, bench", &good);
        check_rule(some_crates_are_for_some, &bad, "anyhow is only for peers", &good);
    }
}
