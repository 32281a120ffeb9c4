//! Guessing: passwords are guessed slowly at best, tokens not at all, and whom it is about signs in all the while.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use report::Area;

use super::raw;
use crate::ground::{Ground, sign_in};

const GUESSES: usize = 40;
const TOKENS: usize = 200;
const TOLD_MAX: usize = 5;

/// Guesses one person's password from one network.
pub(super) fn passwords(ground: &mut Ground) -> anyhow::Result<()> {
    let (name, title) = ("attack/passwords", "Whoever guesses passwords is stopped, and whose it is is not");
    let people = std::sync::Arc::clone(&ground.people);
    let Some(person) = people.citizens.first() else {
        ground.skipped(Area::Attack, name, title, "there is nobody with a password");
        return Ok(());
    };
    let (mut against, mut stopped_after) = (Vec::new(), None);
    for guess in 0..GUESSES {
        let body = json!({"userId": person.user, "credentials": format!("not the password, guess {guess}")});
        let kind = "content-type: application/json\r\n";
        let request = raw::request(&ground.target, "POST", "/api/v1/authenticate", kind, &body.to_string());
        match raw::status(&raw::ask(&ground.target, raw::address(ground, 200), &request)?) {
            Some(401) => {}
            Some(429) => {
                stopped_after.get_or_insert(guess);
            }
            status => against.push(format!("a wrong password gave {status:?}")),
        }
    }
    if stopped_after.is_none() {
        against.push(format!("nobody stopped {GUESSES} wrong passwords of one person from one network"));
    }
    if ground.local.is_some()
        && let Err(error) = ground.block_on(sign_in(&ground.client, &person.user, &person.password))
    {
        against.push(format!(
            "the person themselves cannot sign in any more from where they always did: {error:#}"
        ));
    }
    against.truncate(TOLD_MAX);
    let stopped = stopped_after.map_or_else(|| "never".to_owned(), |guess| format!("after {guess}"));
    ground.judged(
        Area::Attack,
        name,
        title,
        format!("{GUESSES} guesses from one network, stopped {stopped}"),
        against,
    );
    Ok(())
}

/// Makes up tokens, and changes bits of one that holds.
pub(super) fn tokens(ground: &mut Ground) -> anyhow::Result<()> {
    let mut dice = StdRng::seed_from_u64(ground.seed);
    let people = std::sync::Arc::clone(&ground.people);
    let known = people.citizens.first().map(|person| person.token.clone()).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(&known).unwrap_or_default();
    let mut against = Vec::new();
    for number in 0..TOKENS {
        let mut guess = bytes.clone();
        if number % 2 == 0 || guess.is_empty() {
            guess = vec![0; bytes.len().max(96)];
            dice.fill_bytes(&mut guess);
        } else {
            let bit = dice.random_range(0..guess.len() * 8);
            guess[bit / 8] ^= 1 << (bit % 8);
        }
        let guess = URL_SAFE_NO_PAD.encode(guess);
        let answer = ground.block_on(ground.client.with_token(&guess).get("/api/v1/session"))?;
        if answer.status != 401 {
            against.push(format!("a token that was made up gave {}", answer.status));
        }
    }
    against.truncate(TOLD_MAX);
    let detail = format!("{TOKENS} made-up tokens, half of them one bit from one that holds");
    let title = "A token that was made up or changed is worth nothing";
    ground.judged(Area::Attack, "attack/tokens", title, detail, against);
    Ok(())
}
