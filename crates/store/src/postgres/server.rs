//! The server as all sessions of a process see it: where it is, and whether it is well.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use clock::{Clock, Stopwatch};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
};
use tokio_postgres::{
    Client, NoTls,
    config::{SslMode, TargetSessionAttrs},
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::config::{DatabaseUrl, PostgresConfig};
use crate::{
    breaker::{Breaker, Verdict},
    error::StoreError,
    instruments::Instruments,
};

/// A PostgreSQL server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Server(Arc<Shared>);

struct Shared {
    config: PostgresConfig,
    target: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    /// Where all connections of the process are driven: a thread of their own, so that whoever waits for
    /// an answer may do so anywhere.
    wires: Handle,
    /// Ends that thread when the last user of the server is gone.
    _end: oneshot::Sender<()>,
    running: Stopwatch,
    breaker: Mutex<Breaker>,
    instruments: Instruments,
}

impl Server {
    /// The server at `url`, as `config` says how to treat it.
    pub(crate) fn new(
        config: &PostgresConfig,
        url: &DatabaseUrl,
        attributes: TargetSessionAttrs,
        instruments: &Instruments,
    ) -> Result<Self, StoreError> {
        let tls = config.ca_file.as_ref().map(|path| {
            let certificates = CertificateDer::pem_file_iter(path);
            let certificates = certificates.and_then(Iterator::collect::<Result<Vec<_>, _>>);
            certificates.map_err(|error| unusable(format!("{}: {error}", path.display())))
        });
        let tls = tls.transpose()?.map(|certificates| connector(&certificates)).transpose()?;
        let mut target = url.config().clone();
        match (&tls, target.get_ssl_mode()) {
            (None, SslMode::Require) => {
                return Err(unusable(
                    "the URL wants encryption; name its certificate authority in `ca-file`",
                ));
            }
            // Whoever names an authority wants the server to be what it says.
            (Some(_), _) => drop(target.ssl_mode(SslMode::Require)),
            (None, _) => drop(target.ssl_mode(SslMode::Disable)),
        }
        target
            .connect_timeout(millis(config.connect_ms_max.get()))
            .keepalives_idle(Duration::from_secs(10))
            .target_session_attrs(attributes);
        let (wires, end) = start_wires().map_err(|error| unusable(error.to_string()))?;
        Ok(Self(Arc::new(Shared {
            config: config.clone(),
            target,
            tls,
            wires,
            _end: end,
            running: Clock::System.stopwatch(),
            breaker: Mutex::new(Breaker::new(config.breaker)),
            instruments: instruments.clone(),
        })))
    }

    pub(crate) fn config(&self) -> &PostgresConfig {
        &self.0.config
    }

    pub(crate) fn instruments(&self) -> &Instruments {
        &self.0.instruments
    }

    /// A new connection.
    pub(crate) async fn connect(&self, purpose: &str) -> Result<Client, StoreError> {
        let mut target = self.0.target.clone();
        target.application_name(format!("holdfast/{purpose}"));
        let tls = self.0.tls.clone();
        let connecting = self.0.wires.spawn(async move {
            match tls {
                Some(tls) => connect(&target, tls).await,
                None => connect(&target, NoTls).await,
            }
        });
        Ok(connecting.await.map_err(|_| StoreError::Lost)??)
    }

    /// Fails at once while the breaker is open.
    pub(crate) fn admit(&self) -> Result<(), StoreError> {
        match self.breaker(|breaker, now| breaker.ask(now)) {
            Verdict::Go => Ok(()),
            Verdict::Wait(after) => Err(StoreError::Resting { after }),
        }
    }

    /// How long calls are refused from now on, if they are.
    pub(crate) fn refuses(&self) -> Option<Duration> {
        self.breaker(|breaker, now| breaker.refuses(now))
    }

    /// Calls were answered, or were not.
    pub(crate) fn told(&self, calls: u64, answered: bool) {
        let (before, after) = self.breaker(|breaker, now| {
            let before = breaker.is_open();
            breaker.told(now, calls, answered);
            (before, breaker.is_open())
        });
        match (before, after) {
            (false, true) => {
                tracing::error!(
                    code = "store/breaker-opened",
                    "the database does not answer; it is left alone for a while"
                );
                self.0.wires.spawn(look_for(Arc::downgrade(&self.0)));
            }
            (true, false) => tracing::info!(code = "store/breaker-closed", "the database answers again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Does it take a connection, and answer on it?
    async fn is_well(&self) -> bool {
        let asked = async { self.connect("look").await.ok()?.check_connection().await.ok() };
        let time_max = millis(self.0.config.connect_ms_max.get());
        tokio::time::timeout(time_max, asked).await.is_ok_and(|answered| answered.is_some())
    }

    /// How long until it is looked again: other for each node and each time, so that nodes do not come all at once.
    fn until_next_look(&self) -> Duration {
        let about = u64::from(self.0.config.look_ms.get());
        let [dice] = Clock::System.random::<1>();
        Duration::from_millis(about / 2 + about * u64::from(dice) / 256)
    }

    fn breaker<T>(&self, ask: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let now = self.0.running.elapsed();
        ask(&mut self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// Looks now and then whether a server answers again, on a connection that nobody waits for, until the breaker is closed. One call is
/// let through then: what it comes to closes the breaker, or opens it again.
async fn look_for(shared: Weak<Shared>) {
    while let Some(server) = shared.upgrade().map(Server) {
        let pause = server.until_next_look();
        // Nobody is kept from ending the last use of the server meanwhile.
        drop(server);
        tokio::time::sleep(pause).await;
        let Some(server) = shared.upgrade().map(Server) else { return };
        if !server.breaker(|breaker, _| breaker.is_open()) {
            return;
        }
        if server.is_well().await {
            server.breaker(|breaker, now| breaker.found_well(now));
        }
    }
}

/// Starts the thread that drives connections.
fn start_wires() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name("store-wires".to_owned()).spawn(move || drop(runtime.block_on(ended)))?;
    Ok((handle, end))
}

async fn connect<T>(target: &tokio_postgres::Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<tokio_postgres::Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = target.connect(tls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the database ended");
        }
    });
    Ok(client)
}

fn connector(certificates: &[CertificateDer<'static>]) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in `ca-file`"));
    }
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(error.to_string()))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn unusable(why: impl Into<String>) -> StoreError {
    StoreError::Settings { why: why.into() }
}

pub(super) fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("hosts", &self.0.target.get_hosts()).finish_non_exhaustive()
    }
}
