//! What an answer's headers say about who made it, under which id, and when to try again.

use super::Origin;
use super::auth::parse_http_date;
use super::redact::Redactor;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// Longer ids are noise.
const MAX_REQUEST_ID: usize = 128;
/// A reset beyond this is a moment, in seconds since 1970, and not a number of seconds to wait.
const SMALLEST_MOMENT: i64 = 1_000_000_000;
/// A longer wait is no use to anybody, and most likely a mistake.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A header's value as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

/// The provider answered if Envoy measured how long it took; the header is missing from the gateway's own answers.
pub(super) fn origin(headers: &HeaderMap) -> Option<Origin> {
    headers.contains_key("x-envoy-upstream-service-time").then_some(Origin::Provider)
}

/// The id under which gateway or provider logged the request, without secrets: an upstream may repeat anything.
pub(super) fn request_id(headers: &HeaderMap, redactor: &Redactor) -> Option<String> {
    ["x-request-id", "x-dashscope-request-id", "request-id"]
        .iter()
        .find_map(|name| request_id_text(text(headers, name)?))
        .map(|id| redactor.clean(&id))
}

/// An id fit to be shown: short, visible characters only.
pub(super) fn request_id_text(id: &str) -> Option<String> {
    let fit = !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(|byte| byte.is_ascii_graphic());
    fit.then(|| id.to_owned())
}

/// How long to wait: `Retry-After` (seconds or a date), or when a limit of Higress starts anew. A negative reset is
/// Redis's "never set" and says nothing.
pub(super) fn retry_after(status: StatusCode, headers: &HeaderMap, unix_seconds: i64) -> Option<Duration> {
    let seconds = |value| seconds(value, unix_seconds).filter(|wait| *wait <= LONGEST_WAIT);
    if let Some(wait) = text(headers, "retry-after").and_then(seconds) {
        return Some(wait);
    }
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    ["x-tokenratelimit-reset", "x-ratelimit-reset"].iter().find_map(|name| seconds(text(headers, name)?))
}

fn seconds(value: &str, unix_seconds: i64) -> Option<Duration> {
    if let Some(moment) = parse_http_date(value) {
        return Some(Duration::from_secs(u64::try_from(moment - unix_seconds).unwrap_or(0)));
    }
    match value.parse::<i64>() {
        Ok(moment) if moment >= SMALLEST_MOMENT => u64::try_from(moment - unix_seconds).ok().map(Duration::from_secs),
        Ok(wait) => u64::try_from(wait).ok().map(Duration::from_secs),
        Err(_) => {
            let wait = value.parse::<f64>().ok().filter(|wait| (0.0..1e9).contains(wait))?;
            Some(Duration::from_secs_f64(wait))
        }
    }
}
