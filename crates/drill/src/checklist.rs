//! The test day's checklist: what a machine can check is checked, the rest is asked.

use std::{io::Write, time::Duration};

use serde_json::Value;

use crate::{client::Client, ground::stopwatch, observer::look};

/// How long somebody alone may wait for an answer that costs nothing.
const QUICK_MAX: Duration = Duration::from_millis(500);

/// What an item came to.
#[derive(Debug)]
enum Answer {
    Yes(String),
    No(String),
    /// Only people know; what was found stands before the question.
    Ask(String),
}

fn ask(question: &str) -> Answer {
    Answer::Ask(question.to_owned())
}

/// Prints the list for a target and its operators' port, if that can be reached. True if nothing speaks against it.
pub(crate) async fn print(client: &Client, operators: Option<&Client>) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    let mut well = true;
    for (title, items) in [
        ("24 hours before", day_before(client, operators).await),
        ("1 hour before", hour_before(client, operators).await),
        ("During", during(operators).await),
        ("After", after()),
    ] {
        writeln!(out, "\n{title}")?;
        for (item, answer) in items {
            match answer {
                Answer::Yes(what) => writeln!(out, "  [x] {item}: {what}")?,
                Answer::No(what) => {
                    well = false;
                    writeln!(out, "  [!] {item}: {what}")?;
                }
                Answer::Ask(question) => writeln!(out, "  [?] {item}: {question}")?,
            }
        }
    }
    Ok(well)
}

type Items = Vec<(&'static str, Answer)>;

const SCRAPED: &str = "are metrics scraped at least every 15 s, and do the alerts reach a person?";
/// What every node tells of itself.
const SERIES: [&str; 2] = ["process_start_time_seconds", "http_requests_total"];

/// That there is something to scrape is seen, that somebody scrapes it is not.
fn scraped(status: u16, text: &str) -> Answer {
    let told = |name: &str| text.lines().any(|line| line.split([' ', '{']).next() == Some(name));
    match SERIES.into_iter().find(|name| told(name)) {
        _ if status != 200 => Answer::No(format!("/metrics gave {status}")),
        Some(name) => Answer::Ask(format!("the operators' port tells {name} and others: {SCRAPED}")),
        None => Answer::No("/metrics tells nothing that a node of Holdfast tells".to_owned()),
    }
}

/// A figure of the operators' port.
async fn metric(operators: Option<&Client>, name: &str) -> Option<f64> {
    let text = operators?.get("/metrics").await.ok()?;
    let text = String::from_utf8_lossy(&text.bytes).into_owned();
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn day_before(client: &Client, operators: Option<&Client>) -> Items {
    let backup = match metric(operators, "backup_age_seconds").await {
        Some(age) if age < 60.0 => Answer::Yes(format!("everything was shipped {age:.0} s ago")),
        Some(age) => Answer::No(format!("everything was last shipped {age:.0} s ago")),
        None => ask("is there a backup, and has it been restored somewhere else today?"),
    };
    let checkpoint = match look(client).await {
        Ok(seen) => Answer::Ask(format!(
            "the newest checkpoint covers {} entries: is it kept where nobody changes it together with the ledger?",
            seen.checkpoint.size()
        )),
        Err(error) => Answer::No(format!("there is no checkpoint to compare with afterwards: {error:#}")),
    };
    let metrics = match operators {
        Some(operators) => match operators.get("/metrics").await {
            Ok(answer) => scraped(answer.status, &String::from_utf8_lossy(&answer.bytes)),
            Err(error) => Answer::No(format!("{error:#}")),
        },
        None => ask(SCRAPED),
    };
    vec![
        ("Full system backup", backup),
        ("A checkpoint kept elsewhere", checkpoint),
        ("Increase monitoring frequency", metrics),
        ("Scale to maximum capacity", ask("do as many nodes run as the cost model asks for, and one more?")),
        (
            "Clear all caches",
            ask("not needed here: a commit drops what is old; are proxies before it empty?"),
        ),
        ("Notify on-call team", ask("does everybody on call know the date, the hour and this list?")),
        (
            "Test rollback procedures",
            ask("has the binary before this one been started on a restored backup?"),
        ),
        ("A drill of the day before", ask("did `holdfast drill --local --profile day-before` hold?")),
    ]
}

async fn hour_before(client: &Client, operators: Option<&Client>) -> Items {
    let ready = match client.get("/ready").await {
        Ok(answer) if answer.status == 200 => Answer::Yes("the target says that it is ready".to_owned()),
        Ok(answer) => Answer::No(format!("/ready gave {}", answer.status)),
        Err(error) => Answer::No(format!("{error:#}")),
    };
    let stopwatch = stopwatch();
    let quick = match client.get("/health").await {
        Ok(answer) => quick(answer.status, stopwatch.elapsed()),
        Err(error) => Answer::No(format!("{error:#}")),
    };
    let front = match operators {
        Some(operators) => match operators.get("/front").await {
            Ok(answer) => limits(answer.status, &answer.json()),
            Err(error) => Answer::No(format!("{error:#}")),
        },
        None => ask("are limits, waiting rooms and inspection set as they were drilled?"),
    };
    vec![
        ("Ready", ready),
        ("Answers quickly", quick),
        (
            "Warm up caches",
            ask("has somebody opened what most people will open first, since the last restart?"),
        ),
        ("Limits as they were drilled", front),
        ("Pre-scale infrastructure", ask("do all nodes that will be needed answer /ready?")),
        ("Enable detailed logging", ask("is there room for a day of logs, and are they kept elsewhere too?")),
        ("Start screen recording", ask("who records the dashboard?")),
        ("Join war room", ask("is everybody there, and who decides?")),
    ]
}

fn quick(status: u16, took: Duration) -> Answer {
    let took_ms = took.as_millis();
    match status {
        200 if took <= QUICK_MAX => Answer::Yes(format!("/health answers in {took_ms} ms")),
        200 => Answer::No(format!("/health takes {took_ms} ms")),
        status => Answer::No(format!("/health gave {status}")),
    }
}

/// A rule in words; nothing if it is none.
fn rule(rule: &Value) -> Option<String> {
    let (name, limit) = (rule["name"].as_str()?, rule["limit"].as_u64()?);
    Some(format!("{name} {limit} in {} s", Duration::from_millis(rule["windowMs"].as_u64()?).as_secs_f64()))
}

/// A problem is an object too: only the rules themselves say that there are any. Whether they are those of the drill people know.
fn limits(status: u16, front: &Value) -> Answer {
    let rules = front["rules"].as_array().map(|rules| rules.iter().map(rule).collect::<Option<Vec<_>>>());
    match rules {
        _ if status != 200 => Answer::No(format!("/front gave {status}")),
        Some(Some(rules)) if !rules.is_empty() => Answer::Ask(format!(
            "{} limits hold, of which {} thousandths are given at present: {}; are they, waiting rooms and inspection as they were drilled?",
            rules.len(),
            front["givenPermille"].as_u64().unwrap_or_default(),
            rules.join(", ")
        )),
        Some(Some(_)) => Answer::No("no limit holds at all".to_owned()),
        Some(None) | None => Answer::No("/front does not say which limits hold".to_owned()),
    }
}

async fn during(operators: Option<&Client>) -> Items {
    let dashboard = match metric(operators, "ledger_entries").await {
        Some(entries) => Answer::Ask(format!(
            "the ledger has {entries:.0} entries: who watches the dashboard, and who is next?"
        )),
        None => ask("who watches the dashboard, and who is next?"),
    };
    vec![
        ("Monitor dashboard", dashboard),
        ("Document any issues", ask("who writes down what happened when?")),
        ("Real-time optimization", ask("which settings may be changed by SIGHUP, and who may decide it?")),
        ("Communicate with test team", ask("by which line?")),
        ("Take performance snapshots", ask("is every checkpoint and /metrics kept each minute?")),
    ]
}

fn after() -> Items {
    vec![
        (
            "Generate report",
            ask("`holdfast drill --report FOLDER`, and `holdfast verify` on a copy of the data?"),
        ),
        ("Analyze bottlenecks", ask("which part of the report has the longest bar?")),
        ("Plan improvements", ask("what is changed before the next time, and by whom?")),
        ("Thank the team", ask("was everybody thanked?")),
        ("Celebrate success!", ask("where?")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_said_is_ticked() {
        let rule = json!({"name": "address", "by": ["address"], "limit": 1000, "windowMs": 1500});
        let rules = json!({"givenPermille": 1000, "rules": [rule]});
        let Answer::Ask(question) = limits(200, &rules) else {
            panic!("only people know which were drilled")
        };
        assert!(question.contains("address 1000 in 1.5 s"), "{question}");
        // Something that is no rule is none.
        assert!(matches!(limits(200, &json!({"rules": [1]})), Answer::No(_)));
        assert!(matches!(scraped(200, "hi"), Answer::No(_)));
        assert!(matches!(scraped(404, "process_start_time_seconds 7"), Answer::No(_)));
        assert!(matches!(scraped(200, "process_start_time_seconds 7"), Answer::Ask(_)));
        // A problem as RFC 9457 has it.
        let problem = json!({"type": "about:blank", "title": "Not Found", "status": 404});
        for (status, front) in [(404, &problem), (200, &problem), (404, &rules), (200, &json!({"rules": []}))]
        {
            assert!(matches!(limits(status, front), Answer::No(_)), "{status} {front}");
        }
        assert!(matches!(quick(200, Duration::from_millis(3)), Answer::Yes(_)));
        assert!(matches!(quick(404, Duration::from_millis(3)), Answer::No(_)));
        assert!(matches!(quick(200, Duration::from_secs(12)), Answer::No(_)));
    }
}
