//! The binary under test, built once for a test run.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

/// The path of `holdfast`, which is built first if it is not up to date.
pub(crate) fn holdfast() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "server"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = build.status().expect("cargo can be run");
        assert!(built.success(), "holdfast does not build");
        // Tests lie in `target/<profile>/deps`, the binary beside that folder.
        let test = env::current_exe().expect("a test knows its own path");
        let profile =
            test.parent().and_then(|deps| deps.parent()).expect("a test lies in target/<profile>/deps");
        profile.join("holdfast")
    })
}
