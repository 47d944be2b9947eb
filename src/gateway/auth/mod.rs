//! How a call proves whose it is.
//!
//! Signing is a pure function of the final request, the credential and a [`Stamp`] (clock and nonce): see [`Auth::sign`].

use super::{Error, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

pub mod apisix;
mod mac;
mod stamp;
pub mod x_ca;

pub use mac::hmac_base64;
pub use stamp::{Stamp, http_date, parse_http_date};

/// The consumer a call is made as.
#[derive(Clone)]
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
    Header(HeaderName),
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
    /// HMAC-SHA512, known to [`HmacDialect::Apisix`] only.
    Sha512,
}

/// A request as it will be sent, all but its signature.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query as they are sent.
    pub target: &'a str,
    /// The headers as they are sent.
    pub headers: &'a HeaderMap,
    /// The body's bytes, empty when there is none.
    pub body: &'a [u8],
}

/// What proves whose a request is.
#[derive(Default)]
pub struct Proof {
    /// Headers to add to the request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What was signed, to be compared with what a gateway that refuses it says it signed.
    pub string_to_sign: Option<Vec<u8>>,
}

/// The header of the replay-protection plugin.
const REPLAY_NONCE: HeaderName = HeaderName::from_static("x-higress-nonce");

impl Auth {
    /// Refuses a credential with which a request would go out as nobody's.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a key or secret is missing, cannot stand in a header, or the hash is unknown to the
    /// dialect.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Disabled => Ok(()),
            Self::ApiKey { key, placement } => {
                let name_is_empty = matches!(placement, KeyPlacement::Query(name) if name.trim().is_empty());
                if name_is_empty {
                    return Err(config("The API key's query parameter has no name"));
                }
                printable(key.expose_secret(), "API key")
            }
            Self::Hmac { access_key, secret, scheme } => {
                printable(access_key, "access key")?;
                if access_key.contains('"') {
                    return Err(config("The access key has a quotation mark in it"));
                }
                if secret.expose_secret().is_empty() {
                    return Err(config("The secret of the access key is missing"));
                }
                if scheme.dialect == HmacDialect::XCa && scheme.algorithm == HmacAlgorithm::Sha512 {
                    return Err(config("The gateway's hmac-auth plugin does not know HmacSHA512").advise(
                        "Set hmac_dialect to apisix if the route has hmac-auth-apisix, or take another algorithm",
                    ));
                }
                Ok(())
            }
        }
    }

    /// The query parameter that this credential adds, escaped.
    pub(super) fn query_pair(&self) -> Option<String> {
        match self {
            Self::ApiKey { key, placement: KeyPlacement::Query(name) } => {
                Some(format!("{}={}", super::escape::component(name), super::escape::component(key.expose_secret())))
            }
            _ => None,
        }
    }

    /// The headers that prove whose `request` is. `signed_headers` names headers of the request that a signature
    /// covers beyond its own.
    ///
    /// # Errors
    /// Those of [`Auth::check`].
    pub fn sign(&self, request: Unsigned<'_>, signed_headers: &[HeaderName], stamp: &Stamp) -> Result<Proof, Error> {
        self.check()?;
        match self {
            Self::Disabled | Self::ApiKey { placement: KeyPlacement::Query(_), .. } => Ok(Proof::default()),
            Self::ApiKey { key, placement: KeyPlacement::Bearer } => {
                let value = sensitive(&format!("Bearer {}", key.expose_secret()))?;
                Ok(Proof { headers: vec![(header::AUTHORIZATION, value)], string_to_sign: None })
            }
            Self::ApiKey { key, placement: KeyPlacement::Header(name) } => {
                let value = sensitive(key.expose_secret())?;
                Ok(Proof { headers: vec![(name.clone(), value)], string_to_sign: None })
            }
            Self::Hmac { access_key, secret, scheme } => {
                let names = covered(request.headers, signed_headers);
                let mut proof = match scheme.dialect {
                    HmacDialect::XCa => x_ca::sign(request, access_key, secret, *scheme, &names, stamp)?,
                    HmacDialect::Apisix => apisix::sign(request, access_key, secret, *scheme, &names, stamp)?,
                };
                if scheme.replay_nonce {
                    proof.headers.push((REPLAY_NONCE, value(&stamp.nonce)?));
                }
                Ok(proof)
            }
        }
    }
}

/// The names among `wanted` that the request carries and that no proxy on the way changes, sorted, each once.
fn covered(headers: &HeaderMap, wanted: &[HeaderName]) -> Vec<HeaderName> {
    let mut names: Vec<_> =
        wanted.iter().filter(|n| headers.contains_key(*n) && !changes_on_the_way(n)).cloned().collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// Headers that a proxy may change, or that a signature covers anyway.
fn changes_on_the_way(name: &HeaderName) -> bool {
    const NAMES: &[&str] = &[
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-md5",
        "content-type",
        "date",
        "host",
        "te",
        "transfer-encoding",
        "user-agent",
        "x-request-id",
    ];
    let name = name.as_str();
    NAMES.contains(&name) || ["x-forwarded-", "x-envoy-", "x-ca-"].iter().any(|prefix| name.starts_with(prefix))
}

fn printable(text: &str, what: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(config(format!("The {what} is missing")));
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text {
        return Ok(());
    }
    Err(config(format!("The {what} has blanks around it or characters that are not printable ASCII")))
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message).advise("Correct the consumer authorisation in the model's settings")
}

/// A header value; what comes here was checked or made here.
fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| config("A credential cannot stand in a header"))
}

fn sensitive(text: &str) -> Result<HeaderValue, Error> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// An access key's id, shortened as it is shown everywhere.
pub(super) fn shortened(access_key: &str) -> String {
    let shown: String = access_key.chars().take(4.min(access_key.chars().count() / 2)).collect();
    format!("{shown}…")
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("Disabled"),
            Self::ApiKey { placement, .. } => {
                f.debug_struct("ApiKey").field("placement", placement).finish_non_exhaustive()
            }
            Self::Hmac { access_key, scheme, .. } => f
                .debug_struct("Hmac")
                .field("access_key", &shortened(access_key))
                .field("scheme", scheme)
                .finish_non_exhaustive(),
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}
