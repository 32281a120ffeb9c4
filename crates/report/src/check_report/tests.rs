//! A report as it was signed, and each way of meddling with it.

use super::{
    super::{Signer, Verdict, html, model::*, write},
    *,
};
use load::Trial;

pub(crate) fn sample() -> Report {
    let check = |name: &str, outcome| Check {
        area: Area::Invariants,
        name: name.to_owned(),
        title: "Nothing <is> lost & \"all\" is well".to_owned(),
        outcome,
        detail: "1,000 were compared".to_owned(),
        evidence: vec!["<script>alert(1)</script>".to_owned()],
    };
    let checks = vec![check("a/b", Outcome::Passed), check("a/c", Outcome::NotExercised)];
    let trial = Trial {
        offered_per_s: 10.0,
        good_per_s: 9.0,
        p50_ms: 1.0,
        p99_ms: 2.0,
        held: true,
        invalid: false,
        limited: false,
    };
    Report {
        form: FORM,
        run: RunInfo {
            id: "7".to_owned(),
            began_at: "2026-11-21T10:00:00Z".to_owned(),
            took_s: 1.5,
            profile: "smoke".to_owned(),
            seed: 7,
            target: "http://127.0.0.1:1".to_owned(),
            local: true,
            version: "0.1.0".to_owned(),
            commit: None,
            nodes: Some(1),
            ended_by: None,
        },
        machine: Machine::default(),
        verdict: Verdict::of(&checks, &[], None),
        targets: Vec::new(),
        checks,
        loads: Vec::new(),
        knees: vec![KneeResult {
            journey: "a".to_owned(),
            title: "A".to_owned(),
            found_per_s: Some(10.0),
            at_least: false,
            p99_ms_max: 100.0,
            trials: vec![trial],
        }],
        timeline: Timeline {
            seconds: vec![
                Moment {
                    heat: vec![1; HEAT_MS.len() + 1],
                    p50_ms: 1.0,
                    p99_ms: 3.0,
                    ..Moment::default()
                };
                3
            ],
            bands: vec![Band { name: "killed".to_owned(), from_s: 1.0, to_s: 2.0 }],
        },
        faults: Vec::new(),
        acknowledgements: None,
        cost: None,
        no_cost: None,
        preflight: Vec::new(),
        configuration: serde_json::Value::Null,
        signed_by: SignedBy::default(),
    }
}

fn written() -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let signer = Signer::once("7").expect("a key");
    let report = Report { signed_by: signer.public(), ..sample() };
    write(&report, folder.path(), &signer).expect("it is written");
    (folder, report)
}

#[test]
fn a_report_that_nobody_touched_is_what_was_signed() {
    let (folder, report) = written();
    assert!(check_report(folder.path(), None).expect("it is").contains(&report.verdict.summary));
    assert!(check_report(folder.path(), Some(&report.signed_by.key)).is_ok());
    let other = Signer::once("8").expect("a key").public().key;
    assert!(check_report(folder.path(), Some(&other)).is_err());
}

#[test]
fn a_report_that_somebody_touched_is_not() {
    for (name, from, to) in
        [(JSON, "1,000", "2,000"), (HTML, "1,000", "2,000"), (JUNIT, "a/b", "a/d"), (NOTE, "held", "hold")]
    {
        let (folder, _) = written();
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).expect("it was written");
        assert!(text.contains(from), "{name}");
        std::fs::write(&path, text.replace(from, to)).expect("it can be written");
        assert!(check_report(folder.path(), None).is_err(), "{name}");
    }
}

#[test]
fn what_was_signed_anew_with_another_key_names_that_key() {
    let (folder, report) = written();
    let forger = Signer::once("7").expect("a key");
    let forged = Report { signed_by: forger.public(), ..report.clone() };
    write(&forged, folder.path(), &forger).expect("it is written");
    let error = check_report(folder.path(), Some(&report.signed_by.key)).expect_err("it is another key");
    assert!(format!("{error:#}").contains("another key"), "{error:#}");
}

#[test]
fn the_page_asks_nobody_else_for_anything_and_runs_nothing_that_was_sent_to_it() {
    let page = html::page(&sample());
    assert!(!page.contains("<script"), "a script stands in the page");
    for elsewhere in ["src=", "@import", "url(", "<link"] {
        assert!(!page.contains(elsewhere), "{elsewhere} stands in the page");
    }
    assert!(page.len() < 2 << 20);
}

#[test]
fn a_fault_that_was_never_recovered_from_is_told_at_the_head_of_the_page() {
    let fault = |recovered_ms| FaultResult {
        name: "killed".to_owned(),
        title: "A node that is killed".to_owned(),
        outcome: Outcome::Failed,
        from_s: 0.0,
        to_s: 1.0,
        bit: String::new(),
        recovered_ms,
    };
    let page = html::page(&Report { faults: vec![fault(Some(100.0)), fault(None)], ..sample() });
    assert!(page.contains("<dt>the slowest recovery</dt><dd>none after 1</dd>"));
}

#[test]
fn what_was_not_compared_is_no_nought_and_what_nobody_knows_the_cost_of_is_said() {
    let page = html::page(&sample());
    let of = |page: &str, figure: &str| page.contains(&format!("lost, altered or doubled</dt><dd>{figure}<"));
    assert!(of(&page, "–") && !page.contains("What was promised, and what became of it"));
    let compared = Report {
        acknowledgements: Some(Flow { lost: 2, ..Flow::default() }),
        no_cost: Some("nobody knows".to_owned()),
        ..sample()
    };
    let page = html::page(&compared);
    assert!(of(&page, "2") && page.contains("What was promised, and what became of it"));
    assert!(page.contains("nobody knows"));
}
