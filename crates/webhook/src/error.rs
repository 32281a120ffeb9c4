//! What can go wrong with a webhook: before anything is sent, and when something is.

use std::{io, path::PathBuf};

use gateway::UpstreamTlsError;
use http::StatusCode;
use rustls_pki_types::InvalidDnsNameError;
use signatures::{KeyError, SignError};

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook has nothing to sign with: set webhook.key-file, or keys")]
    NoKey,
    #[error("cannot read the webhook's key {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot use the webhook's key")]
    Key(#[from] KeyError),
    #[error("webhook.ca-file names no authority for the webhook's host")]
    Authority(#[from] UpstreamTlsError),
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("its host is no name that a certificate could be for")]
    Host(#[from] InvalidDnsNameError),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("cannot sign the message: {0}")]
    Sign(#[from] SignError),
    #[error("the message is no request: {0}")]
    Request(#[from] http::Error),
    #[error("it did not answer in HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Refused(StatusCode),
    #[error("it did not answer in time")]
    Late,
}
