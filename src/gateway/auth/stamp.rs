//! Clock and nonce of one try, and dates as HTTP writes them.

use chrono::{DateTime, NaiveDateTime, Utc};

/// When a request is signed, and under which nonce. Each try takes a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub unix_millis: i64,
    /// Never used before.
    pub nonce: String,
}

impl Stamp {
    /// This moment and a fresh nonce.
    pub fn now() -> Self {
        Self { unix_millis: Utc::now().timestamp_millis(), nonce: uuid::Uuid::new_v4().to_string() }
    }

    /// The moment as a `Date` header says it.
    pub fn date(&self) -> String {
        http_date(self.unix_millis)
    }
}

/// A moment in the form of RFC 9110, section 5.6.7 (`Sun, 06 Nov 1994 08:49:37 GMT`).
pub fn http_date(unix_millis: i64) -> String {
    DateTime::from_timestamp_millis(unix_millis).unwrap_or_default().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The seconds since 1970 of a date in the form of RFC 9110 that is still sent.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let date = NaiveDateTime::parse_from_str(text.trim(), "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    Some(date.and_utc().timestamp())
}
