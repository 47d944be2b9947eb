//! Types that read JSON leniently.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// A text: borrowed where it needs no unescaping. Null and lists and objects are empty, numbers are printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, unless it is empty.
    pub fn non_empty(self) -> Option<Cow<'a, str>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// A whole number: also from a float or a text that holds one. Everything else is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Int(pub Option<i64>);

impl Int {
    /// The number as a count: negative ones are none.
    pub fn count(self) -> Option<u64> {
        self.0.and_then(|number| u64::try_from(number).ok())
    }
}

/// An object; none when there is something else in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Maybe<T>(pub Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The objects of a list; empty when there is something else in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A type that can be made of any JSON value: of what it is not made for, it is made empty.
pub trait FromAny<'de>: Default {
    /// From a text.
    fn from_text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    /// From a whole number.
    fn from_int(_: i64) -> Self {
        Self::default()
    }

    /// From any other number.
    fn from_float(_: f64) -> Self {
        Self::default()
    }

    /// From a list.
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    /// From an object.
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Reads any JSON value as a `T`.
pub fn from_any<'de, D: Deserializer<'de>, T: FromAny<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(AnyVisitor(PhantomData))
}

/// Reads an object as the struct it is.
pub fn from_object<'de, A: MapAccess<'de>, T: Deserialize<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(MapAccessDeserializer::new(map))
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'de, T: FromAny<'de>> Visitor<'de> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::from_text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(Cow::Owned(text.to_owned())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::from_int(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::default(), T::from_int))
    }
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::from_float(number))
    }
    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::from_seq(seq)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

impl<'de> FromAny<'de> for Text<'de> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self(text)
    }
    fn from_int(number: i64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
    fn from_float(number: f64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl<'de> FromAny<'de> for Int {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self(text.trim().parse().ok())
    }
    fn from_int(number: i64) -> Self {
        Self(Some(number))
    }
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and counts are small")]
    fn from_float(number: f64) -> Self {
        Self(number.is_finite().then_some(number as i64))
    }
}

impl<'de, T: Deserialize<'de>> FromAny<'de> for Maybe<T> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        from_object(map).map(|value| Self(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> FromAny<'de> for List<T> {
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut items = Vec::new();
        while let Some(Maybe(item)) = seq.next_element()? {
            items.extend(item);
        }
        Ok(Self(items))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_any(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_can_stand_where_a_text_a_number_or_a_list_was_promised() {
        for json in ["null", "true", "[1,{}]", r#"{"a":[1]}"#] {
            assert_eq!(serde_json::from_str::<Text<'_>>(json).unwrap(), Text::default(), "{json}");
            assert_eq!(serde_json::from_str::<Int>(json).unwrap(), Int(None), "{json}");
        }
        assert_eq!(serde_json::from_str::<Text<'_>>("12").unwrap().as_str(), "12");
        assert_eq!(serde_json::from_str::<Int>("12.0").unwrap(), Int(Some(12)));
        assert_eq!(serde_json::from_str::<Int>(r#"" 12 ""#).unwrap(), Int(Some(12)));
        assert_eq!(serde_json::from_str::<List<Int>>("7").unwrap().0, []);
    }
}
