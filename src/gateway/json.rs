//! JSON bodies: written once, read forgivingly.

use super::{Error, ErrorKind};
use bytes::Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::fmt;

/// The most objects and lists of one JSON text. Three bytes of text may become hundreds in memory, so the limit for a
/// body alone would not bound what a body is read into.
pub const MAX_NESTED: usize = 100_000;
/// Shorter texts cannot hold enough of them to matter.
const SHORT: usize = 64 << 10;
/// The longest part of an answer, in bytes, that is read without knowing what it holds. Of longer ones so many keys,
/// and so many characters of a text, so many objects deep.
const MAX_UNKNOWN: usize = 64 << 10;
const MAX_SKIMMED_KEYS: usize = 64;
const MAX_SKIMMED_CHARS: usize = 8 << 10;
const MAX_SKIM_DEPTH: u8 = 4;
/// The longest text, in bytes, whose repeated keys are put right. Read, it takes up to forty times as much.
const MAX_REPEATING: usize = 1 << 20;

/// Why a JSON text was not read.
#[derive(Debug)]
pub enum Unreadable {
    /// It is no JSON, or not of the right shape.
    Json(serde_json::Error),
    /// It holds more objects and lists than [`MAX_NESTED`].
    TooManyParts,
}

impl Unreadable {
    /// Whether it is JSON that, by all appearances, has a key of an object twice: what is read leniently fails at little
    /// else. NVIDIA's endpoint writes `reasoning_content` twice.
    pub fn is_repeated_key(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_data())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::TooManyParts => write!(f, "it holds more than {MAX_NESTED} objects and lists"),
        }
    }
}

/// Reads a JSON body whose size is bounded into something whose size is bounded too.
///
/// # Errors
/// When it holds too much, or is not a `T`.
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    if has_too_many_parts(body) {
        return Err(Unreadable::TooManyParts);
    }
    serde_json::from_slice(body).map_err(Unreadable::Json)
}

/// [`read`] for what is known to be UTF-8, as the events of a stream are: it is not checked again.
///
/// # Errors
/// When it holds too much, or is not a `T`.
pub fn read_text<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    if has_too_many_parts(text.as_bytes()) {
        return Err(Unreadable::TooManyParts);
    }
    serde_json::from_str(text).map_err(Unreadable::Json)
}

/// Whether more than [`MAX_NESTED`] objects and lists begin in `text`. Looks at structure only: braces in texts do not
/// count.
fn has_too_many_parts(text: &[u8]) -> bool {
    let mut rest = if text.len() > SHORT { text } else { &[] };
    let mut parts = 0;
    while let Some(at) = memchr::memchr3(b'{', b'[', b'"', rest) {
        let (found, behind) = rest.split_at(at + 1);
        rest = behind;
        if found.ends_with(b"\"") {
            rest = behind_string(rest);
        } else {
            parts += 1;
            if parts > MAX_NESTED {
                return true;
            }
        }
    }
    false
}

/// What follows a text whose opening quote was just read.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escape = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escape)..).unwrap_or_default();
        if !escape {
            return rest;
        }
    }
    &[]
}

/// What an upstream adds to an answer, such as its usage, of no fixed shape; see [`unknown`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Aside(pub Value);

impl<'de> Deserialize<'de> for Aside {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        // What is no number that a float holds is nothing that is counted either.
        Ok(Self(unknown(text).unwrap_or_default()))
    }
}

/// A text that may hold anything, such as an error in an answer's place; `None` when it is no JSON. Of one over 64 KiB
/// only the first keys of objects are read, long texts are cut, and long lists are null, unread: what it says of an
/// error is still there.
pub fn unknown(text: &str) -> Option<Value> {
    skim(text, MAX_SKIM_DEPTH, &mut { MAX_UNKNOWN })
}

/// `budget` is how many bytes may still be read as they are, in all.
fn skim(text: &str, depth: u8, budget: &mut usize) -> Option<Value> {
    if let Some(rest) = budget.checked_sub(text.len()) {
        *budget = rest;
        return serde_json::from_str(text).ok();
    }
    let text = text.trim_ascii_start();
    match text.as_bytes().first() {
        Some(b'{') if depth > 0 && *budget > 0 => {
            let Beginning(entries) = serde_json::from_str(text).ok()?;
            *budget = budget.saturating_sub(MAX_SKIMMED_KEYS);
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key, skim(value.get(), depth - 1, budget).unwrap_or_default());
            }
            Some(Value::Object(object))
        }
        Some(b'"') if *budget > 0 => {
            let text: String = serde_json::from_str(text).ok()?;
            *budget = budget.saturating_sub(MAX_SKIMMED_CHARS);
            Some(Value::String(text.chars().take(MAX_SKIMMED_CHARS).collect()))
        }
        _ => Some(Value::Null),
    }
}

/// The first keys of an object, their values not read yet.
struct Beginning<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Beginning<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Beginning<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() < MAX_SKIMMED_KEYS {
                    match map.next_entry()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Beginning(entries)),
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Beginning(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// `text` with each key once: the last one counts, as most readers of JSON have it. `None` when it is too long for that.
pub fn without_repeated_keys(text: &str) -> Option<String> {
    if text.len() > MAX_REPEATING {
        return None;
    }
    serde_json::from_str(text).ok().map(|value: Value| value.to_string())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(count: usize) -> String {
        format!("[{}0]", "{},".repeat(count - 1))
    }

    #[test]
    fn a_text_may_have_as_many_parts_as_the_limit_and_no_more() {
        assert!(read::<Value>(parts(MAX_NESTED).as_bytes()).is_ok());
        let error = read::<Value>(parts(MAX_NESTED + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("100000"), "{error}");
    }

    #[test]
    fn braces_in_a_text_are_no_parts() {
        let text = format!(r#"["{}","\\","a\"{}"]"#, "{[".repeat(MAX_NESTED), "[{".repeat(MAX_NESTED));
        assert_eq!(read::<Vec<String>>(text.as_bytes()).unwrap().len(), 3);
        assert!(!has_too_many_parts(format!("\"{}", "{".repeat(2 * MAX_NESTED)).as_bytes()), "an unfinished text");
    }

    #[test]
    fn what_is_absurdly_long_is_no_aside() {
        assert_eq!(read::<Aside>(b"{\"a\":1}").unwrap().0["a"], 1);
        let long = format!("[{}1]", "1,".repeat(MAX_UNKNOWN));
        assert_eq!(read::<Aside>(long.as_bytes()).unwrap(), Aside::default());
    }

    #[test]
    fn what_a_long_error_says_is_still_there() {
        let long = "x".repeat(MAX_UNKNOWN);
        let text = format!(r#"{{"data":[{}1],"error":{{"code":"c","message":"{long}"}}}}"#, "1,".repeat(MAX_UNKNOWN));
        let value = unknown(&text).unwrap();
        assert_eq!((&value["data"], &value["error"]["code"]), (&Value::Null, &Value::from("c")));
        assert_eq!(value["error"]["message"].as_str().unwrap().len(), MAX_SKIMMED_CHARS);
        assert_eq!(unknown(&format!("{{\"a\":\"{long}\"")), None);
        let many: String = (0..MAX_UNKNOWN).map(|number| format!("\"{number}\":0,")).collect();
        let value = unknown(&format!("{{{many}\"error\":1}}")).unwrap();
        assert_eq!(value.as_object().unwrap().len(), MAX_SKIMMED_KEYS);
    }

    #[test]
    fn what_is_read_of_a_long_text_is_bounded_however_it_is_nested() {
        fn values(value: &Value) -> usize {
            match value {
                Value::Array(list) => 1 + list.iter().map(values).sum::<usize>(),
                Value::Object(object) => 1 + object.values().map(values).sum::<usize>(),
                _ => 1,
            }
        }
        let list = format!("[{}1]", "1,".repeat(20_000));
        let object = |value: &str| {
            let entries: Vec<String> = (0..MAX_SKIMMED_KEYS).map(|number| format!("\"{number}\":{value}")).collect();
            format!("{{{}}}", entries.join(","))
        };
        for text in [object(&list), object(&object(&object("[1,1]"))), object(&format!("\"{list}\""))] {
            assert!(text.len() > MAX_UNKNOWN);
            assert!(values(&unknown(&text).unwrap()) <= MAX_UNKNOWN, "{}", text.len());
        }
    }
}
