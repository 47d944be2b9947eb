//! JSON values, no more of them than memory is to hold.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// The most values of one request: its objects and lists, and each thing in them. Two bytes of a line may become a
/// hundred in memory, so the limit for a line alone would not bound what it is read into.
pub(super) const MAX_VALUES: usize = 200_000;

/// Why a JSON text was not read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is no JSON.
    Json(serde_json::Error),
    /// It holds more than [`MAX_VALUES`].
    TooMany,
}

/// Reads one value and all that is in it.
pub(super) fn read(json: &str) -> Result<Value, Unreadable> {
    let left = Cell::new(MAX_VALUES + 1);
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = Limited { left: &left }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| if left.get() == 0 { Unreadable::TooMany } else { Unreadable::Json(error) })
}

/// Reads a value as `serde_json` does. None is `left` when there is one too many, and then only.
#[derive(Clone, Copy)]
struct Limited<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Limited<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Limited<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A list of `values` values, itself among them.
    fn list(values: usize) -> String {
        format!("[{}1]", "1,".repeat(values - 2))
    }

    #[test]
    fn a_request_may_hold_as_many_values_as_the_limit_and_no_more() {
        assert_eq!(read(&list(MAX_VALUES)).unwrap().as_array().map(Vec::len), Some(MAX_VALUES - 1));
        assert!(matches!(read(&list(MAX_VALUES + 1)), Err(Unreadable::TooMany)));
        assert!(matches!(read(&format!("{{\"a\":[{}]}}", list(MAX_VALUES))), Err(Unreadable::TooMany)));
        assert!(
            matches!(read(&format!("{}]", list(MAX_VALUES))), Err(Unreadable::Json(_))),
            "not too many, but no JSON"
        );
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            let entries = prop::collection::vec((any::<String>(), inner.clone()), 0..8);
            prop_oneof![
                prop::collection::vec(inner, 0..8).prop_map(Value::from),
                entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(value in json(), cut in any::<prop::sample::Index>()) {
            let text = value.to_string();
            prop_assert_eq!(read(&text).ok(), serde_json::from_str::<Value>(&text).ok());
            let start: String = text.chars().take(cut.index(text.len() + 1)).collect();
            prop_assert_eq!(read(&start).ok(), serde_json::from_str::<Value>(&start).ok());
        }
    }
}
