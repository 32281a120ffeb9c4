//! Rules about crates as wholes: which may use which, and how large one may become.

use super::{Finding, Tree, tree::Crate};

/// Every crate, lowest first. A crate may use only crates listed before it, in its tests too.
const ORDER: &[&str] = &[
    "peers",
    "ids",
    "clock",
    "problem",
    "authz",
    "telemetry",
    "store",
    "seal",
    "ledger",
    "mixnet",
    "tally",
    "board",
    "verifier",
    "trustee",
    "voter",
    "limiter",
    "overload",
    "waiting",
    "cache",
    "queue",
    "backup",
    "inspection",
    "signatures",
    "front",
    "http1",
    "edge",
    "httpcache",
    "gateway",
    "pages",
    "identity",
    "elections",
    "console",
    "webhook",
    "load",
    "report",
    "drill",
    "server",
    "rig",
    "bench",
    "xtask",
];

/// The services: what one must tell another goes in the `Actor`, or as a job.
const DOMAINS: &[&str] = &["identity", "elections"];

/// Lines of source in one crate, at most.
const CRATE_LINES_MAX: usize = 8000;

const ARCHITECTURE: &str = "ARCHITECTURE.md";

fn place(name: &str) -> Option<usize> {
    ORDER.iter().position(|listed| *listed == name)
}

fn at_name(member: &Crate, advice: String) -> Finding {
    Finding::new(member.manifest(), 1, advice)
}

pub(super) fn crates_are_in_the_order(tree: &Tree) -> Vec<Finding> {
    let unlisted = tree.crates.iter().filter(|member| place(&member.name).is_none()).map(|member| {
        let advice =
            format!("give the crate {} its place in ORDER, in xtask/src/tidy/crates.rs", member.name);
        at_name(member, advice)
    });
    let gone = ORDER.iter().filter(|name| tree.crates.iter().all(|member| member.name != **name));
    let gone = gone.map(|name| {
        Finding::new("xtask/src/tidy/crates.rs", 1, format!("there is no crate {name}: take it out of ORDER"))
    });
    unlisted.chain(gone).collect()
}

pub(super) fn crates_use_only_crates_before_them(tree: &Tree) -> Vec<Finding> {
    uses(tree, |user, used| {
        let above = place(used)? >= place(&user.name)?;
        above.then(|| {
            let user = &user.name;
            format!(
                "{user} must not use {used}, which comes after it: move what is shared down, or pass it in"
            )
        })
    })
}

pub(super) fn domains_never_name_each_other(tree: &Tree) -> Vec<Finding> {
    between_domains(tree, DOMAINS)
}

fn between_domains(tree: &Tree, domains: &[&str]) -> Vec<Finding> {
    uses(tree, |user, used| {
        let user = user.name.as_str();
        let both = user != used && domains.contains(&user) && domains.contains(&used);
        both.then(|| format!("{user} must not use {used}: pass facts in the Actor, or queue a job"))
    })
}

fn uses(tree: &Tree, judge: impl Fn(&Crate, &str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in &tree.crates {
        for used in &member.uses {
            if let Some(advice) = judge(member, used) {
                let manifest = member.manifest();
                let line = tree.file(&manifest).and_then(|file| {
                    file.lines().find(|(_, line)| line.starts_with(&format!("{used}."))).map(|(line, _)| line)
                });
                findings.push(Finding::new(manifest, line.unwrap_or(1), advice));
            }
        }
    }
    findings
}

pub(super) fn no_crate_is_too_large(tree: &Tree) -> Vec<Finding> {
    let too_large = |member: &Crate| {
        let folder = format!("{}/src/", member.folder);
        let sources = tree.sources().filter(|(file, _)| file.path.starts_with(&folder));
        let lines: usize = sources.map(|(file, _)| file.text.lines().count()).sum();
        (lines > CRATE_LINES_MAX).then(|| {
            let advice =
                format!("{lines} lines of source, more than {CRATE_LINES_MAX}: split {}", member.name);
            at_name(member, advice)
        })
    };
    tree.crates.iter().filter_map(too_large).collect()
}

pub(super) fn crates_are_in_the_architecture(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(ARCHITECTURE) else {
        return vec![Finding::new(ARCHITECTURE, 1, "write this file: what each crate is, and why")];
    };
    let told = |name: &str| {
        let forms = [format!("`{name}`"), format!("crates/{name}"), format!(" {name}/")];
        file.lines().any(|(_, line)| forms.iter().any(|form| format!(" {line}").contains(form)))
    };
    let untold = tree.crates.iter().filter(|member| !told(&member.name));
    untold
        .map(|member| Finding::new(ARCHITECTURE, 1, format!("say what the crate `{}` is", member.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    fn all() -> Tree {
        ORDER.iter().fold(Tree::default(), |tree, name| tree.with_crate(name, &[]))
    }

    #[test]
    fn a_crate_has_its_place() {
        let bad = all().with_crate("elsewhere", &[]);
        check_rule(crates_are_in_the_order, &bad, "crates/elsewhere/Cargo.toml:1: give the crate", &all());
        assert!(!crates_are_in_the_order(&Tree::default()).is_empty(), "crates that are gone stay listed");
    }

    #[test]
    fn a_crate_uses_what_is_below_it() {
        let manifest =
            [("crates/ledger/Cargo.toml", "[dependencies]\nserde.workspace = true\nedge.workspace = true")];
        let bad = Tree::of(&manifest).with_crate("ledger", &["serde", "edge"]);
        let good = Tree::of(&[]).with_crate("edge", &["ids", "axum"]);
        check_rule(
            crates_use_only_crates_before_them,
            &bad,
            "crates/ledger/Cargo.toml:3: ledger must not use edge",
            &good,
        );
    }

    #[test]
    fn a_domain_does_not_use_another() {
        let domains = ["identity", "clinic"];
        let bad = Tree::default().with_crate("clinic", &["identity"]);
        assert_eq!(between_domains(&bad, &domains).len(), 1);
        assert_eq!(between_domains(&Tree::default().with_crate("server", &domains), &domains), []);
        let good = Tree::default().with_crate("identity", &["ledger"]);
        assert_eq!(domains_never_name_each_other(&good), []);
    }

    #[test]
    fn a_crate_stays_small() {
        let tree =
            |lines| Tree::of(&[("crates/ids/src/lib.rs", &"x\n".repeat(lines))]).with_crate("ids", &[]);
        check_rule(no_crate_is_too_large, &tree(8001), "8001 lines", &tree(8000));
    }

    #[test]
    fn a_crate_is_in_the_architecture() {
        let tree = |text| Tree::of(&[("ARCHITECTURE.md", text)]).with_crate("ids", &[]);
        check_rule(crates_are_in_the_architecture, &tree("kids hold fast"), "`ids`", &tree("- `ids`: names"));
        check_rule(
            crates_are_in_the_architecture,
            &Tree::default(),
            "write this file",
            &tree("  ids/  names"),
        );
    }
}
