//! The settings of a gateway.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use clock::Clock;
use edge::{EdgeConfig, LimitsConfig, Part, Route};
use gateway::{Balance, CacheConfig, Gateway, HashBy};

use super::{front_of, ports, shared, unused};
use crate::gateway::GatewaySettings;

/// Checks the settings of a gateway, and tells in sentences which of them have no effect.
///
/// # Errors
/// When they cannot be used; it says which.
pub(crate) fn check(settings: &GatewaySettings) -> anyhow::Result<Vec<String>> {
    shared(&settings.log, &settings.traces)?;
    let [public, admin] = [settings.public.address, settings.admin.address];
    ensure!(public != admin || public.port() == 0, "the public and the admin address are the same, {admin}");
    ports([("public", &settings.public), ("admin", &settings.admin)], &settings.clients)?;
    front_of(&settings.front())?;
    settings.check_rooms()?;
    webhook::check(&settings.webhook, settings.keys.is_some())
        .context("cannot use the settings [webhook]")?;
    super::authority("redis", settings.redis.ca_file.as_deref())?;
    Gateway::new(settings.table(), settings.terms(), Clock::System)?;
    Ok(without_effect(settings))
}

fn without_effect(settings: &GatewaySettings) -> Vec<String> {
    let GatewaySettings { clients, limits, inspection, redis, routes, pools, .. } = settings;
    let mut unused = Vec::new();
    unused::front(&mut unused, clients, limits, inspection, redis.urls.is_empty());
    unused::redis(&mut unused, redis);
    unused::webhook(&mut unused, &settings.webhook);
    unused::traces(&mut unused, &settings.traces);
    of_the_edge(&mut unused, settings);
    of_persons(&mut unused, limits);
    if settings.cache != CacheConfig::default() && !routes.iter().any(|route| route.cache) {
        unused.push("[cache] has settings and no route has `cache = true`: they have no effect".to_owned());
    }
    let canaries = routes.iter().filter_map(|route| route.canary.as_ref().map(|canary| &canary.pool));
    let led_to: BTreeSet<_> = routes.iter().flat_map(|route| route.pools.keys()).chain(canaries).collect();
    for (name, pool) in pools {
        if !led_to.contains(name) {
            unused.push(format!("no route leads to the pool `{name}`, until an operator moves one there"));
        }
        if pool.hash_by != HashBy::default() && pool.balance != Balance::Hash {
            unused.push(format!("pools.{name}.hash-by has no effect, because `balance` is not `hash`"));
        }
    }
    let is_served = |asked: &Route| routes.iter().any(|route| asked.covers_below(&route.path));
    unused::routes(&mut unused, limits, &settings.waiting_rooms, is_served);
    unused
}

/// A gateway knows nobody: whoever is behind it does.
fn of_persons(unused: &mut Vec<String>, limits: &LimitsConfig) {
    for rule in &limits.rules {
        let name = &rule.name;
        if !rule.kinds.is_empty() || rule.by.iter().any(|part| matches!(part, Part::Person | Part::Kind)) {
            unused.push(format!(
                "the rule `{name}` of [limits] counts nobody: who a person is, and of which kind, a gateway does not know"
            ));
        }
        if !rule.more.is_empty() {
            unused.push(format!(
                "`more` of the rule `{name}` has no effect: a gateway does not know who a person is"
            ));
        }
    }
}

/// Bodies stream through, and pools have times of their own.
fn of_the_edge(unused: &mut Vec<String>, settings: &GatewaySettings) {
    let (given, defaults) = (&settings.edge, EdgeConfig::default());
    for (name, set, instead) in [
        (
            "body-bytes-max",
            given.body_bytes_max != defaults.body_bytes_max,
            "`body-bytes-max` beside the tables",
        ),
        ("answer-ms-max", given.answer_ms_max != defaults.answer_ms_max, "`times` of the pools"),
    ] {
        if set {
            unused.push(format!(
                "edge.{name} holds for the operators' port alone; what is passed on is bounded by {instead}"
            ));
        }
    }
    if given.overload != defaults.overload && !settings.routes.iter().any(|route| route.overload) {
        unused.push(
            "[edge.overload] has settings and no route has `overload = true`: they have no effect".to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[pools.a]\nupstreams = [{ address = \"a:1\" }]\n\
                        [[routes]]\nname = \"all\"\npath = \"/api\"\npools = { a = 1 }\n";

    #[track_caller]
    fn check_unused(more: &str, said: &[&str]) {
        let settings: GatewaySettings = toml::from_str(&format!("{GOOD}{more}")).expect("settings");
        let unused = check(&settings).expect("they can be used");
        assert_eq!(unused.len(), said.len(), "{unused:?}");
        for (unused, said) in unused.iter().zip(said) {
            assert!(unused.contains(said), "{unused}");
        }
    }

    #[test]
    fn settings_of_a_gateway_that_do_nothing_are_told_of() {
        check_unused("", &[]);
        for (more, said) in [
            ("[pools.b]\nupstreams = [{ address = \"b:1\" }]", "the pool `b`"),
            (
                "[pools.b]\nupstreams = [{ address = \"b:1\" }]\nhash-by = { cookie = \"seat\" }",
                "the pool `b`",
            ),
            ("[cache]\nbytes-max = 7", "[cache]"),
            ("[edge.overload]\nroutes-max = 7", "[edge.overload]"),
            ("[edge]\nbody-bytes-max = 7", "`body-bytes-max` beside the tables"),
            ("[edge]\nanswer-ms-max = 70000", "`times` of the pools"),
            ("[redis]\nprefix = \"x\"", "[redis]"),
            (
                "[[limits.rules]]\nname = \"mine\"\nby = [\"person\"]\n\
                 quota = { algorithm = \"sliding-window\", limit = 2, window-ms = 1000 }",
                "the rule `mine` of [limits] counts nobody",
            ),
            (
                "[[limits.rules]]\nname = \"mine\"\nby = [\"address\"]\nmore = [{ kind = \"government\", times = 9 }]\n\
                 quota = { algorithm = \"sliding-window\", limit = 2, window-ms = 1000 }",
                "`more` of the rule `mine`",
            ),
        ] {
            let settings: GatewaySettings = toml::from_str(&format!("{GOOD}{more}")).expect(more);
            let unused = check(&settings).expect("they can be used");
            assert!(unused.iter().any(|unused| unused.contains(said)), "{more}: {unused:?}");
        }
    }

    #[test]
    fn a_limit_beside_all_routes_is_told_of_and_one_above_or_below_is_not() {
        let rule = |route: &str| {
            format!(
                "[[limits.rules]]\nname = \"mine\"\nroutes = [\"{route}\"]\nby = [\"address\"]\n\
                 quota = {{ algorithm = \"sliding-window\", limit = 2, window-ms = 1000 }}\n"
            )
        };
        check_unused(&rule("/api/visits"), &[]);
        check_unused(&rule("/*"), &[]);
        check_unused(&rule("/apis/*"), &["`/apis/*`"]);
    }

    #[test]
    fn what_a_start_would_refuse_is_refused() {
        for (more, said) in [
            ("[webhook]\nurl = \"https://ops.example/\"", "nothing to sign with"),
            ("[public]\nproxy-protocol = true", "trusted-proxies"),
            (
                "[[routes]]\nname = \"more\"\npath = \"/x\"\npools = { a = 1 }\ncanary = { pool = \"a\", percent = 101 }",
                "percent",
            ),
            ("[admin]\naddress = \"127.0.0.1:8080\"", "the same"),
        ] {
            let settings: GatewaySettings = toml::from_str(&format!("{GOOD}{more}")).expect(more);
            let error = check(&settings).expect_err(more);
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
