//! Reading fields of a JSON object, with errors that name the field.

use super::super::super::InvokeError;
use serde_json::{Map, Value};

/// An error about the field at `path`.
pub(super) fn at(path: &str, complaint: &str) -> InvokeError {
    InvokeError::bad_request(format!("the request's field `{path}` {complaint}"))
}

/// What a value is, for a person. Never the value itself: it may be a secret.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A short text in quotes; a long one is cut, for error texts have little room.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// An object whose fields are taken out one by one, without copying them.
pub(super) struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The request's outermost object.
    pub(super) fn root(value: Value) -> Result<Self, InvokeError> {
        match value {
            Value::Object(map) => Ok(Self { path: String::new(), map }),
            other => Err(InvokeError::bad_request(format!("the request must be an object, not {}", kind_of(&other)))),
        }
    }

    /// The object at `path`.
    pub(super) fn new(value: Value, path: &str) -> Result<Self, InvokeError> {
        match value {
            Value::Object(map) => Ok(Self { path: path.to_owned(), map }),
            other => Err(at(path, &format!("must be an object, not {}", kind_of(&other)))),
        }
    }

    /// Where the field `key` is.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of `key`; null when missing.
    pub(super) fn take(&mut self, key: &str) -> Value {
        self.map.get_mut(key).map(Value::take).unwrap_or_default()
    }

    fn wrong(&self, key: &str, expected: &str, value: &Value) -> InvokeError {
        at(&self.path(key), &format!("must be {expected}, not {}", kind_of(value)))
    }

    /// A text; empty when missing or null.
    pub(super) fn text(&mut self, key: &str) -> Result<String, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            other => Err(self.wrong(key, "a text", &other)),
        }
    }

    /// A text or a number as text; empty when missing or null.
    pub(super) fn text_or_number(&mut self, key: &str) -> Result<String, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(self.wrong(key, "a text", &other)),
        }
    }

    /// A number; `None` when missing or null.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<f64>, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(None),
            Value::Number(number) => Ok(number.as_f64()),
            other => Err(self.wrong(key, "a number", &other)),
        }
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(default),
            Value::Bool(flag) => Ok(flag),
            other => Err(self.wrong(key, "true or false", &other)),
        }
    }

    /// An object; empty when missing or null.
    pub(super) fn map(&mut self, key: &str) -> Result<Map<String, Value>, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(Map::new()),
            Value::Object(map) => Ok(map),
            other => Err(self.wrong(key, "an object", &other)),
        }
    }

    /// A list; empty when missing or null.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<Value>, InvokeError> {
        match self.take(key) {
            Value::Null => Ok(Vec::new()),
            Value::Array(list) => Ok(list),
            other => Err(self.wrong(key, "a list", &other)),
        }
    }

    /// A list of texts; empty when missing or null. A null among them is an empty text, so that positions stay.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, InvokeError> {
        let list = self.list(key)?;
        list.into_iter()
            .enumerate()
            .map(|(index, item)| match item {
                Value::Null => Ok(String::new()),
                Value::String(text) => Ok(text),
                other => Err(self.wrong(&format!("{key}[{index}]"), "a text", &other)),
            })
            .collect()
    }
}
