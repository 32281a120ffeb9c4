//! Guessing: passwords are guessed slowly at best, tokens not at all, and whom it is about signs in all the while.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use report::{Area, Outcome};

use super::{answered, is_put_off, raw};
use crate::{
    client::Client,
    ground::{Ground, sign_in},
};

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
    let (mut against, mut seen) = (Vec::new(), Vec::new());
    for guess in 0..GUESSES {
        let body = json!({"userId": person.user, "credentials": format!("not the password, guess {guess}")});
        let kind = "content-type: application/json\r\n";
        let request = raw::request(&ground.target, "POST", "/api/v1/authenticate", kind, &body.to_string());
        match raw::status(&raw::ask(&ground.target, raw::address(ground, 200), &request)?) {
            Some(status @ (401 | 429)) => seen.push(status),
            status => against.push(format!("a wrong password gave {status:?}")),
        }
    }
    let stopped = Stopped::of(&seen);
    against.extend(stopped.against());
    if ground.local.is_some()
        && let Err(error) = ground.block_on(sign_in(&ground.client, &person.user, &person.password))
    {
        against.push(format!(
            "the person themselves cannot sign in any more from where they always did: {error:#}"
        ));
    }
    against.truncate(TOLD_MAX);
    let Stopped { after, looked_at, looked_at_then, .. } = stopped;
    let when = after.map_or_else(|| "never".to_owned(), |guess| format!("after {guess}"));
    let detail = format!(
        "{GUESSES} guesses from one network, of which {looked_at} were looked at, stopped {when}; {looked_at_then} were looked at then"
    );
    ground.found(Area::Attack, name, title, tried(looked_at), detail, against);
    Ok(())
}

/// Whether a guesser was stopped, and stayed so.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stopped {
    /// The guess that was the first to be refused unseen.
    after: Option<usize>,
    looked_at: usize,
    /// How many came after that, and how many of them were looked at all the same.
    then: usize,
    looked_at_then: usize,
}

impl Stopped {
    fn of(seen: &[u16]) -> Self {
        let looked = |seen: &[u16]| seen.iter().filter(|status| **status == 401).count();
        let after = seen.iter().position(|status| *status == 429);
        let then = after.map_or(&[][..], |first| &seen[first + 1..]);
        Self { after, looked_at: looked(seen), then: then.len(), looked_at_then: looked(then) }
    }

    /// A limit lets somebody in again as time goes on: one in five, and not as if nothing had happened.
    fn against(&self) -> Option<String> {
        match self.after {
            None => Some(format!("nobody stopped {GUESSES} wrong passwords of one person from one network")),
            Some(_) if self.looked_at_then * 5 > self.then => Some(format!(
                "of {} guesses after the first that was stopped {} were looked at",
                self.then, self.looked_at_then
            )),
            Some(_) => None,
        }
    }
}

/// Whoever is stopped before anything was guessed was stopped for something else.
const fn tried(looked_at: usize) -> Outcome {
    if looked_at == 0 { Outcome::Invalid } else { Outcome::Passed }
}

/// Makes up tokens, and changes bits of one that holds.
pub(super) fn tokens(ground: &mut Ground) -> anyhow::Result<()> {
    let (name, title) = ("attack/tokens", "A token that was made up or changed is worth nothing");
    let people = std::sync::Arc::clone(&ground.people);
    // Not the one whose password was guessed: they may have to wait.
    let Some(person) = people.citizens.last() else {
        ground.skipped(Area::Attack, name, title, "there is nobody with a token");
        return Ok(());
    };
    let known = ground.block_on(sign_in(&ground.client, &person.user, &person.password))?;
    let (mut against, mut untold) = (Vec::new(), Vec::new());
    // That the changed ones are refused says something if this one is not, before and after.
    let holds = |ground: &Ground| ground.block_on(whose(&ground.client, &known));
    let before = holds(ground)?;
    if !is_put_off(before) && before != 200 {
        against.push(format!("a token that was just given gave {before}"));
    }
    let bytes = URL_SAFE_NO_PAD.decode(&known).ok().filter(|bytes| before == 200 && !bytes.is_empty());
    let Some(bytes) = bytes else {
        let detail =
            format!("a token that was just given gave {before}, or is no base64url: there is none to change");
        ground.found(Area::Attack, name, title, Outcome::Invalid, detail, against);
        return Ok(());
    };
    for guess in guesses(ground.seed, &bytes) {
        match ground.block_on(whose(&ground.client, &URL_SAFE_NO_PAD.encode(guess)))? {
            401 => {}
            status if is_put_off(status) => untold.push(format!("a guess gave {status}")),
            status => against.push(format!("a token that was made up gave {status}")),
        }
    }
    let after = holds(ground)?;
    if after != 200 {
        untold.push(format!("the token that was changed gave {after} itself afterwards"));
    }
    against.truncate(TOLD_MAX);
    let detail = format!("{TOKENS} made-up tokens, half of them one bit from one that held before and after");
    ground.judged_if_told((Area::Attack, name), title, detail, against, &untold);
    Ok(())
}

/// Half of them by chance, and half of them one bit from one that holds.
fn guesses(seed: u64, known: &[u8]) -> Vec<Vec<u8>> {
    let mut dice = StdRng::seed_from_u64(seed);
    let one = |number: usize| {
        let mut guess = known.to_vec();
        if number.is_multiple_of(2) {
            dice.fill_bytes(&mut guess);
        } else {
            let bit = dice.random_range(0..guess.len() * 8);
            guess[bit / 8] ^= 1 << (bit % 8);
        }
        guess
    };
    (0..TOKENS).map(one).collect()
}

/// What is answered to whoever asks whose token this is.
async fn whose(client: &Client, token: &str) -> anyhow::Result<u16> {
    let caller = client.with_token(token);
    answered(async || Ok(caller.get("/api/v1/session").await?.status)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_puts_every_guess_off_was_not_guessed_at() {
        assert_eq!(tried(0), Outcome::Invalid);
        assert_eq!(tried(5), Outcome::Passed);
    }

    #[test]
    fn who_is_stopped_once_among_forty_guesses_was_not_stopped() {
        let against = |stopped: &dyn Fn(usize) -> bool| {
            let seen: Vec<_> = (0..GUESSES).map(|guess| if stopped(guess) { 429 } else { 401 }).collect();
            Stopped::of(&seen).against()
        };
        assert_eq!(against(&|guess| guess >= 10), None);
        assert_eq!(against(&|guess| guess >= 10 && guess != 20), None, "time went on");
        assert!(against(&|guess| guess == 19).is_some_and(|why| why.contains("of 20 guesses")));
        assert!(against(&|_| false).is_some());
    }

    #[test]
    fn a_guess_is_never_the_token_itself_and_half_are_one_bit_from_it() {
        let known = [0x5a; 64];
        let apart = |guess: &[u8]| -> u32 {
            guess.iter().zip(known).map(|(one, other)| (one ^ other).count_ones()).sum()
        };
        let apart: Vec<_> = guesses(7, &known).iter().map(|guess| apart(guess)).collect();
        assert!(apart.iter().all(|bits| *bits > 0));
        assert_eq!(apart.iter().filter(|bits| **bits == 1).count(), TOKENS / 2);
    }
}
