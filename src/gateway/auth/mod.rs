//! How a call proves whose it is.

use secrecy::SecretString;

/// The consumer a call is made as.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Nobody in particular.
    Disabled,
    /// By a key in a header or in the query.
    ApiKey {
        /// The key.
        key: SecretString,
        /// Where it goes.
        placement: KeyPlacement,
    },
    /// By signature (AK/SK).
    Hmac {
        /// The access key.
        access_key: String,
        /// The secret.
        secret: SecretString,
        /// How to sign.
        scheme: HmacScheme,
    },
}

/// Where an API key goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlacement {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// A header of this name, the key as it is.
    Header(http::HeaderName),
    /// A query parameter of this name.
    Query(String),
}

/// How to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HmacScheme {
    /// Which plugin of the gateway checks it.
    pub dialect: HmacDialect,
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// Whether the body is covered too (`Content-MD5`, `Digest`): only for gateways that do not rewrite it.
    pub body_digest: bool,
    /// Whether to send `X-Higress-Nonce` for the replay-protection plugin.
    pub replay_nonce: bool,
}

/// The gateway plugin that checks a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacDialect {
    /// `hmac-auth`: `x-ca-*` headers.
    XCa,
    /// `hmac-auth-apisix`: `Authorization: Signature …`.
    Apisix,
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA1.
    Sha1,
}
