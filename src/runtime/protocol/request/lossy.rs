//! JSON whose strings may hold halves of surrogate pairs.
//!
//! Python writes and accepts a lone `"\ud83d"`, and text cut in the middle of an emoji contains one; Rust strings
//! cannot hold it. Such a half becomes U+FFFD, the rest of the request is served.

use super::super::super::InvokeError;
use super::limited::{self, MAX_VALUES, Unreadable};
use serde_json::Value;

/// Parses `json`. The common case is parsed once; only text that fails is searched for lone surrogates.
pub(super) fn parse(json: &str) -> Result<Value, InvokeError> {
    let read = limited::read(json).or_else(|error| match error {
        Unreadable::Json(_) => repaired(json).map_or(Err(error), |json| limited::read(&json)),
        Unreadable::TooMany => Err(error),
    });
    read.map_err(|error| match error {
        Unreadable::Json(error) => {
            InvokeError::bad_request(format!("the request is not JSON this plugin can read: {error}"))
        }
        Unreadable::TooMany => InvokeError::bad_request(format!(
            "the request holds more than {MAX_VALUES} values: send fewer messages, tools or texts in one call"
        )),
    })
}

/// `json` with every escaped half of a surrogate pair replaced; `None` when there is none.
fn repaired(json: &str) -> Option<String> {
    const REPLACEMENT: &str = "\\ufffd";
    let mut out = String::new();
    let mut copied = 0;
    let mut position = 0;
    while let Some(offset) = json.get(position..)?.find('\\') {
        let escape = position + offset;
        position = match unit(json, escape) {
            Some(0xD800..=0xDBFF) if matches!(unit(json, escape + 6), Some(0xDC00..=0xDFFF)) => escape + 12,
            Some(0xD800..=0xDFFF) => {
                out.push_str(json.get(copied..escape)?);
                out.push_str(REPLACEMENT);
                copied = escape + 6;
                copied
            }
            Some(_) => escape + 6,
            // The escaped character may be a backslash, which then escapes nothing. It is one byte in valid JSON.
            None => escape + 2,
        };
    }
    if copied == 0 {
        return None;
    }
    out.push_str(json.get(copied..)?);
    Some(out)
}

/// The UTF-16 unit of an escape such as `\ud83d` at `position`.
fn unit(json: &str, position: usize) -> Option<u16> {
    let digits = json.get(position..position + 6)?.strip_prefix("\\u")?;
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}
