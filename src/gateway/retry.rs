//! Whether and when a call that failed before its first byte is sent again.
//!
//! The gateway itself sends requests again, so a client that does it too multiplies them. Hence only on request
//! ([`super::TransportOptions::retries`]), only for connections that did not come to be and for answers that ask for it.

use super::auth::Stamp;
use super::transport::Failure;
use super::{Error, ErrorKind};
use std::time::Duration;

/// The first pause; each next one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// An answer that asks for a longer wait is not sent again here: that is the caller's decision.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before try number `tries` + 1; `None` when the failure is final.
pub(super) fn pause(failure: &Failure, tries: u32) -> Option<Duration> {
    let error = &failure.error;
    if !failure.worth_retrying && !asks_for_it(error) {
        return None;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
    let pause = error.retry_after.unwrap_or(doubled);
    // Callers that failed together should not come back together.
    let spread = u32::try_from(Stamp::now().unix_millis.unsigned_abs() % 16).unwrap_or(0);
    (pause <= LONGEST_PAUSE).then(|| pause + pause / 64 * spread)
}

/// An answer says "later" by 429, unless a quota is used up, or by 503 with a time.
fn asks_for_it(error: &Error) -> bool {
    match error.kind {
        ErrorKind::RateLimited => error.status == Some(429) && error.code.as_deref() != Some("insufficient_quota"),
        _ => error.status == Some(503) && error.retry_after.is_some(),
    }
}
