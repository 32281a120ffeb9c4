//! The checks as JUnit's XML, for machines that gather test results.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{Area, Outcome, Report};

/// One suite an area, one case a check.
pub(super) fn document(report: &Report) -> anyhow::Result<String> {
    let mut document = Document::new("holdfast drill");
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
