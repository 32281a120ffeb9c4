//! `cargo xtask api-check`: the API as it is served, tried against its own description.
//!
//! Schemathesis reads `/openapi.json`, makes requests that fit it and requests that do not, and compares the
//! answers with what the description promises. A seed makes each run the same.

mod served;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{environment, tell};
use served::Served;

/// What makes the requests. Another version of Hypothesis makes others from the same seed.
const PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "hypothesis==6.170.15"];

/// Change it to see other requests.
const SEED: &str = "20240229";
/// Requests for each operation and phase, beside those for each corner of its description.
const EXAMPLES: &str = "100";

/// What is compared. That valid data is always accepted is not: passwords are also judged by how hard they
/// are to guess, which no description can say.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    missing_required_header,unsupported_method,allow_header_conformance,ignored_auth";

/// Operations that may end sessions of whoever they are about: they are tried on a person made for it.
const ENDS_OTHERS: &str = "^(erase|change_standing|end_sessions_of|end_session)$";
/// Operations that end the session in which they are asked, so each is tried in one of its own.
const ENDS_OWN: [&str; 2] = ["^sign_out$", "^sign_out_everywhere$"];

/// Parameters that no generator could guess.
const KNOWN: &str =
    "[parameters]\n\"path.service\" = \"identity\"\n\"path.index\" = 0\n\"path.queue\" = \"sweeps\"\n";

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let schemathesis = environment::ensure(root, "schemathesis", &PACKAGES)?.join("schemathesis");
    let check = Check { schemathesis, served: Served::start(root)? };
    let token = check.served.sign_in()?;
    let others = [ENDS_OTHERS, ENDS_OWN[0], ENDS_OWN[1]].join("|");
    check.pass("what leaves sessions alone", &token, ["--exclude-operation-id-regex", &others], KNOWN)?;
    let person = check.registered(&token)?;
    check.pass(
        "what ends others' sessions",
        &token,
        ["--include-operation-id-regex", ENDS_OTHERS],
        &person,
    )?;
    let (status, _) = check.served.ask("GET", "/api/v1/session", Some(&token), None)?;
    ensure!(status == 200, "an operation ended the session in which all were tried: list it in ENDS_OTHERS");
    for operation in ENDS_OWN {
        let token = check.served.sign_in()?;
        check.pass("what ends one's own session", &token, ["--include-operation-id-regex", operation], "")?;
    }
    Ok(())
}

struct Check {
    schemathesis: PathBuf,
    served: Served,
}

impl Check {
    /// Tries some operations, with a token and with settings of Schemathesis.
    fn pass(&self, name: &str, token: &str, which: [&str; 2], settings: &str) -> anyhow::Result<()> {
        tell(&format!("--> {name}"));
        let file = self.served.folder().join("schemathesis.toml");
        fs::write(&file, settings)?;
        let mut command = Command::new(&self.schemathesis);
        command.current_dir(self.served.folder()).arg("--config-file").arg(file);
        command.args(["--no-color", "run"]).arg(self.served.url("/openapi.json")).args(which);
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES]);
        command.args(["--checks", CHECKS, "--seed", SEED, "--workers", "1", "--warnings", "off"]);
        command.args(["--generation-database", "none", "--continue-on-failure", "--no-shrink"]);
        // The token is shown as an argument to nobody but this machine; the error must not show it either.
        let status = command.status().context("cannot start Schemathesis")?;
        ensure!(status.success(), "the API and its description differ in {name}: see above");
        Ok(())
    }

    /// Somebody to try things on, as settings.
    fn registered(&self, token: &str) -> anyhow::Result<String> {
        let body = json!({"userId": "somebody", "password": "kelp holds fast in winter storms"});
        let (status, answer) = self.served.ask("POST", "/api/v1/persons", Some(token), Some(&body))?;
        let person = answer.get("personId").and_then(Value::as_str);
        let person = person.with_context(|| format!("cannot register somebody: {status} {answer}"))?;
        Ok(format!("[parameters]\n\"path.person_id\" = \"{person}\"\n"))
    }
}
