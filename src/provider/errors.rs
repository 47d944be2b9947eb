//! The one place where a gateway error becomes one of Dify's six.

use crate::gateway::{Error, ErrorKind as GatewayErrorKind};
use crate::runtime::{ErrorKind, InvokeError};

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
        Self::new(kind, format!("[higress] {error}"))
    }
}
