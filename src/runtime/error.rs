//! The error a handler returns: one of the names Dify acts on, and a text for a person. And why a process ends.

use super::config::SettingsError;
use super::declaration::DeclarationError;
use super::transport::tcp::RemoteError;
use std::fmt;

/// The error names that Dify recognises; any other name shows users raw JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The upstream could not be reached, or stopped answering. A load-balanced key cools down for 10 s.
    Connection,
    /// The upstream answered that it cannot serve now (5xx).
    ServerUnavailable,
    /// The upstream limits the rate (429). A load-balanced key cools down for 60 s.
    RateLimit,
    /// The credentials were refused (401, 403). A load-balanced key cools down for 10 s.
    Authorization,
    /// The request itself cannot be served as it is.
    BadRequest,
    /// Saving credentials failed their check. Only from the two `validate_*` actions.
    CredentialsValidateFailed,
}

impl ErrorKind {
    /// The `error_type` on the wire.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::Connection => "InvokeConnectionError",
            Self::ServerUnavailable => "InvokeServerUnavailableError",
            Self::RateLimit => "InvokeRateLimitError",
            Self::Authorization => "InvokeAuthorizationError",
            Self::BadRequest => "InvokeBadRequestError",
            Self::CredentialsValidateFailed => "CredentialsValidateFailedError",
        }
    }
}

/// What a session ends with when it fails. `message` is shown to people as it is: it names what failed, where, and
/// what to do, and never a secret, a path or a backtrace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeError {
    /// Which of Dify's names the error gets.
    pub kind: ErrorKind,
    /// The text for a person.
    pub message: String,
}

impl InvokeError {
    /// An error of `kind` with a text for a person.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The request cannot be served as it is.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.wire_name(), self.message)
    }
}

impl std::error::Error for InvokeError {}

/// Why the plugin could not start, or had to end. For the operator, on stderr.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The declaration would be refused.
    #[error("the plugin's declaration is not valid: {0}")]
    Declaration(#[from] DeclarationError),
    /// Remote debugging ended.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The operating system refused something at start.
    #[error("cannot {0}: {1}")]
    Start(&'static str, std::io::Error),
    /// The host no longer takes output.
    #[error("the host has closed the output")]
    OutputClosed,
}
