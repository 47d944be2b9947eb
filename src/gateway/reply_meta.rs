//! What is known of a reply beside its body: errors that its body turns out to be are told with it.

use super::redact::Redactor;
use super::{Error, ErrorKind, Origin, error_body};

/// Who answered, under which id. Cheap to clone; holds what must be taken out of shown text.
#[derive(Debug, Clone, Default)]
pub struct ReplyMeta {
    /// Who answered, if that is certain.
    pub origin: Option<Origin>,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    pub(super) redactor: Redactor,
}

impl ReplyMeta {
    /// An error for a body that is not what the protocol promises. `what` says that in a few words, for example
    /// `no JSON`. A gateway's own words are recognised in it, since a gateway can be told to say them with 200.
    pub fn undecodable(&self, what: &str, body: &[u8]) -> Error {
        error_body::undecodable(self, what, body)
    }

    /// `text` as one short line without secrets, for an error's message or a log.
    pub fn excerpt(&self, text: &str) -> String {
        self.redactor.line(text, error_body::MAX_SHOWN)
    }

    /// `error`, which quotes what the upstream said, without secrets.
    #[must_use]
    pub fn cleaned(&self, mut error: Error) -> Error {
        error.message = self.redactor.clean(&error.message);
        error
    }

    /// An error of `kind` about this reply.
    pub fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let mut error = Error::new(kind, message);
        error.origin = self.origin;
        error.request_id.clone_from(&self.request_id);
        error
    }
}
