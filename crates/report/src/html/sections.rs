//! The parts of the page that are tables and lists.

use load::float;

use super::{put, text, told};
use crate::{Area, Report, Scope, chart, targets::grouped};

/// Target against achieved, and how far each figure reaches.
pub(super) fn targets(page: &mut String, report: &Report) {
    page.push_str(
        "<section id='targets'><h2>Target and achieved</h2><p>The targets are those of the original guide for a national \
         stress test. <em>Measured</em> was seen in this run. <em>Extrapolated</em> was computed from that, by \
         the formula beside it. <em>Not tested</em> is neither.</p><div class='wide' tabindex='0'><table><caption class='off'>\
         Target and achieved</caption><thead><tr><th scope='col'>Metric</th><th scope='col'>Target</th>\
         <th scope='col'>Achieved</th><th scope='col'>Scope</th></tr></thead><tbody>",
    );
    for row in &report.targets {
        let scope = match row.scope {
            Scope::Measured => "measured",
            Scope::Extrapolated => "extrapolated",
            Scope::NotTested => "not tested",
        };
        let (class, mark) = match row.met {
            Some(true) => ("met", "met"),
            Some(false) => ("unmet", "not met"),
            None => ("open", "not told"),
        };
        put(
            page,
            format_args!(
                "<tr class='{class}'><th scope='row'>{}</th><td data-of='Target'>{}</td><td data-of='Achieved' class='figure'>{} <span class='mark'>{mark}</span></td>\
             <td data-of='Scope'>{scope}</td></tr><tr class='under'><td colspan='4'>{}</td></tr>",
                text(&row.metric),
                text(&row.target),
                text(&row.achieved),
                text(&row.note),
            ),
        );
    }
    page.push_str("</tbody></table></div></section>");
}

/// Each journey at its rate.
pub(super) fn loads(page: &mut String, report: &Report) {
    page.push_str("<section id='volume'><h2>Volume</h2>");
    if report.loads.is_empty() {
        page.push_str("<p>Nothing was measured.</p></section>");
        return;
    }
    page.push_str(
        "<p>Callers come at their own pace, whatever becomes of those before them, and each wait counts from the moment at \
         which they meant to ask.</p><div class='wide' tabindex='0'><table><caption class='off'>Journeys</caption><thead><tr>\
         <th scope='col'>Journey</th><th scope='col'>came</th><th scope='col'>well</th><th scope='col'>a second</th>\
         <th scope='col'>p50</th><th scope='col'>p95</th><th scope='col'>p99</th><th scope='col'>longest</th>\
         <th scope='col'>generator</th></tr></thead><tbody>",
    );
    for load in &report.loads {
        let own = match &load.invalid {
            Some(_) if load.counts.limited > 0 => "its address was limited".to_owned(),
            Some(_) => "was the limit".to_owned(),
            None => format!(
                "{} late, {:.0} % busy",
                chart::told_ms(load.generator_lag_p99_ms),
                load.generator_busy * 100.0
            ),
        };
        put(
            page,
            format_args!(
                "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class='figure'>{}</td>\
             <td>{}</td><td>{own}</td></tr>",
                text(&load.title),
                grouped(float(load.counts.offered)),
                grouped(float(load.counts.good)),
                grouped(load.good_per_s),
                chart::told_ms(load.p50_ms),
                chart::told_ms(load.p95_ms),
                chart::told_ms(load.p99_ms),
                chart::told_ms(load.max_ms),
            ),
        );
    }
    page.push_str("</tbody></table></div></section>");
}

/// Everything that was checked, area by area.
pub(super) fn checks(page: &mut String, report: &Report) {
    page.push_str("<section id='checks'><h2>Everything that was checked</h2>");
    for area in Area::ALL {
        let of: Vec<_> = report.checks.iter().filter(|check| check.area == area).collect();
        if of.is_empty() {
            continue;
        }
        put(page, format_args!("<h3>{}</h3><ul class='checks'>", area.title()));
        for check in of {
            let (class, word) = told(check.outcome);
            put(
                page,
                format_args!(
                    "<li class='{class}'><span class='word'>{word}</span><div><p class='what'>{}</p><p class='how'>{}</p>",
                    text(&check.title),
                    text(&check.detail)
                ),
            );
            if !check.evidence.is_empty() {
                page.push_str("<ul class='evidence'>");
                for line in &check.evidence {
                    put(page, format_args!("<li>{}</li>", text(line)));
                }
                page.push_str("</ul>");
            }
            page.push_str("</div></li>");
        }
        page.push_str("</ul>");
    }
    page.push_str("</section>");
}

/// What it ran on and with, and who signed.
pub(super) fn configuration(page: &mut String, report: &Report) {
    let (run, machine) = (&report.run, &report.machine);
    page.push_str("<section id='how'><h2>How this was run</h2><dl class='list'>");
    let commit = run.commit.clone().unwrap_or_else(|| "not known".to_owned());
    let nodes = run.nodes.map_or_else(|| "not known".to_owned(), |nodes| nodes.to_string());
    let started =
        if run.local { "started by the drill, on this machine" } else { "running, elsewhere or here" };
    for (name, value) in [
        ("Target", format!("{} ({started})", run.target)),
        ("Its nodes under load", nodes),
        ("Profile", run.profile.clone()),
        ("Seed", run.seed.to_string()),
        ("Began", run.began_at.clone()),
        ("Took", format!("{:.0} s", run.took_s)),
        ("Version", format!("{} of the drill, commit of the target {commit}", run.version)),
        ("Broken off", run.ended_by.clone().map_or_else(|| "no".to_owned(), |who| format!("by {who}"))),
        (
            if run.local { "Machine" } else { "Machine of the generator" },
            format!("{}, {} cores, {} GiB", machine.processor, machine.cores, machine.memory_bytes >> 30),
        ),
        ("System", format!("Linux {}, {} descriptors a process", machine.kernel, machine.descriptors_max)),
        ("Busy before", format!("load average {:.2}", machine.busy_before)),
        ("Run", run.id.clone()),
        ("Signed with", report.signed_by.key.clone()),
        ("Whose key", report.signed_by.whose.clone()),
    ] {
        put(page, format_args!("<div><dt>{name}</dt><dd>{}</dd></div>", text(&value)));
    }
    page.push_str(
        "</dl><p>Whoever has this folder can see that nobody changed it: <code>holdfast drill --check-report FOLDER</code>.</p>",
    );
    page.push_str("<details><summary>What could be tried on this machine</summary><ul class='checks'>");
    for found in &report.preflight {
        let (class, word) = if found.possible { ("passed", "can") } else { ("unsaid", "cannot") };
        put(
            page,
            format_args!(
                "<li class='{class}'><span class='word'>{word}</span><div><p class='what'>{}</p><p class='how'>{}</p></div></li>",
                text(&found.name),
                text(&found.detail)
            ),
        );
    }
    let profile = serde_json::to_string_pretty(&report.configuration).unwrap_or_default();
    put(
        page,
        format_args!(
            "</ul></details><details><summary>The profile</summary><pre>{}</pre></details></section>",
            text(&profile)
        ),
    );
}
