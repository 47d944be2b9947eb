//! A flat JSON object whose keys are known: typed reads, with errors that say which key holds what it may not hold.

use super::refused;
use crate::runtime::InvokeError;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The shortest accepted time-out, in seconds.
const MIN_SECONDS: f64 = 0.1;

/// An object of a form's variable.
#[derive(Debug)]
pub(super) struct Fields {
    variable: &'static str,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads `text`; blank text is an empty object. Keys that are not in `known` are refused.
    pub(super) fn parse(variable: &'static str, text: &str, known: &[&str]) -> Result<Self, InvokeError> {
        if text.is_empty() {
            return Ok(Self { variable, map: Map::new() });
        }
        let value =
            serde_json::from_str(text).map_err(|error| refused(variable, format!("is not valid JSON ({error})")))?;
        let Value::Object(map) = value else {
            return Err(refused(variable, r#"must be a JSON object, for example {"total_timeout": 300}"#));
        };
        for key in map.keys() {
            if !known.contains(&key.as_str()) {
                let nearest = nearest(key, known).map_or_else(
                    || format!("known are: {}", known.join(", ")),
                    |nearest| format!("did you mean {nearest}?"),
                );
                return Err(refused(variable, format!("does not know the key {key:?}; {nearest}")));
            }
        }
        Ok(Self { variable, map })
    }

    /// An error about `key`.
    pub(super) fn refuse(&self, key: &str, problem: impl AsRef<str>) -> InvokeError {
        refused(self.variable, format!("{key} {}", problem.as_ref()))
    }

    /// The value of `key`; `null` is as if it were missing.
    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A yes or no.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, InvokeError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.refuse(key, format!("must be true or false, not {other}"))),
        }
    }

    /// A text; blank is as if it were missing. The value is not repeated in errors.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, InvokeError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.refuse(key, "must be a text in double quotes")),
        }
    }

    /// One of a few texts.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T, InvokeError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        choices.iter().find(|(name, _)| value == name).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            self.refuse(key, format!("must be {}, not {value}", names.join(" or ")))
        })
    }

    /// A whole number in `range`; `what` says what it counts, with its unit.
    pub(super) fn whole(&self, key: &str, range: RangeInclusive<i64>, what: &str) -> Result<Option<i64>, InvokeError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_i64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (start, end) = (range.start(), range.end());
                Err(self.refuse(key, format!("must be {what}, whole, from {start} to {end}, not {value}")))
            }
        }
    }

    /// A time in seconds, fractions allowed, of at most `max`.
    pub(super) fn seconds(&self, key: &str, max: u32) -> Result<Option<Duration>, InvokeError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_f64() {
            Some(seconds) if (MIN_SECONDS..=f64::from(max)).contains(&seconds) => {
                Ok(Some(Duration::from_secs_f64(seconds)))
            }
            _ => Err(self.refuse(key, format!("must be a number of seconds from {MIN_SECONDS} to {max}, not {value}"))),
        }
    }

    /// An amount of money, as a number or as a text, exact.
    pub(super) fn amount(&self, key: &str) -> Result<Option<Decimal>, InvokeError> {
        let text = match self.get(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        };
        Decimal::from_str(&text)
            .or_else(|_| Decimal::from_scientific(&text))
            .ok()
            .filter(|amount| !amount.is_sign_negative())
            .map(Some)
            .ok_or_else(|| self.refuse(key, format!("must be a number of at least 0, not {text:?}")))
    }
}

/// The known key that a person most likely meant: few edits away, for its length.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let key: String = key.chars().take(64).flat_map(char::to_lowercase).collect();
    known
        .iter()
        .map(|known| (edits(&key, known), *known))
        .min()
        .filter(|(edits, known)| *edits <= known.len() / 3)
        .map(|(_, known)| known)
}

/// The Levenshtein distance of two texts, in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (deletions, in_a) in a.chars().enumerate() {
        let mut next = vec![deletions + 1];
        for ((in_b, above_left), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((above_left + usize::from(in_a != *in_b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
