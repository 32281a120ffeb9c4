//! The checks as JUnit's XML, for machines that gather test results.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{Area, Outcome, Report, Word};

/// The verdict, and one suite an area with one case a check.
pub(super) fn document(report: &Report) -> anyhow::Result<String> {
    let mut document = Document::new("holdfast drill");
    document.add_test_suite(verdict(report));
    for area in Area::ALL {
        let mut suite = TestSuite::new(area.title());
        for check in report.checks.iter().filter(|check| check.area == area) {
            let status = match check.outcome {
                Outcome::Passed => TestCaseStatus::success(),
                Outcome::Failed => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(check.evidence.join("\n"));
                    status
                }
                Outcome::Invalid | Outcome::NotExercised => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(check.detail.as_str());
                    status
                }
            };
            let mut case = TestCase::new(check.name.as_str(), status);
            case.set_classname(area.title());
            case.set_system_out(format!("{}: {}", check.title, check.detail));
            suite.add_test_case(case);
        }
        document.add_test_suite(suite);
    }
    Ok(document.to_string()?)
}

/// What all of it comes to. That nobody knows is an error: whoever gathers results takes it for no success.
fn verdict(report: &Report) -> TestSuite {
    let verdict = &report.verdict;
    let status = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(format!("{}: {}", verdict.heading(), verdict.summary));
        status
    };
    let status = match verdict.word {
        Word::Held => TestCaseStatus::success(),
        Word::Open => status(NonSuccessKind::Error),
        Word::Failed => status(NonSuccessKind::Failure),
    };
    let mut case = TestCase::new("verdict", status);
    case.set_classname("Verdict");
    case.set_system_out(format!("{}. {} {}", verdict.heading(), verdict.summary, verdict.of_targets()));
    let mut suite = TestSuite::new("Verdict");
    suite.add_test_case(case);
    suite
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_report::sample;

    #[test]
    fn the_list_of_checks_says_the_verdict_and_what_became_of_the_targets() {
        let mut report = sample();
        for (word, expected) in
            [(Word::Held, "Of the guide"), (Word::Open, "<error message"), (Word::Failed, "<failure message")]
        {
            report.verdict.word = word;
            let document = document(&report).expect("it can be written");
            let suite = document.split("</testsuite>").next().unwrap_or_default();
            assert!(suite.contains(expected) && suite.contains("not told"), "{suite}");
            assert!(suite.contains(report.verdict.heading()), "{suite}");
        }
    }
}
