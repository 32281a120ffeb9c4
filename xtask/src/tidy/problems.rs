//! Every problem that a caller may meet is explained in docs/problems.md, and nothing else is.

use std::collections::BTreeMap;

use super::{Finding, Tree, source::Source, tree::File};

const DOCUMENT: &str = "docs/problems.md";

/// The constructors of a problem, and the status that each gives.
const CONSTRUCTORS: [(&str, u16); 15] = [
    ("bad_request", 400),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("not_found", 404),
    ("method_not_allowed", 405),
    ("request_timeout", 408),
    ("conflict", 409),
    ("content_too_large", 413),
    ("unsupported_media_type", 415),
    ("unprocessable", 422),
    ("too_many_requests", 429),
    ("header_fields_too_large", 431),
    ("bad_gateway", 502),
    ("unavailable", 503),
    ("gateway_timeout", 504),
];

/// Problems that `Problem::internal` makes.
const INTERNAL: (&str, u16) = ("internal", 500);

/// A place where a problem is made.
struct Made<'t> {
    path: &'t str,
    line: usize,
    status: u16,
    /// None if it is not written there as a string.
    code: Option<&'t str>,
    /// As `Problem::...`, not as `Self::...`, which other types may have too.
    plainly: bool,
}

fn made(tree: &Tree) -> Vec<Made<'_>> {
    let judged = |file: &File| file.path.starts_with("crates/") && !file.path.starts_with("crates/problem/");
    let sources = tree.sources().filter(|(file, _)| judged(file) && !file.is_test());
    sources.flat_map(|(file, source)| made_in(file, source)).collect()
}

fn made_in<'t>(file: &'t File, source: &'t Source) -> Vec<Made<'t>> {
    let mut found = Vec::new();
    for (constructor, status) in CONSTRUCTORS {
        for plainly in [true, false] {
            let call = format!("{}::{constructor}(", if plainly { "Problem" } else { "Self" });
            for (at, _) in source.code.match_indices(&call).filter(|(at, _)| !source.is_test(*at)) {
                let code = source.string_at(at + call.len()).map(|literal| literal.text.as_str());
                found.push(Made { path: &file.path, line: source.line(at), status, code, plainly });
            }
        }
    }
    found
}

pub(super) fn codes_are_literals(tree: &Tree) -> Vec<Finding> {
    let made = made(tree).into_iter();
    let advice = "write the problem's code here as a string, area/name in small letters, such as \"clinic/slot-taken\"";
    made.filter(|made| made.code.map_or(made.plainly, |code| !is_code(code)))
        .map(|made| Finding::new(made.path, made.line, advice))
        .collect()
}

fn is_code(code: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    code.split_once('/').is_some_and(|(area, name)| word(area) && word(name))
}

/// A section of the document.
struct Section<'t> {
    line: usize,
    code: &'t str,
    /// The first line under the heading.
    text: &'t str,
}

fn sections(document: &File) -> Vec<Section<'_>> {
    let lines: Vec<_> = document.lines().collect();
    let heading = |(index, (line, text)): (usize, &(usize, &'_ str))| {
        Some((index, *line, text.strip_prefix("## ")?.len()))
    };
    let headings = lines.iter().enumerate().filter_map(heading);
    headings
        .map(|(index, line, length)| {
            let (_, heading) = lines[index];
            let text = lines.get(index + 1).map_or("", |(_, text)| text);
            Section { line, code: &heading[heading.len() - length..], text }
        })
        .collect()
}

pub(super) fn problems_are_explained(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.file(DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, 1, "write this file: a section for each problem")];
    };
    let mut known: BTreeMap<&str, Vec<(u16, &str, usize)>> = BTreeMap::new();
    known.insert(INTERNAL.0, vec![(INTERNAL.1, DOCUMENT, 1)]);
    for Made { path, line, status, code, .. } in made(tree) {
        if let Some(code) = code {
            known.entry(code).or_default().push((status, path, line));
        }
    }
    let sections = sections(document);
    let mut findings = Vec::new();
    for (code, places) in &known {
        let (_, path, line) = places[0];
        match sections.iter().filter(|section| section.code == *code).count() {
            0 => findings.push(Finding::new(
                path,
                line,
                format!("explain it in {DOCUMENT}, under `## {code}`"),
            )),
            1 => {}
            _ => findings.push(Finding::new(DOCUMENT, 1, format!("explain `{code}` once"))),
        }
    }
    for Section { line, code, text } in sections {
        let Some(places) = known.get(code) else {
            let advice = format!("no source makes the problem `{code}`: take the section out");
            findings.push(Finding::new(DOCUMENT, line, advice));
            continue;
        };
        let said = text.split('.').next().unwrap_or_default();
        if !places.iter().any(|(status, _, _)| said == status.to_string()) {
            let advice = format!("begin the section with the status, {}, and a full stop", places[0].0);
            findings.push(Finding::new(DOCUMENT, line, advice));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::check_rule, *};

    fn tree(code: &str, document: &str) -> Tree {
        let internal = format!("# Problems\n\n## internal\n500. Ours.\n{document}");
        Tree::of(&[("crates/clinic/src/book_visit.rs", code), (DOCUMENT, &internal)])
    }

    const CODE: &str = "fn f() { Self::conflict(\n\"clinic/slot-taken\", error) }\n\
        #[cfg(test)]\nmod tests { Problem::conflict(\"test/any\", 1) }";
    const DOCUMENTED: &str = "\n## clinic/slot-taken\n409. It is taken.\n";

    #[test]
    fn a_problem_is_explained() {
        let good = tree(CODE, DOCUMENTED);
        check_rule(problems_are_explained, &tree(CODE, ""), "book_visit.rs:1: explain it", &good);
        check_rule(problems_are_explained, &tree("", DOCUMENTED), "problems.md:6: no source makes", &good);
        let other_status = DOCUMENTED.replace("409", "404");
        check_rule(problems_are_explained, &tree(CODE, &other_status), "status, 409", &good);
        let twice = DOCUMENTED.repeat(2);
        check_rule(problems_are_explained, &tree(CODE, &twice), "`clinic/slot-taken` once", &good);
        check_rule(problems_are_explained, &Tree::default(), "write this file", &good);
    }

    #[test]
    fn a_code_is_a_literal() {
        let good = tree(CODE, "");
        check_rule(
            codes_are_literals,
            &tree("Problem::not_found(code, 1)", ""),
            "book_visit.rs:1: write",
            &good,
        );
        check_rule(
            codes_are_literals,
            &tree("Self::not_found(\"Clinic\", 1)", ""),
            "book_visit.rs:1: write",
            &good,
        );
        assert_eq!(codes_are_literals(&tree("Self::not_found(key)", "")), []);
    }
}
