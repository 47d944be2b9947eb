//! JSON bodies: written once, read forgivingly.

use super::{Error, ErrorKind};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Number, Value};

/// The bytes of a request body.
pub(super) fn body(value: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| Error::new(ErrorKind::Config, format!("the request cannot be written as JSON: {error}")))
}

/// An answer that is not what its protocol promises.
pub(super) fn not_promised(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Decode, message)
}

/// A whole number of `object`, also when it is written as `12.0`; anything else counts as missing.
pub(super) fn count(object: &Value, key: &str) -> Option<u64> {
    object.get(key)?.as_number().and_then(whole_number)
}

/// The whole number that `number` is, also when it is written as `12.0`.
pub(super) fn whole_number(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| whole(number.as_f64()?))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number in range")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}
