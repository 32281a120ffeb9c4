//! A server that speaks S3: moto, from PyPI, in an environment of its own under the build's folder.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;

use crate::{
    free_port,
    program::{run, start_bound},
};

const PACKAGE: &str = "moto[server]==5.2.5";

/// How long it may take until it serves.
const START_TRIES: u32 = 1_200;
const TRY_EVERY: Duration = Duration::from_millis(25);

/// A server with one bucket.
#[derive(Debug)]
pub struct S3 {
    _folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

/// The bucket that is there from the start.
const BUCKET: &str = "backups";

impl S3 {
    /// Starts one, and makes the bucket.
    ///
    /// # Errors
    /// When it cannot be installed or does not start.
    #[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
    pub fn start() -> anyhow::Result<Self> {
        let program = ensure()?;
        let folder = tempfile::Builder::new().prefix("holdfast-s3-").tempdir()?;
        let port = free_port()?;
        let number = port.to_string();
        let arguments =
            [program.as_path(), Path::new("-H"), Path::new("127.0.0.1"), Path::new("-p"), Path::new(&number)];
        let child = start_bound(None, "KILL", &arguments, folder.path())?;
        let server = Self { _folder: folder, port, child };
        for _ in 0..START_TRIES {
            if server.make_bucket().is_ok() {
                return Ok(server);
            }
            std::thread::sleep(TRY_EVERY);
        }
        anyhow::bail!("the server does not start")
    }

    fn make_bucket(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let head = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        anyhow::ensure!(answer.contains(" 200 "), "the bucket was not made: {answer}");
        Ok(())
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A target in the bucket.
    #[must_use]
    pub fn target(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// What a program must find in its environment to use it.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let settings = [
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The program, installed if it is not there or not this version.
fn ensure() -> anyhow::Result<PathBuf> {
    // Tests come many at a time, and would install it over each other.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/moto");
    let (installed, program) = (folder.join("installed"), folder.join("bin/moto_server"));
    if fs::read_to_string(&installed).is_ok_and(|package| package == PACKAGE) {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("this needs Python 3 with the module venv (Debian: python3-venv)")?;
    let mut pip = Command::new(folder.join("bin/python"));
    run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]))?;
    fs::write(&installed, PACKAGE)?;
    Ok(program)
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
