//! The report as one page: read without this program, without a network, on paper, in the dark and on a telephone.

mod sections;

use std::fmt::Write;

use super::{
    Outcome, Report, Word, chart,
    targets::{grouped, highest, never_well},
};
use sections::{checks, configuration, loads, targets};

const STYLE: &str = include_str!("html/style.css");

/// The page; the same data always gives the same page.
pub(super) fn page(report: &Report) -> String {
    let mut page = String::new();
    let verdict = &report.verdict;
    let class = match verdict.word {
        Word::Held => "held",
        Word::Open => "open",
        Word::Failed => "failed",
    };
    let word = verdict.heading();
    put(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\
         <meta name='viewport' content='width=device-width, initial-scale=1'>\
         <meta name='color-scheme' content='light dark'><title>{word}: drill of {}</title><style>{STYLE}</style></head>\
         <body><a class='skip' href='#targets'>To the results</a><header class='{class}'>\
         <p class='kicker'>Holdfast drill · {} · {}</p><h1>{word}.</h1><p class='summary'>{}</p><p class='summary'>{}</p>",
            text(&report.run.target),
            text(&report.run.profile),
            text(&day(&report.run.began_at)),
            text(&verdict.summary),
            text(&verdict.of_targets()),
        ),
    );
    facts(&mut page, report);
    page.push_str("</header><main>");
    targets(&mut page, report);
    loads(&mut page, report);
    volume(&mut page, report);
    failure(&mut page, report);
    promised(&mut page, report);
    checks(&mut page, report);
    cost(&mut page, report);
    configuration(&mut page, report);
    page.push_str("</main></body></html>\n");
    page
}

fn put(page: &mut String, words: std::fmt::Arguments<'_>) {
    page.write_fmt(words).expect("a string takes any text");
}

/// Text of the report as it may stand in a page.
fn text(words: &str) -> String {
    chart::escaped(words)
}

/// A time without its milliseconds.
fn day(at: &str) -> String {
    let short: String = at.chars().take(16).collect();
    format!("{} UTC", short.replace('T', ", "))
}

/// A few figures below the verdict.
fn facts(page: &mut String, report: &Report) {
    let verdict = &report.verdict;
    // What was not measured is no nought.
    let most = |figures: &mut dyn Iterator<Item = f64>, told: fn(f64) -> String| {
        figures.reduce(f64::max).map_or_else(|| "–".to_owned(), told)
    };
    let (best, of_best) = match highest(&report.knees) {
        Some((knee, found)) => (grouped(found), format!("a second at most: {}", text(&knee.title))),
        None => ("–".to_owned(), "a second, at most".to_owned()),
    };
    let slowest = match never_well(&report.faults).count() {
        0 => most(&mut report.faults.iter().filter_map(|fault| fault.recovered_ms), chart::told_ms),
        count => format!("none after {count}"),
    };
    let broken = report.acknowledgements.as_ref().map(|flow| flow.lost + flow.altered + flow.doubled);
    let broken = broken.map_or_else(|| "–".to_owned(), |count| grouped(load::float(count)));
    let facts = [
        (verdict.passed.to_string(), "checks held"),
        (verdict.failed.to_string(), "did not"),
        ((verdict.not_exercised + verdict.invalid).to_string(), "say nothing"),
        (verdict.met.to_string(), "of the guide's targets met"),
        (verdict.not_met.to_string(), "of them not met"),
        (best, &of_best),
        (slowest, "the slowest recovery"),
        (broken, "lost, altered or doubled"),
    ];
    page.push_str("<dl class='facts'>");
    for (figure, of) in facts {
        put(page, format_args!("<div><dt>{of}</dt><dd>{figure}</dd></div>"));
    }
    page.push_str("</dl>");
}

/// A chart with the words that say how to read it.
fn figure(page: &mut String, drawing: &str, caption: &str) {
    put(
        page,
        format_args!("<figure tabindex='0'>{drawing}<figcaption>{}</figcaption></figure>", text(caption)),
    );
}

fn volume(page: &mut String, report: &Report) {
    if !report.loads.is_empty() {
        page.push_str("<h3>How long the unlucky waited</h3>");
        let caption = "Further right are fewer callers: at 99 %, one in a hundred waited longer than the line says. Counted \
                       from the moment at which each caller meant to ask.";
        figure(page, &chart::percentiles(&report.loads), caption);
    }
    for knee in &report.knees {
        put(page, format_args!("<h3>{}: where it bends</h3>", text(&knee.title)));
        let caption = format!(
            "The dashed line is a target that serves whatever comes. Filled dots held: nearly all ended well, and the 99th \
             percentile stayed within {}. Hollow ones did not.",
            chart::told_ms(knee.p99_ms_max)
        );
        figure(page, &chart::offered(knee), &caption);
    }
}

fn failure(page: &mut String, report: &Report) {
    if report.timeline.seconds.is_empty() {
        return;
    }
    page.push_str("<section id='failure'><h2>While things were broken</h2>");
    let caption = "The strong line is the 99th percentile of each second, the quiet one the median. Grey bands say what was \
                   done meanwhile, and red at the foot the share of those who got no good answer. Whoever got none at all is \
                   counted as having waited for as long as they would have.";
    figure(page, &chart::latency(&report.timeline), caption);
    let caption = "Each column is a second, each row a span of waiting; the darker, the more callers. Two dark rows at once \
                   mean two kinds of experience, which no average shows.";
    figure(page, &chart::heat(&report.timeline), caption);
    if !report.faults.is_empty() {
        page.push_str("<h3>How soon it was well again</h3>");
        let caption = "Grey is the fault itself, the accent the time from its end to the first caller who was served again, \
                       read every 50 ms.";
        figure(page, &chart::recovery(&report.faults), caption);
    }
    page.push_str("</section>");
}

fn promised(page: &mut String, report: &Report) {
    // What was not compared has no chart: all its bars would be nought.
    let Some(flow) = &report.acknowledgements else { return };
    page.push_str("<section id='promised'><h2>What was promised, and what became of it</h2>");
    let caption = "Every acknowledgement was written down as it came, and compared with the ledger afterwards. A question \
                   without an answer may have happened or not.";
    figure(page, &chart::flow(flow), caption);
    page.push_str("</section>");
}

fn cost(page: &mut String, report: &Report) {
    if let Some(why) = &report.no_cost {
        put(
            page,
            format_args!("<section id='cost'><h2>What it would cost</h2><p>{}</p></section>", text(why)),
        );
    }
    let Some(cost) = &report.cost else { return };
    let where_from = if report.run.local {
        "Measured on this machine, whose cores the generator shared: another machine has another figure."
    } else {
        "Measured from here, on the target's own machines: others have another figure."
    };
    put(
        page,
        format_args!(
            "<section id='cost'><h2>What it would cost</h2><p class='large'>{} nodes, {} a month for {} a second.</p>\
         <p class='formula'>{}</p><p>Of what a node can do {:.0} % is used; the rest is for spikes. {where_from}</p></section>",
            grouped(load::float(cost.nodes)),
            grouped(cost.money_a_month),
            grouped(cost.load_per_s),
            text(&cost.formula),
            cost.headroom * 100.0,
        ),
    );
}

/// How an outcome is told.
const fn told(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Passed => ("passed", "held"),
        Outcome::Failed => ("failed", "failed"),
        Outcome::Invalid => ("unsaid", "says nothing"),
        Outcome::NotExercised => ("unsaid", "not tried"),
    }
}
