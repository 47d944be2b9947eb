//! Who is calling: the checks of Higress' `key-auth`, `hmac-auth` and `hmac-auth-apisix` plugins, written from what
//! those plugins do and sharing no line with the signer of this project.

pub mod apisix;
pub mod date;
pub mod key;
pub mod x_ca;

use super::config::Consumer;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use std::time::{Duration, SystemTime};

/// How a route wants its callers to prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It does not ask.
    Open,
    /// By an API key (`key-auth`).
    Key,
    /// By an `x-ca-*` signature (`hmac-auth`).
    Hmac,
    /// By an `Authorization: Signature` header (`hmac-auth-apisix`).
    Apisix,
}

/// A request as the authentication phase sees it: before any rewrite, nothing decoded.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// `POST`, `GET`.
    pub method: &'a str,
    /// Path and query as they stand in the request line.
    pub target: &'a str,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// Whether the head ended the request. An empty chunked body is a body.
    pub headers_only: bool,
}

/// What a request is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Who may exist.
    pub consumers: &'a [Consumer],
    /// How far a date may be off; `None` leaves dates unchecked.
    pub date_offset: Option<Duration>,
    /// The gateway's clock.
    pub now: SystemTime,
}

/// The caller is known and may use the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The consumer's name; none on an open route.
    pub consumer: Option<String>,
    /// What the signature was computed over, if there was one.
    pub string_to_sign: Option<Vec<u8>>,
}

/// The answer to a caller who is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The status.
    pub status: StatusCode,
    /// The text; empty means no body and no content type.
    pub body: String,
    /// Headers beside the content type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the gateway computed the signature over, when that is what failed.
    pub string_to_sign: Option<Vec<u8>>,
}

impl Rejection {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), headers: Vec::new(), string_to_sign: None }
    }
}

/// Lets a request in, or says word for word what the gateway's plugin would say.
///
/// # Errors
///
/// The plugin's answer to a caller that it does not know or that may not use the route, to a signature or date that is
/// missing or wrong, to a wrong digest, and to a body that is too large for it. Never on an open route.
pub fn check(access: Access, request: &Incoming<'_>, rules: &Rules<'_>) -> Result<Accepted, Rejection> {
    match access {
        Access::Open => Ok(Accepted { consumer: None, string_to_sign: None }),
        Access::Key => key::check(request, rules),
        Access::Hmac => x_ca::check(request, rules),
        Access::Apisix => apisix::check(request, rules),
    }
}

/// Whether a body is a form, whose fields the `x-ca` string holds beside the query's.
fn is_form(headers: &HeaderMap) -> bool {
    first(headers, CONTENT_TYPE.as_str())
        .to_ascii_lowercase()
        .windows(FORM.len())
        .any(|window| window == FORM.as_bytes())
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The first value of a header, which is the one the plugins use; empty when absent.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    headers.get(name).map_or(&[], HeaderValue::as_bytes)
}

/// Replaces `%` and two hexadecimal digits by their byte; `+` stays, and so does an escape that is none.
fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| tail.split_first_chunk::<2>()).flatten().and_then(|(digits, after)| {
            // The sign that a number may have is no digit.
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = escaped.unwrap_or((byte, tail));
        decoded.push(byte);
        rest = after;
    }
    decoded
}
