//! Did it hold? Three answers: it did, it did not, and that nobody knows, because too much of what was to be tried says nothing.

use serde::{Deserialize, Serialize};

use super::{Area, Check, Outcome, TargetRow};

/// What a run comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Nothing failed, and of each part more speaks than is silent.
    Held,
    /// Nothing was seen to fail, and too much says nothing.
    #[default]
    Open,
    /// Something failed.
    Failed,
}

/// Did it hold?
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub word: Word,
    /// The word is `held`.
    pub held: bool,
    /// In one sentence.
    pub summary: String,
    pub passed: usize,
    pub failed: usize,
    pub invalid: usize,
    pub not_exercised: usize,
    /// Of the guide's targets.
    pub met: usize,
    pub not_met: usize,
    pub not_told: usize,
}

impl Verdict {
    /// From all checks, and whoever ended the run before its end.
    #[must_use]
    pub fn of(checks: &[Check], targets: &[TargetRow], ended_by: Option<&str>) -> Self {
        let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
        let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
        let (invalid, not_exercised) = (count(Outcome::Invalid), count(Outcome::NotExercised));
        let silent: Vec<_> = Area::ALL.into_iter().filter(|area| is_silent(checks, *area)).collect();
        let word = match failed {
            0 if passed > 0 && silent.is_empty() && ended_by.is_none() => Word::Held,
            0 => Word::Open,
            _ => Word::Failed,
        };
        let unsaid = invalid + not_exercised;
        let mut summary = match (word, failed) {
            (Word::Held, _) if unsaid == 0 => format!("Everything that was tried held: {passed} checks."),
            (Word::Held, _) => {
                format!("Everything that was tried held: {passed} checks; {unsaid} say nothing.")
            }
            (Word::Open, _) if passed == 0 => {
                format!("Nothing is known: {unsaid} checks say nothing, and no other was made.")
            }
            (Word::Open, _) => {
                format!("Nothing was seen to fail, and {unsaid} of {} checks say nothing.", passed + unsaid)
            }
            (Word::Failed, 1) => {
                format!("One of {} checks failed; {unsaid} more say nothing.", passed + failed)
            }
            (Word::Failed, _) => {
                format!("{failed} of {} checks failed; {unsaid} more say nothing.", passed + failed)
            }
        };
        if !silent.is_empty() {
            let parts: Vec<_> = silent.iter().map(|area| area.title()).collect();
            summary.push_str(&format!(" Of these parts most says nothing: {}.", parts.join(", ")));
        }
        if let Some(who) = ended_by {
            summary.push_str(&format!(" The run was broken off by {who}: what was to come was not tried."));
        }
        let rows = |met| targets.iter().filter(|row| row.met == met).count();
        let (met, not_met, not_told) = (rows(Some(true)), rows(Some(false)), rows(None));
        let held = word == Word::Held;
        Self { word, held, summary, passed, failed, invalid, not_exercised, met, not_met, not_told }
    }

    /// As a heading.
    #[must_use]
    pub const fn heading(&self) -> &'static str {
        match self.word {
            Word::Held => "It held",
            Word::Open => "Not known whether it holds",
            Word::Failed => "It did not hold",
        }
    }

    /// What became of the guide's targets, which the verdict is not about.
    #[must_use]
    pub fn of_targets(&self) -> String {
        let Self { met, not_met, not_told, .. } = self;
        format!(
            "Of the guide's {} targets {met} were met, {not_met} not met, and {not_told} not told.",
            met + not_met + not_told
        )
    }
}

/// Does most of this part say nothing? A part that was not to be run has no checks.
fn is_silent(checks: &[Check], area: Area) -> bool {
    let of = || checks.iter().filter(|check| check.area == area);
    let said = of().filter(|check| matches!(check.outcome, Outcome::Passed | Outcome::Failed)).count();
    said * 2 < of().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(outcomes: &[(Area, Outcome)]) -> Word {
        let check = |(area, outcome): &(Area, Outcome)| Check::new(*area, "a", "A", *outcome, "", Vec::new());
        Verdict::of(&outcomes.iter().map(check).collect::<Vec<_>>(), &[], None).word
    }

    #[test]
    fn one_failure_is_a_failure_and_nothing_tried_is_no_success() {
        use Outcome::{Failed, Invalid, NotExercised, Passed};
        for (outcomes, expected) in [
            (&[Passed, Passed][..], Word::Held),
            (&[Passed, Failed], Word::Failed),
            (&[Passed, Passed, NotExercised, Invalid], Word::Held),
            (&[Passed, NotExercised, Invalid], Word::Open),
            (&[NotExercised], Word::Open),
            (&[], Word::Open),
        ] {
            let of: Vec<_> = outcomes.iter().map(|outcome| (Area::Volume, *outcome)).collect();
            assert_eq!(word(&of), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn a_part_that_says_nothing_does_not_hide_behind_others_that_held() {
        let held = [(Area::Attack, Outcome::Passed); 20];
        assert_eq!(word(&held), Word::Held);
        assert_eq!(word(&[&held[..], &[(Area::Volume, Outcome::Invalid)]].concat()), Word::Open);
    }

    #[test]
    fn a_run_that_was_broken_off_did_not_hold() {
        let checks = [Check::new(Area::Volume, "a", "A", Outcome::Passed, "", Vec::new())];
        let verdict = Verdict::of(&checks, &[], Some("Ctrl-C"));
        assert!(
            verdict.word == Word::Open && verdict.summary.contains("broken off by Ctrl-C"),
            "{verdict:?}"
        );
    }
}
