//! The credentials of one call: what a person filled into the form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// Form values by variable name, secrets in clear text. `Debug` prints the names only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub Map<String, Value>);

impl Credentials {
    /// The text of `variable`; `None` when missing, null or blank. Numbers and booleans are given as text.
    pub fn text(&self, variable: &str) -> Option<String> {
        let text = match self.0.get(variable)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
