//! Settings that are read, and do nothing.

use std::fmt::Debug;

use cache::RedisConfig;
use edge::{
    ClientsConfig, EdgeConfig, InspectionConfig, InspectionMode, LimitsConfig, RoomsConfig, Route, Share,
};
use telemetry::TracesConfig;
use webhook::WebhookConfig;

use crate::{api, backup::BackupConfig, settings::Settings};

/// Public routes that the description of the API has nothing of: pages, what they load, and the front's own.
const UNDESCRIBED: [&str; 16] = [
    "/",
    "/elections",
    "/elections/{election}",
    "/elections/{election}/vote",
    "/elections/{election}/check",
    "/elections/{election}/verify",
    "/elections/{election}/trustee",
    "/elections/{election}/ballots",
    "/elections/{election}/ballots/{tracker}",
    "/officer/elections",
    "/officer/elections/{election}",
    "/assets/{version}/{name}",
    "/openapi.json",
    "/.holdfast/challenge",
    "/.holdfast/waiting/{name}",
    "/.holdfast/{name}",
];

/// What of a server's settings has no effect.
pub(super) fn of_a_server(settings: &Settings) -> Vec<String> {
    let mut unused = Vec::new();
    front(
        &mut unused,
        &settings.clients,
        &settings.limits,
        &settings.inspection,
        settings.redis.urls.is_empty(),
    );
    redis(&mut unused, &settings.redis);
    webhook(&mut unused, &settings.webhook);
    traces(&mut unused, &settings.traces);
    let Settings { postgres, backup, edge, .. } = settings;
    let set = [
        ("postgres", "url", postgres.url.is_none() && differs(postgres, &store::PostgresConfig::default())),
        ("backup", "target", backup.target.is_none() && differs(backup, &BackupConfig::default())),
    ];
    for (table, missing, _) in set.into_iter().filter(|(_, _, set)| *set) {
        unused.push(format!("[{table}] has settings and no `{missing}`: they have no effect"));
    }
    times(&mut unused, edge);
    let description = api::openapi();
    let known: Vec<_> = description.paths.paths.keys().map(String::as_str).chain(UNDESCRIBED).collect();
    let is_served = |route: &Route| known.iter().any(|path| route.covers(path));
    routes(&mut unused, &settings.limits, &settings.waiting_rooms, is_served);
    unused
}

/// What the front of any port has.
pub(super) fn front(
    unused: &mut Vec<String>,
    clients: &ClientsConfig,
    limits: &LimitsConfig,
    inspection: &InspectionConfig,
    alone: bool,
) {
    if clients.trusted_proxies.is_empty() && clients.forwarded_in != ClientsConfig::default().forwarded_in {
        unused.push("clients.forwarded-in has no effect, because no proxy is trusted".to_owned());
    }
    let shares = limits.rules.iter().filter(|rule| rule.share != Share::Node);
    for rule in shares.filter(|_| alone) {
        let name = &rule.name;
        unused.push(format!(
            "the limit `{name}` is to be shared, and [redis] has no `urls`: each node counts for itself"
        ));
    }
    let idle = InspectionConfig { mode: InspectionMode::Off, ..inspection.clone() };
    let defaults = InspectionConfig { mode: InspectionMode::Off, ..InspectionConfig::default() };
    if inspection.mode == InspectionMode::Off && idle != defaults {
        unused.push("[inspection] has settings and the mode `off`: they have no effect".to_owned());
    }
}

pub(super) fn redis(unused: &mut Vec<String>, redis: &RedisConfig) {
    if redis.urls.is_empty() && differs(redis, &RedisConfig::default()) {
        unused.push("[redis] has settings and no `urls`: they have no effect".to_owned());
    }
}

pub(super) fn webhook(unused: &mut Vec<String>, webhook: &WebhookConfig) {
    if webhook.url.is_none() && differs(webhook, &WebhookConfig::default()) {
        unused.push("[webhook] has settings and no `url`: they have no effect".to_owned());
    }
}

pub(super) fn traces(unused: &mut Vec<String>, traces: &TracesConfig) {
    if traces.endpoint.is_none() && differs(traces, &TracesConfig::default()) {
        unused.push("[traces] has settings and no `endpoint`: they have no effect".to_owned());
    }
}

fn times(unused: &mut Vec<String>, edge: &EdgeConfig) {
    if edge.body_read_ms_max > edge.answer_ms_max {
        let text =
            "edge.body-read-ms-max has no effect beyond edge.answer-ms-max, of which a body's time is a part";
        unused.push(text.to_owned());
    }
}

/// Limits and rooms whose routes nobody serves. Those that hold by default are for services that may come.
pub(super) fn routes(
    unused: &mut Vec<String>,
    limits: &LimitsConfig,
    rooms: &RoomsConfig,
    is_served: impl Fn(&Route) -> bool,
) {
    let defaults = LimitsConfig::default();
    for rule in limits.rules.iter().filter(|rule| !defaults.rules.contains(rule)) {
        for route in rule.routes.iter().filter(|route| !is_served(route)) {
            unused.push(format!("the limit `{}` is for `{route}`, which nobody serves here", rule.name));
        }
    }
    for room in &rooms.rooms {
        for route in room.routes.iter().filter(|route| !is_served(route)) {
            unused.push(format!(
                "the waiting room `{}` is before `{route}`, which nobody serves here",
                room.name
            ));
        }
    }
}

/// Is anything set? What is said of settings for debugging is all of them, and never leaves this function.
pub(super) fn differs<T: Debug>(given: &T, defaults: &T) -> bool {
    format!("{given:?}") != format!("{defaults:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, said: &[&str]) {
        let settings: Settings = toml::from_str(text).expect("settings");
        let unused = super::super::server(&settings).expect("they can be used");
        assert_eq!(unused.len(), said.len(), "{unused:?}");
        for (unused, said) in unused.iter().zip(said) {
            assert!(unused.contains(said), "{unused}");
        }
    }

    #[test]
    fn the_defaults_all_do_something() {
        check("", &[]);
    }

    #[test]
    fn a_table_without_what_turns_it_on_is_told_of() {
        for (text, said) in [
            ("[redis]\nprefix = \"x\"", "[redis]"),
            ("[webhook]\nqueue-max = 7", "[webhook]"),
            ("[backup]\nevery-ms = 7", "[backup]"),
            ("[postgres]\nconnect-ms-max = 7", "[postgres]"),
            ("[traces]\nsampled-permille = 7", "[traces]"),
            ("[inspection]\nmode = \"off\"\nthreshold = 7", "[inspection]"),
            ("[clients]\nforwarded-in = \"forwarded\"", "clients.forwarded-in"),
            ("[edge]\nbody-read-ms-max = 60000", "edge.body-read-ms-max"),
        ] {
            check(text, &[said]);
        }
    }

    #[test]
    fn rules_for_routes_that_nobody_serves_are_told_of() {
        let rule = |routes: &str, more: &str| {
            format!(
                "[[limits.rules]]\nname = \"mine\"\nroutes = [{routes}]\nby = [\"address\"]\n{more}\n\
                 quota = {{ algorithm = \"sliding-window\", limit = 2, window-ms = 1000 }}\n"
            )
        };
        check(&rule("\"POST /api/v1/authenticate\", \"/elections/7/*\", \"/ledger/*\"", ""), &[]);
        check(&rule("\"/health\", \"POST /api/v1/authentikate\"", ""), &["`POST /api/v1/authentikate`"]);
        check(&rule("\"/health\"", "share = \"fleet\""), &["each node counts for itself"]);
        let room =
            "[[waiting-rooms.rooms]]\nname = \"hall\"\nroutes = [\"/tickets\"]\ncapacity = 1\nlet-in-max = 1";
        check(room, &["the waiting room `hall` is before `/tickets`"]);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_place() {
        for (text, said) in [
            (
                "[public.tls]\nmode = \"files\"\ncertificate = \"/no/such.pem\"\nkey = \"/no/key.pem\"",
                "[public.tls]",
            ),
            ("[inspection]\nrules-file = \"/no/rules.toml\"", "/no/rules.toml"),
            ("[webhook]\nurl = \"https://ops.example/\"\nkey-file = \"/no/key.pem\"", "/no/key.pem"),
            ("[webhook]\nurl = \"https://ops.example/\"\nca-file = \"/no/ca.pem\"", "/no/ca.pem"),
            ("[redis]\nurls = [\"rediss://cache.example\"]\nca-file = \"/no/ca.pem\"", "redis.ca-file"),
            ("[postgres]\nca-file = \"/no/ca.pem\"", "postgres.ca-file"),
            ("[log]\nfilter = \"[[\"", "filter"),
            ("[traces]\nendpoint = \"http://127.0.0.1:1/\"\nsampled-permille = 1001", "1001"),
            ("[public]\nproxy-protocol = true", "trusted-proxies"),
        ] {
            let settings: Settings = toml::from_str(text).expect(text);
            let error = super::super::server(&settings).expect_err(text);
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
