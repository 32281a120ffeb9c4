//! The first start: somebody must be able to sign in and register the others.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, ensure};
use authz::{Actor, PersonKind, Role};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::Clock;
use identity::{FIRST_ADMINISTRATOR, Identity, NewPerson, Password};

use crate::tell;

/// Registers an administrator if there is none, and says once how to sign in. The password goes into
/// a file that only its owner reads: what is printed may end in a log.
pub(crate) async fn ensure_administrator(
    identity: &Identity,
    clock: &Clock,
    file: &Path,
) -> anyhow::Result<()> {
    if has_administrator(identity).await? {
        return Ok(());
    }
    let password = URL_SAFE_NO_PAD.encode(clock.random::<18>());
    // Before the person exists: a crash between the two leaves a password of nobody, which the next start
    // replaces, and never an administrator whose password nobody knows.
    write(file, &password).with_context(|| format!("cannot write {}", file.display()))?;
    let administrator = NewPerson {
        name: FIRST_ADMINISTRATOR.parse().context("the administrator's name is a name")?,
        password: Some(Password::from(password)),
        device_key: None,
        kind: PersonKind::Staff,
        roles: [Role::Administrator].into_iter().collect(),
        address: None,
    };
    let registered = identity.register(&Actor::service("first-start"), administrator, None).await;
    if let Err(problem) = registered {
        // What was written is the password of nobody.
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        // Another node may have been faster.
        ensure!(
            has_administrator(identity).await?,
            "cannot register the administrator: {}",
            problem.detail()
        );
        return Ok(());
    }
    tell(&format!(
        "An administrator was registered. Sign in as `{FIRST_ADMINISTRATOR}`; the password is in {}.\n\
         Change it, and delete the file: this is said only once.",
        file.display()
    ));
    Ok(())
}

async fn has_administrator(identity: &Identity) -> anyhow::Result<bool> {
    let asked = identity.has_administrator().await;
    asked.map_err(|problem| anyhow::anyhow!("cannot look for an administrator: {}", problem.detail()))
}

fn write(file: &Path, password: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(password.as_bytes())?;
    file.sync_all()
}
