//! The address a person typed, made canonical.

use super::Error;
use std::fmt;

/// The base of a route: scheme, host, prefix and fixed query, canonical as the gateway will see it, without `/v1`.
/// `Display` shows it without its query, for logs and errors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    base: url::Url,
}

impl Endpoint {
    /// Reads what a person typed: blanks around it, a trailing `/v1`, or a pasted full path are taken off; a missing
    /// scheme is refused with a hint.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let _ = text;
        unimplemented!()
    }

    /// The URL of `path` (for example `/v1/chat/completions`) on this route.
    pub fn join(&self, path: &str) -> url::Url {
        let _ = path;
        self.base.clone()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str())
    }
}
