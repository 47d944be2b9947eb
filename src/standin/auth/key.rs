//! `key-auth`, as the C++ plugin of Higress answers: a refusal has no body.

use super::{Accepted, Incoming, Rejection, Rules, first, percent_decode};
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};

/// Headers that may hold a key as it is, beside `Authorization: Bearer`.
pub const KEY_HEADERS: [&str; 2] = ["x-api-key", "apikey"];
/// The query parameter that may hold a key.
pub const KEY_QUERY: &str = "apikey";

pub(super) fn check(request: &Incoming<'_>, rules: &Rules<'_>) -> Result<Accepted, Rejection> {
    let consumer = rules
        .consumers
        .iter()
        .find(|consumer| carries(request, consumer.api_key.as_bytes()))
        .ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "Key realm=MSE Gateway"))?;
    if !consumer.allowed {
        return Err(refuse(StatusCode::FORBIDDEN, "Basic realm=MSE Gateway"));
    }
    Ok(Accepted { consumer: Some(consumer.name.clone()), string_to_sign: None })
}

/// Whether the key stands in any of the places the consumer's credential may be in. An extra wrong key in another
/// place does no harm.
fn carries(request: &Incoming<'_>, key: &[u8]) -> bool {
    bearer(request.headers) == Some(key)
        || KEY_HEADERS.iter().any(|name| first(request.headers, name) == key)
        || query_key(request.target).as_deref() == Some(key)
}

/// What follows `Bearer` and exactly one space.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    first(headers, AUTHORIZATION.as_str()).strip_prefix(b"Bearer ")
}

fn query_key(target: &str) -> Option<Vec<u8>> {
    let (_, query) = target.split_once('?')?;
    let (_, value) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == KEY_QUERY)?;
    Some(percent_decode(value.as_bytes()))
}

fn refuse(status: StatusCode, challenge: &'static str) -> Rejection {
    let mut rejection = Rejection::text(status, "");
    rejection.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    rejection
}
