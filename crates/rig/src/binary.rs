//! The binary under test, built once for a test run.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

/// The binary under test, to be run in a role.
#[must_use]
pub fn command() -> Command {
    Command::new(holdfast())
}

/// The path of `holdfast`, which is built first, as the caller was, if it is not up to date.
pub(crate) fn holdfast() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // Tests lie in `target/<profile>/deps`, programs in `target/<profile>`, the binary among them.
        let own = env::current_exe().expect("a program knows its own path");
        let profile = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
        let profile = profile.expect("a test lies in target/<profile>/deps");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // With the features of the whole workspace, which the tests are compiled with.
        build
            .args(["build", "--quiet", "--workspace", "--bin", "holdfast"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo can be run");
        assert!(built.success(), "holdfast does not build");
        profile.join("holdfast")
    })
}
