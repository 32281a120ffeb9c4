//! Every migration that is written is also run.

use super::{Finding, Tree};

pub(super) fn migrations_are_run(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in
        tree.files.iter().filter(|file| file.path.contains("/migrations/") && file.path.ends_with(".sql"))
    {
        let Some((folder, name)) = file.path.split_once("/migrations/") else { continue };
        let wanted = format!("migrations/{name}");
        let run = tree.sources().filter(|(source, _)| source.path.starts_with(&format!("{folder}/src/")));
        let run = run.flat_map(|(_, source)| {
            let included = source.code.match_indices("include_str!(").map(|(at, word)| at + word.len());
            included.filter_map(|at| source.string_at(at))
        });
        if !run.into_iter().any(|literal| literal.text.ends_with(&wanted)) {
            let advice = "name this migration with include_str! among its service's migrations";
            findings.push(Finding::new(&file.path, 1, advice));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    #[test]
    fn a_migration_is_run() {
        let tree = |code| {
            Tree::of(&[("crates/shop/migrations/0001_orders.sql", ""), ("crates/shop/src/schema.rs", code)])
        };
        let good = tree("a(include_str!(\n    \"../migrations/0001_orders.sql\"))");
        for bad in
            ["", "// include_str!(\"../migrations/0001_orders.sql\")", "a(\"../migrations/0001_orders.sql\")"]
        {
            check_rule(migrations_are_run, &tree(bad), "0001_orders.sql:1: name", &good);
        }
    }
}
