//! The first start: somebody must be able to sign in and register the others.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use authz::{Actor, PersonKind, Role};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::Clock;
use identity::{Identity, NewPerson, Password};

use crate::tell;

/// The first administrator's sign-in name.
const NAME: &str = "administrator";

/// Registers an administrator if the ledger is empty, and says once how to sign in. The password goes into
/// a file that only its owner reads: what is printed may end in a log.
pub(crate) async fn ensure_administrator(
    identity: &Identity,
    clock: &Clock,
    file: &Path,
) -> anyhow::Result<()> {
    if identity.ledger().head().size > 0 {
        return Ok(());
    }
    let password = URL_SAFE_NO_PAD.encode(clock.random::<18>());
    // Before the person exists: a crash between the two leaves a password of nobody, which the next start
    // replaces, and never an administrator whose password nobody knows.
    write(file, &password).with_context(|| format!("cannot write {}", file.display()))?;
    let administrator = NewPerson {
        name: NAME.parse().context("the administrator's name is a name")?,
        password: Some(Password::from(password)),
        device_key: None,
        kind: PersonKind::Staff,
        roles: [Role::Administrator].into_iter().collect(),
    };
    let registered = identity.register(&Actor::service("first-start"), administrator, None).await;
    registered
        .map_err(|problem| anyhow::anyhow!("cannot register the administrator: {}", problem.detail()))?;
    tell(&format!(
        "An administrator was registered. Sign in as `{NAME}`; the password is in {}.\n\
         Change it, and delete the file: this is said only once.",
        file.display()
    ));
    Ok(())
}

fn write(file: &Path, password: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(password.as_bytes())?;
    file.sync_all()
}
