//! Texts that mean something to some machine, where a name, a number or a password belongs.

use serde_json::json;

use report::Area;

use super::{is_put_off, is_refused, lines, raw};
use crate::ground::Ground;

const LIST: &str = include_str!("../../lists/injections.txt");
const NAME: &str = "attack/injections";
const TITLE: &str = "Injections get nothing, and break nothing";
const TOLD_MAX: usize = 5;

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let (mut against, mut untold, mut refused) = (Vec::new(), Vec::new(), 0);
    for (number, text) in lines(LIST).enumerate() {
        // Each from a network of its own, so that no limit hides what the rest would do.
        let from = raw::address(ground, u8::try_from(number % 100)?);
        let body = json!({"userId": text, "credentials": text}).to_string();
        let kind = "content-type: application/json\r\n";
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for request in [
            raw::request(&ground.target, "POST", "/api/v1/authenticate", kind, &body),
            raw::request(
                &ground.target,
                "GET",
                &format!("/ledger/identity/consistency?from={escaped}&to=1"),
                "",
                "",
            ),
            raw::request(&ground.target, "GET", &format!("/ledger/{escaped}/checkpoint"), "", ""),
            raw::request(
                &ground.target,
                "GET",
                "/api/v1/session",
                &format!("authorization: Bearer {escaped}\r\n"),
                "",
            ),
        ] {
            match raw::tried(ground, from, &request)? {
                Some(status) if is_refused(status) => refused += 1,
                Some(status) if is_put_off(status) => untold.push(format!("{text} gave {status}")),
                status => against.push(format!("{text} gave {status:?}")),
            }
        }
    }
    against.truncate(TOLD_MAX);
    let detail = format!("{refused} requests were looked at and refused with 4xx");
    ground.judged_if_told((Area::Attack, NAME), TITLE, detail, against, &untold);
    Ok(())
}
