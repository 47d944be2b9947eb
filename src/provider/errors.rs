//! The one place where a failure becomes one of Dify's six error names, with the provider's tag in front of its text.

use crate::gateway::{Error, ErrorKind as GatewayErrorKind};
use crate::runtime::{ErrorKind, InvokeError};

/// What every error text of this provider starts with: people and error branches of workflows look for it.
pub const TAG: &str = "[higress] ";

/// A setting that cannot be used, found before anything is sent: `field` is the form's variable or the parameter.
pub fn refused(field: &str, problem: impl AsRef<str>) -> InvokeError {
    InvokeError::bad_request(format!("{TAG}{field} {}", problem.as_ref()))
}

/// A failed check of credentials ("Save"): Dify shows the text only under this one name.
pub fn validation_failed(error: InvokeError) -> InvokeError {
    InvokeError::new(ErrorKind::CredentialsValidateFailed, error.message)
}

impl From<Error> for InvokeError {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            GatewayErrorKind::Connect | GatewayErrorKind::Timeout | GatewayErrorKind::Interrupted => {
                ErrorKind::Connection
            }
            GatewayErrorKind::Authorization => ErrorKind::Authorization,
            GatewayErrorKind::RateLimited => ErrorKind::RateLimit,
            GatewayErrorKind::Config | GatewayErrorKind::BadRequest => ErrorKind::BadRequest,
            GatewayErrorKind::ServerUnavailable | GatewayErrorKind::Decode | GatewayErrorKind::TooLarge => {
                ErrorKind::ServerUnavailable
            }
        };
        Self::new(kind, format!("{TAG}{error}"))
    }
}
