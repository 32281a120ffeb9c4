//! A count as people read it: bars where one number decides, rounds where votes are passed on, pairs where options meet.

use maud::{Markup, html};
use tally::{InstantRunoff, MEEK_UNITS, Meek, MeekStep, Most, SCOTTISH_UNITS, Schulze, Scottish, Step};

use super::number;
use crate::election::{ContestResult, CountLog};

/// How a contest is counted, in words.
pub(super) fn named(count: &str) -> &str {
    match count {
        "most" => "Counted by most votes",
        "instant-runoff" => "Counted by instant run-off",
        "stv-scottish" => "Counted by single transferable vote, the Scottish way",
        "stv-meek" => "Counted by single transferable vote, Meek’s way",
        "schulze" => "Counted by Schulze’s method",
        other => other,
    }
}

/// The count of a contest.
pub(super) fn shown(names: &[Markup], result: &ContestResult) -> Markup {
    match &result.log {
        CountLog::Most(most) => bars(names, &result.elected, most),
        CountLog::InstantRunoff(log) => runoff(names, &result.elected, log),
        CountLog::StvScottish(log) => scottish(names, &result.elected, log),
        CountLog::StvMeek(log) => meek(names, &result.elected, log),
        CountLog::Schulze(log) => schulze(names, &result.elected, log),
    }
}

fn bars(names: &[Markup], elected: &[usize], most: &Most) -> Markup {
    let all: u64 = most.counts.iter().sum();
    let highest = most.counts.iter().max().copied().unwrap_or(0).max(1);
    let mut order: Vec<usize> = (0..most.counts.len()).collect();
    order.sort_by_key(|candidate| std::cmp::Reverse(most.counts[*candidate]));
    html! {
        table class="bars" {
            caption class="govuk-visually-hidden" { "Votes" }
            tbody {
                @for candidate in order {
                    @let votes = most.counts[candidate];
                    tr class=[elected.contains(&candidate).then_some("bars__elected")] {
                        th scope="row" {
                            (name(names, candidate))
                            @if elected.contains(&candidate) { " " strong class="govuk-tag govuk-tag--green" { "Elected" } }
                            @if most.tied.contains(&candidate) { " " strong class="govuk-tag govuk-tag--yellow" { "Tied" } }
                        }
                        td class="bars__bar" {
                            svg viewBox="0 0 1000 22" preserveAspectRatio="none" aria-hidden="true" {
                                rect width=(scaled(votes, highest)) height="22" {}
                            }
                        }
                        td class="bars__number" { (number(votes)) }
                        td class="bars__number" { (share(votes, all)) }
                    }
                }
            }
        }
        @if !most.tied.is_empty() {
            p class="govuk-body" { "Those who are tied have as many as each other, and the lot decided." }
        }
    }
}

/// A part of a thousand.
fn scaled(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 1000 / u128::from(whole.max(1))).unwrap_or(1000)
}

fn share(part: u64, whole: u64) -> String {
    let tenths = scaled(part, whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn name(names: &[Markup], candidate: usize) -> Markup {
    names.get(candidate).cloned().unwrap_or_else(|| html! { "?" })
}

fn list(names: &[Markup], candidates: &[usize]) -> Markup {
    html! {
        @for (at, candidate) in candidates.iter().enumerate() {
            @if at > 0 { ", " }
            (name(names, *candidate))
        }
    }
}

/// Columns of numbers, one for each candidate, with what happened at each step.
struct Rounds<'r> {
    names: &'r [Markup],
    elected: &'r [usize],
    /// For each round: what happened, and what each candidate had.
    rounds: Vec<(Markup, Vec<String>)>,
    /// What stands below: what the numbers mean.
    note: Markup,
}

impl Rounds<'_> {
    fn shown(&self) -> Markup {
        html! {
            p class="govuk-body" { strong { "Elected: " } (list(self.names, self.elected)) }
            details class="govuk-details" open[self.rounds.len() <= 6] {
                summary class="govuk-details__summary" {
                    span class="govuk-details__summary-text" { "The count, round by round" }
                }
                div class="govuk-details__text wide" {
                    table class="govuk-table govuk-table--small-text-until-tablet" {
                        thead class="govuk-table__head" {
                            tr class="govuk-table__row" {
                                th scope="col" class="govuk-table__header" { "Round" }
                                @for name in self.names {
                                    th scope="col" class="govuk-table__header govuk-table__header--numeric" { (name) }
                                }
                                th scope="col" class="govuk-table__header" { "What happened" }
                            }
                        }
                        tbody class="govuk-table__body" {
                            @for (at, (what, votes)) in self.rounds.iter().enumerate() {
                                tr class="govuk-table__row" {
                                    th scope="row" class="govuk-table__header" { (at + 1) }
                                    @for votes in votes {
                                        td class="govuk-table__cell govuk-table__cell--numeric" { (votes) }
                                    }
                                    td class="govuk-table__cell" { (what) }
                                }
                            }
                        }
                    }
                    (self.note)
                }
            }
        }
    }
}

fn by_lot(by_lot: bool) -> Markup {
    html! { @if by_lot { " by lot" } }
}

fn runoff(names: &[Markup], elected: &[usize], log: &InstantRunoff) -> Markup {
    let rounds = log.rounds.iter().map(|round| {
        let votes = round.votes.iter().map(|votes| votes.map_or_else(|| "–".to_owned(), number));
        let what = match round.eliminated {
            Some(out) => html! { (name(names, out)) " drops out" (by_lot(round.by_lot)) },
            None => html! { (name(names, log.elected)) " has more than half" },
        };
        (what, votes.collect())
    });
    Rounds { names, elected, rounds: rounds.collect(), note: html! {} }.shown()
}

/// So many units of a vote, with decimals.
fn units(units: u64, one: u64) -> String {
    let (whole, rest) = (units / one, units % one);
    if rest == 0 { number(whole) } else { format!("{}.{:02}", number(whole), rest * 100 / one) }
}

fn scottish(names: &[Markup], elected: &[usize], log: &Scottish) -> Markup {
    let rounds = log.stages.iter().map(|stage| {
        let what = match stage.step {
            Step::FirstPreferences => html! { "First preferences" },
            Step::SurplusOf(whose) => html! { "What " (name(names, whose)) " has too many is passed on" },
            Step::Exclusion(out) => html! { (name(names, out)) " drops out" (by_lot(stage.by_lot)) },
            Step::Remaining => html! { "As many are left as seats" },
        };
        let what = html! {
            (what)
            @if !stage.elected.is_empty() { "; elected: " (list(names, &stage.elected)) }
        };
        (what, stage.votes.iter().map(|votes| units(*votes, SCOTTISH_UNITS)).collect())
    });
    let note = html! { p class="govuk-body-s" { "The quota is " (number(log.quota)) " votes." } };
    Rounds { names, elected, rounds: rounds.collect(), note }.shown()
}

fn meek(names: &[Markup], elected: &[usize], log: &Meek) -> Markup {
    let rounds = log.rounds.iter().map(|round| {
        let what = match &round.step {
            MeekStep::Elected(some) => html! { "Elected: " (list(names, some)) },
            MeekStep::Defeated { candidate, by_lot: lot } => {
                html! { (name(names, *candidate)) " drops out" (by_lot(*lot)) }
            }
            MeekStep::Remaining(some) => html! { "As many are left as seats: " (list(names, some)) },
        };
        (what, round.votes.iter().map(|votes| units(*votes, MEEK_UNITS)).collect())
    });
    Rounds { names, elected, rounds: rounds.collect(), note: html! {} }.shown()
}

fn schulze(names: &[Markup], elected: &[usize], log: &Schulze) -> Markup {
    html! {
        p class="govuk-body" { strong { "Elected: " } (list(names, elected)) }
        p class="govuk-body" { "The whole order: " (list(names, &log.order)) }
        details class="govuk-details" open[names.len() <= 8] {
            summary class="govuk-details__summary" {
                span class="govuk-details__summary-text" { "How many prefer whom" }
            }
            div class="govuk-details__text wide" {
                table class="govuk-table" {
                    caption class="govuk-table__caption govuk-visually-hidden" { "How many prefer the row’s option to the column’s" }
                    thead class="govuk-table__head" {
                        tr class="govuk-table__row" {
                            td class="govuk-table__cell" {}
                            @for name in names {
                                th scope="col" class="govuk-table__header govuk-table__header--numeric" { (name) }
                            }
                        }
                    }
                    tbody class="govuk-table__body" {
                        @for (row, votes) in log.preferred.iter().enumerate() {
                            tr class="govuk-table__row" {
                                th scope="row" class="govuk-table__header" { (name(names, row)) }
                                @for (column, votes) in votes.iter().enumerate() {
                                    td class="govuk-table__cell govuk-table__cell--numeric" {
                                        @if row != column { (number(*votes)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_parts_of_votes_are_exact_to_the_digit_that_is_shown() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "0.0 %");
        assert_eq!(units(250_000, SCOTTISH_UNITS), "2.50");
        assert_eq!(units(300_000, SCOTTISH_UNITS), "3");
    }
}
