//! Settings that are read again while the server goes on: on SIGHUP, or when an operator asks.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use edge::{Front, Rooms};
use overload::Overload;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    checks, front,
    settings::{Settings, SettingsOptions},
};

/// Reads the settings again, and puts in force what can be.
#[derive(Debug, Clone)]
pub(crate) struct Reload(Arc<Sources>);

#[derive(Debug)]
struct Sources {
    options: SettingsOptions,
    front: Front,
    rooms: Rooms,
    overload: Overload,
    /// As they are in force, or will be from the next start on; and as they are shown.
    known: Mutex<(Settings, String)>,
}

impl Reload {
    /// Of these settings, which the options gave.
    ///
    /// # Errors
    /// When they have no text, because their file has changed since and cannot be used.
    pub(crate) fn new(
        options: SettingsOptions,
        settings: Settings,
        front: Front,
        rooms: Rooms,
        overload: Overload,
    ) -> anyhow::Result<Self> {
        let (_, text) = options.read_with_text()?;
        Ok(Self(Arc::new(Sources { options, front, rooms, overload, known: Mutex::new((settings, text)) })))
    }

    /// The settings as they were last read, without what is secret.
    pub(crate) fn shown(&self) -> String {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Reads them. Tells which tables changed that hold only from the next start on.
    ///
    /// # Errors
    /// When they cannot be used; nothing changes then.
    pub(crate) fn read_again(&self) -> anyhow::Result<Vec<&'static str>> {
        let (settings, text) = self.0.options.read_with_text()?;
        checks::warn(&checks::server(&settings)?);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Both or neither: the rooms are looked at before anything changes.
        settings.waiting_rooms.check().context("cannot use the settings [waiting-rooms]")?;
        self.0.front.set(&front::config(&settings)).context("cannot use the settings of the front")?;
        self.0.rooms.set(&settings.waiting_rooms).context("cannot use the settings [waiting-rooms]")?;
        self.0.overload.set(settings.edge.overload.clone());
        let later = settings.fixed_that_differ(&known.0);
        *known = (settings, text);
        tracing::info!(code = "server/settings-read", "the settings were read again");
        if !later.is_empty() {
            let tables = later.join(", ");
            tracing::warn!(
                code = "server/settings-need-restart",
                tables,
                "some changed settings hold only from the next start on"
            );
        }
        Ok(later)
    }

    /// Reads them at every SIGHUP, until told to stop.
    pub(crate) async fn on_signal(self, mut hangups: Hangups, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = hangups.heard() => {}
            }
            if let Err(error) = self.read_again() {
                tracing::error!(
                    code = "server/bad-settings",
                    error = format!("{error:#}"),
                    "the settings stay as they are"
                );
            }
        }
    }
}

/// SIGHUP, heard from the moment it is made.
pub(crate) struct Hangups(Signal);

impl Hangups {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next.
    pub(crate) async fn heard(&mut self) {
        self.0.recv().await;
    }
}
