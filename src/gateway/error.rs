//! What can go wrong between this process and a model, told for a person.

use std::fmt;
use std::time::Duration;

/// The kinds a caller can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Refused here, before anything was sent: a setting is missing or wrong.
    Config,
    /// The gateway could not be reached: DNS, TCP, TLS, proxy.
    Connect,
    /// Nothing came in time.
    Timeout,
    /// The transfer broke off.
    Interrupted,
    /// The credential was refused.
    Authorization,
    /// Too many requests or tokens.
    RateLimited,
    /// The request cannot be served as it is.
    BadRequest,
    /// The gateway or the provider behind it cannot serve now.
    ServerUnavailable,
    /// The answer is not what the protocol promises.
    Decode,
    /// The answer is larger than a documented bound.
    TooLarge,
}

/// Who made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The gateway itself.
    Gateway,
    /// The model provider behind it.
    Provider,
}

/// One failure, with everything a person needs to act on it and nothing secret.
#[derive(Debug, Clone)]
pub struct Error {
    /// What to do with it.
    pub kind: ErrorKind,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Who answered, if anybody did.
    pub origin: Option<Origin>,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    /// The upstream's error code, for example `context_length_exceeded`.
    pub code: Option<String>,
    /// What failed, in one sentence: the upstream's words (at most about 1 KiB) or ours.
    pub message: String,
    /// What to do, in one sentence.
    pub advice: Option<String>,
    /// How long to wait before trying again, when the upstream said so.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error of `kind` that happened here, without an answer.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            origin: None,
            request_id: None,
            code: None,
            message: message.into(),
            advice: None,
            retry_after: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
