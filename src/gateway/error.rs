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
    /// Whether an answer said it in JSON, as the APIs behind a gateway do; proxies and firewalls write text and HTML.
    pub structured: bool,
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
            structured: false,
        }
    }

    /// The same error, with a sentence that says what to do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl ErrorKind {
    /// What happened, in a few words, up to the name of who said it.
    fn phrase(self) -> &'static str {
        match self {
            Self::Config => "wrong setting for",
            Self::Connect => "connection refused by",
            Self::Timeout => "no answer in time from",
            Self::Interrupted => "answer broken off by",
            Self::Authorization => "credential refused by",
            Self::RateLimited => "rate limited by",
            Self::BadRequest => "request refused by",
            Self::ServerUnavailable => "server error of",
            Self::Decode => "unreadable answer from",
            Self::TooLarge => "answer too large from",
        }
    }
}

impl Origin {
    /// The name in a sentence.
    fn name(self) -> &'static str {
        match self {
            Self::Gateway => "the gateway",
            Self::Provider => "the provider",
        }
    }
}

/// For example `429 rate limited by the gateway: Too many requests (request_id=abc). Try again in 12 s.`
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        match self.origin {
            Some(origin) => write!(f, "{} {}: ", self.kind.phrase(), origin.name())?,
            // Without who said it the phrase stands without its preposition.
            None if self.status.is_some() => {
                write!(f, "{}: ", self.kind.phrase().rsplit_once(' ').map_or("", |(phrase, _)| phrase))?;
            }
            None => {}
        }
        f.write_str(self.message.trim_end_matches(['.', ' ']))?;
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => write!(f, " (code={code}, request_id={id})")?,
            (Some(code), None) => write!(f, " (code={code})")?,
            (None, Some(id)) => write!(f, " (request_id={id})")?,
            (None, None) => {}
        }
        f.write_str(".")?;
        if let Some(advice) = &self.advice {
            write!(f, " {}.", advice.trim_end_matches(['.', ' ']))?;
        }
        if let Some(wait) = self.retry_after.filter(|wait| !wait.is_zero()) {
            write!(f, " Try again in {} s.", wait.as_secs_f64().ceil())?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
