//! Rules about where a word may stand: the web framework, SQL, the database engine, kinds of tables.

use super::{
    Finding, Tree,
    source::{Literal, Source},
    tree::File,
};

/// The web framework and what is built around it.
const WEB: [&str; 3] = ["axum", "axum_core", "utoipa_axum"];

/// Files that hold SQL and are not called sql.rs, and why.
const SQL_ELSEWHERE: [(&str, &str); 4] = [
    ("crates/store/src/", "the store writes the statements of every table"),
    ("crates/ledger/src/writer.rs", "the ledger sweeps its own log, which no command can"),
    ("crates/peers/", "it asks servers whether they stand, and reads nothing of ours"),
    ("crates/bench/src/ledger/", "a bare SQLite loop is what the ledger is measured beside"),
];

/// Where the engine may be named: in its one home, and where it is measured bare.
const ENGINE: [&str; 2] = ["crates/store/", "crates/bench/src/ledger/"];

/// How long what is in a table lasts.
const DURABILITIES: [&str; 3] = ["Replayed", "Operational", "Log"];

pub(super) fn axum_is_in_http_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources().filter(|(file, _)| !is_http(file)) {
        let places = WEB.iter().flat_map(|word| source.word(word));
        let advice = "axum is named only in http.rs and under http/: move this there";
        findings.extend(places.map(|at| Finding::new(&file.path, source.line(at), advice)));
    }
    findings
}

fn is_http(file: &File) -> bool {
    file.path.ends_with("/http.rs") || file.path.contains("/http/")
}

pub(super) fn sql_is_in_sql_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, reason) in SQL_ELSEWHERE {
        let present = tree.files.iter().any(|file| file.path.starts_with("crates/"));
        let needed = tree
            .sources()
            .any(|(file, source)| file.path.starts_with(path) && statements(source).next().is_some());
        if present && !needed {
            let advice = format!("{path} holds no SQL any more ({reason}): take it out of SQL_ELSEWHERE");
            findings.push(Finding::new("xtask/src/tidy/words.rs", 1, advice));
        }
    }
    let excused = |file: &File| SQL_ELSEWHERE.iter().any(|(path, _)| file.path.starts_with(path));
    let judged = tree.sources().filter(|(file, _)| file.path.starts_with("crates/"));
    let judged = judged.filter(|(file, _)| file.stem() != "sql" && !file.is_test() && !excused(file));
    for (file, source) in judged {
        let advice = "move the statement to this crate's sql.rs, as a function on a snapshot";
        findings.extend(
            statements(source).map(|literal| Finding::new(&file.path, source.line(literal.at), advice)),
        );
    }
    findings
}

/// The SQL in a file, apart from its tests.
fn statements(source: &Source) -> impl Iterator<Item = &Literal> {
    source.strings.iter().filter(|literal| is_statement(&literal.text) && !source.is_test(literal.at))
}

fn is_statement(text: &str) -> bool {
    let words: Vec<_> = text.split([' ', '\n', '(']).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(index, word)| match *word {
        "SELECT" => words.len() > index + 1,
        "INSERT" => matches!(words.get(index + 1), Some(&("INTO" | "OR"))),
        "DELETE" => words.get(index + 1) == Some(&"FROM"),
        "UPDATE" => words.get(index + 2) == Some(&"SET"),
        _ => false,
    })
}

pub(super) fn the_engine_is_named_in_the_store_alone(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = tree.sources().filter(|(file, _)| ENGINE.iter().all(|path| !file.path.starts_with(path)));
    for (file, source) in others {
        let advice = "only store names rusqlite: say what is wanted as a function of the store";
        findings.extend(source.word("rusqlite").map(|at| Finding::new(&file.path, source.line(at), advice)));
    }
    findings
}

pub(super) fn tables_say_how_long_they_last(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources() {
        for (at, _) in source.code.match_indices("table! {") {
            let body = &source.code[at + "table! {".len()..];
            let header = &body[..body.find('{').unwrap_or(body.len())];
            let said = header.rsplit(',').next().unwrap_or_default().trim();
            if !DURABILITIES.contains(&said) {
                let advice = "say after the table's name whether it is Replayed, Operational or Log";
                findings.push(Finding::new(&file.path, source.line(at), advice));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    #[test]
    fn axum_stays_in_http() {
        let bad = Tree::of(&[("crates/edge/tests/edge/limits.rs", "//! x\nuse axum::Router;")]);
        let good = Tree::of(&[
            ("crates/edge/src/http.rs", "use axum::Router;"),
            ("crates/edge/src/http/json.rs", "use utoipa_axum::routes;"),
            ("crates/edge/src/lib.rs", "//! Built with axum.\nlet a = \"axum\";"),
        ]);
        check_rule(axum_is_in_http_files, &bad, "limits.rs:2: axum", &good);
    }

    const STORE: (&str, &str) = ("crates/store/src/sqlite.rs", "f(\"SELECT 1\")");
    const LEDGER: (&str, &str) = ("crates/ledger/src/writer.rs", "f(\"UPDATE a SET b = 1\")");

    const PEERS: (&str, &str) = ("crates/peers/src/postgres.rs", "f(\"SELECT 1\")");

    const BENCH: (&str, &str) = ("crates/bench/src/ledger/bare.rs", "f(\"SELECT 1\")");

    #[test]
    fn sql_stays_in_sql() {
        let good = Tree::of(&[
            STORE,
            LEDGER,
            PEERS,
            BENCH,
            ("crates/identity/src/sql.rs", "f(\"DELETE FROM persons\")"),
            ("crates/identity/src/http.rs", "f(\"DELETE\"); g(\"SELECT\"); h(\"UPDATE NOW\")"),
            ("crates/identity/src/a.rs", "#[cfg(test)]\nmod tests { f(\"SELECT 1\") }"),
            ("crates/identity/tests/a.rs", "f(\"SELECT 1\")"),
        ]);
        for statement in
            ["SELECT 1", "INSERT INTO a VALUES (1)", "DELETE\\n FROM a", "WITH b AS (SELECT 1) x"]
        {
            let text = format!("//! x\nf(\"{}\")", statement.replace("\\n", "\n"));
            let bad = Tree::of(&[STORE, LEDGER, PEERS, BENCH, ("crates/identity/src/a.rs", &text)]);
            check_rule(sql_is_in_sql_files, &bad, "identity/src/a.rs:2: move", &good);
        }
        check_rule(sql_is_in_sql_files, &Tree::of(&[STORE]), "ledger/src/writer.rs holds no SQL", &good);
    }

    #[test]
    fn the_engine_stays_in_the_store() {
        let bad = Tree::of(&[("crates/ledger/src/log.rs", "fn f(c: rusqlite::Connection)")]);
        let good = Tree::of(&[("crates/store/src/sqlite.rs", "use rusqlite::Connection;")]);
        check_rule(the_engine_is_named_in_the_store_alone, &bad, "log.rs:1: only store", &good);
    }

    #[test]
    fn a_table_says_how_long_it_lasts() {
        let tree = |word: &str| {
            let text = format!(
                "store::table! {{\n/// A boat, {{once}}\npub struct Boat in \"boats\"{word} {{ key {{}} }}"
            );
            Tree::of(&[("a.rs", &text)])
        };
        check_rule(tables_say_how_long_they_last, &tree(""), "a.rs:1: say", &tree(", Replayed"));
        check_rule(tables_say_how_long_they_last, &tree(", Forever"), "a.rs:1: say", &tree(", Log"));
    }
}
