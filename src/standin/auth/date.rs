//! The dates a signed request may carry.

use chrono::NaiveDateTime;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The forms `hmac-auth` takes. `+0000`, `UTC`, ISO 8601 and lower-case zones are refused.
const X_CA_FORMS: [&str; 4] = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a, %d %b %Y %H:%M:%S GMT+00:00",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
];

/// The time a `Date` header of an `x-ca` request names; `None` for anything the plugin cannot read, the epoch included.
pub(super) fn parse_x_ca(text: &str) -> Option<SystemTime> {
    X_CA_FORMS.iter().find_map(|form| parse(text, form)).filter(|time| *time != UNIX_EPOCH)
}

/// The time a `Date` header names in the one form `hmac-auth-apisix` takes.
pub(super) fn parse_gmt(text: &str) -> Option<SystemTime> {
    parse(text, X_CA_FORMS[0])
}

/// The time of `x-ca-timestamp`: 13 characters and more are milliseconds, fewer are seconds.
pub(super) fn parse_timestamp(text: &str) -> Option<SystemTime> {
    let number = text.parse::<u64>().ok()?;
    let since = if text.len() >= 13 { Duration::from_millis(number) } else { Duration::from_secs(number) };
    UNIX_EPOCH.checked_add(since)
}

/// How far two times are apart, in whole seconds as the plugins count.
pub(super) fn apart(one: SystemTime, other: SystemTime) -> Duration {
    let distance = one.duration_since(other).unwrap_or_else(|error| error.duration());
    Duration::from_secs(distance.as_secs())
}

fn parse(text: &str, form: &str) -> Option<SystemTime> {
    let seconds = NaiveDateTime::parse_from_str(text, form).ok()?.and_utc().timestamp();
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}
