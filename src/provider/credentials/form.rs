//! Typed reads of single fields of the form. A blank field is a missing one.

use crate::provider::errors::refused;
use crate::runtime::InvokeError;
use crate::runtime::entities::Credentials;
use secrecy::SecretString;
use std::ops::RangeInclusive;

/// The largest whole number the host can hold in a model's properties.
const MAX_WHOLE: u64 = i32::MAX as u64;

/// One of a select field's options; `missing` when the field is empty.
pub(super) fn choice<T: Copy>(
    credentials: &Credentials,
    variable: &str,
    options: &[(&str, T)],
    missing: T,
) -> Result<T, InvokeError> {
    let Some(text) = credentials.text(variable) else { return Ok(missing) };
    options.iter().find(|(name, _)| *name == text).map(|(_, option)| *option).ok_or_else(|| {
        let names: Vec<_> = options.iter().map(|(name, _)| *name).collect();
        // A value is cut: a person may have pasted anything.
        let text: String = text.chars().take(64).collect();
        refused(variable, format!("is {text:?}; it can be {}", names.join(", ")))
    })
}

/// A whole number of at least 1.
pub(super) fn count(credentials: &Credentials, variable: &str) -> Result<Option<u64>, InvokeError> {
    whole(credentials, variable, 1..=MAX_WHOLE)
}

/// A whole number in `range`.
pub(super) fn whole(
    credentials: &Credentials,
    variable: &str,
    range: RangeInclusive<u64>,
) -> Result<Option<u64>, InvokeError> {
    let Some(text) = credentials.text(variable) else { return Ok(None) };
    text.parse().ok().filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
        let text: String = text.chars().take(64).collect();
        refused(variable, format!("must be a whole number from {} to {}, not {text:?}", range.start(), range.end()))
    })
}

/// A secret that `mode` of `consumer_auth_mode` cannot do without. It has to fit into a header.
pub(super) fn secret(credentials: &Credentials, variable: &str, mode: &str) -> Result<SecretString, InvokeError> {
    let text = credentials.text(variable).ok_or_else(|| {
        refused(
            variable,
            format!("is empty, and consumer_auth_mode is {mode}: nothing was sent. Fill it in, or choose disabled"),
        )
    })?;
    if text.chars().any(char::is_control) {
        return Err(refused(variable, "holds a line break or another control character: paste it again"));
    }
    Ok(SecretString::from(text))
}

/// A text that keeps its blanks: a prefix like `query: ` ends in one. Only a text of nothing but blanks is missing.
pub(super) fn verbatim(credentials: &Credentials, variable: &str) -> Option<String> {
    credentials.0.get(variable)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}
