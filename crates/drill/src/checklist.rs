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
    /// Only people know.
    Ask(&'static str),
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
        None => Answer::Ask("is there a backup, and has it been restored somewhere else today?"),
    };
    let checkpoint = match look(client).await {
        Ok(seen) => Answer::Yes(format!("the newest checkpoint covers {} entries", seen.checkpoint.size())),
        Err(error) => Answer::No(format!("there is no checkpoint to compare with afterwards: {error:#}")),
    };
    let metrics = match operators {
        Some(operators) => match operators.get("/metrics").await {
            Ok(answer) if answer.status == 200 => {
                Answer::Yes("the operators' port tells its metrics".to_owned())
            }
            Ok(answer) => Answer::No(format!("/metrics gave {}", answer.status)),
            Err(error) => Answer::No(format!("{error:#}")),
        },
        None => Answer::Ask("are metrics scraped at least every 15 s, and do the alerts reach a person?"),
    };
    vec![
        ("Full system backup", backup),
        ("A checkpoint kept elsewhere", checkpoint),
        ("Increase monitoring frequency", metrics),
        (
            "Scale to maximum capacity",
            Answer::Ask("do as many nodes run as the cost model asks for, and one more?"),
        ),
        (
            "Clear all caches",
            Answer::Ask("not needed here: a commit drops what is old; are proxies before it empty?"),
        ),
        ("Notify on-call team", Answer::Ask("does everybody on call know the date, the hour and this list?")),
        (
            "Test rollback procedures",
            Answer::Ask("has the binary before this one been started on a restored backup?"),
        ),
        ("A drill of the day before", Answer::Ask("did `holdfast drill --local --profile day-before` hold?")),
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
        None => Answer::Ask("are limits, waiting rooms and inspection set as they were drilled?"),
    };
    vec![
        ("Ready", ready),
        ("Answers quickly", quick),
        (
            "Warm up caches",
            Answer::Ask("has somebody opened what most people will open first, since the last restart?"),
        ),
        ("Limits as they were drilled", front),
        ("Pre-scale infrastructure", Answer::Ask("do all nodes that will be needed answer /ready?")),
        (
            "Enable detailed logging",
            Answer::Ask("is there room for a day of logs, and are they kept elsewhere too?"),
        ),
        ("Start screen recording", Answer::Ask("who records the dashboard?")),
        ("Join war room", Answer::Ask("is everybody there, and who decides?")),
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

/// A problem is an object too: only the rules themselves say that there are any.
fn limits(status: u16, front: &Value) -> Answer {
    match front["rules"].as_array() {
        _ if status != 200 => Answer::No(format!("/front gave {status}")),
        Some(rules) if !rules.is_empty() => Answer::Yes(format!("{} limits hold", rules.len())),
        Some(_) => Answer::No("no limit holds at all".to_owned()),
        None => Answer::No("/front does not say which limits hold".to_owned()),
    }
}

async fn during(operators: Option<&Client>) -> Items {
    let dashboard = match metric(operators, "ledger_entries").await {
        Some(entries) => Answer::Yes(format!("the ledger has {entries:.0} entries")),
        None => Answer::Ask("who watches the dashboard, and who is next?"),
    };
    vec![
        ("Monitor dashboard", dashboard),
        ("Document any issues", Answer::Ask("who writes down what happened when?")),
        (
            "Real-time optimization",
            Answer::Ask("which settings may be changed by SIGHUP, and who may decide it?"),
        ),
        ("Communicate with test team", Answer::Ask("by which line?")),
        ("Take performance snapshots", Answer::Ask("is every checkpoint and /metrics kept each minute?")),
    ]
}

fn after() -> Items {
    vec![
        (
            "Generate report",
            Answer::Ask("`holdfast drill --report FOLDER`, and `holdfast verify` on a copy of the data?"),
        ),
        ("Analyze bottlenecks", Answer::Ask("which part of the report has the longest bar?")),
        ("Plan improvements", Answer::Ask("what is changed before the next time, and by whom?")),
        ("Thank the team", Answer::Ask("was everybody thanked?")),
        ("Celebrate success!", Answer::Ask("where?")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_said_is_ticked() {
        let rules = json!({"givenPermille": 1000, "rules": [{"name": "address"}]});
        assert!(matches!(limits(200, &rules), Answer::Yes(_)));
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
