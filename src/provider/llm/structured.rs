//! Answers of a given shape: `response_format`.

use super::parameters::Parameters;
use crate::provider::errors::refused;
use crate::runtime::InvokeError;
use serde_json::{Map, Value, json};

/// The name of a schema that has none: Dify's own.
const DEFAULT_NAME: &str = "llm_response";

/// The longest name that OpenAI's API takes.
const MAX_NAME: usize = 64;

/// The shape that a call asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Structured {
    /// The request's field.
    pub(super) response_format: Option<Value>,
    /// Whether the host wants the answer as an object too.
    pub(super) wants_object: bool,
}

impl Structured {
    /// Reads the parameters and the schema that newer hosts send beside them. `supported` says whether the model may
    /// be sent a `response_format`.
    ///
    /// # Errors
    ///
    /// A bad request for a schema that is none, before anything is sent.
    pub(super) fn new(parameters: &Parameters, schema: Option<&Value>, supported: bool) -> Result<Self, InvokeError> {
        let schema = parameters.json_schema.as_ref().filter(|schema| !is_blank(schema)).or(schema);
        let asked = match (parameters.response_format.as_deref(), schema) {
            (Some("json_schema"), None) => {
                return Err(refused(
                    "json_schema",
                    "is missing, and response_format is json_schema: give a JSON Schema",
                ));
            }
            (None | Some("json_schema"), Some(schema)) => json_schema(schema)?,
            (None, None) => return Ok(Self::default()),
            (Some(format), _) => {
                return Ok(Self { response_format: Some(json!({"type": format})), wants_object: false });
            }
        };
        Ok(Self { response_format: supported.then_some(asked), wants_object: true })
    }
}

fn is_blank(schema: &Value) -> bool {
    match schema {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// A schema as text or object; alone, with OpenAI's wrapper (`name`, `schema`, `strict`), or as the whole field.
fn json_schema(given: &Value) -> Result<Value, InvokeError> {
    let parsed = match given {
        Value::String(text) => serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            refused("json_schema", format!("is not valid JSON (line {line}, column {column})"))
        })?,
        other => other.clone(),
    };
    let Value::Object(mut object) = parsed else {
        return Err(refused("json_schema", "must be a JSON object"));
    };
    if object.get("type").and_then(Value::as_str) == Some("json_schema") {
        match object.remove("json_schema") {
            Some(Value::Object(inner)) => object = inner,
            _ => return Err(refused("json_schema", "has the type json_schema but no object json_schema inside")),
        }
    }
    let mut wrapper = if object.contains_key("schema") && !describes_values(&object) {
        if !object.get("schema").is_some_and(Value::is_object) {
            return Err(refused("json_schema", "has a field schema that is no JSON object"));
        }
        object
    } else {
        Map::from_iter([("schema".to_owned(), Value::Object(object))])
    };
    let name = wrapper.get("name").and_then(Value::as_str).map_or_else(|| DEFAULT_NAME.to_owned(), plain_name);
    wrapper.insert("name".to_owned(), Value::String(name));
    Ok(json!({"type": "json_schema", "json_schema": wrapper}))
}

/// Whether an object is a JSON Schema itself, which may happen to have a field named `schema`.
fn describes_values(object: &Map<String, Value>) -> bool {
    ["type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "$schema"]
        .iter()
        .any(|key| object.contains_key(*key))
}

/// A name with letters, digits, `_` and `-` only, as OpenAI's API wants it.
fn plain_name(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "_-".contains(letter) { letter } else { '_' };
    let name: String = name.chars().take(MAX_NAME).map(plain).collect();
    if name.is_empty() { DEFAULT_NAME.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structured(parameters: Value, schema: Option<&Value>) -> Result<Structured, InvokeError> {
        let Value::Object(parameters) = parameters else { panic!("an object") };
        Structured::new(&Parameters::new(parameters).unwrap(), schema, true)
    }

    fn asked(parameters: Value) -> Value {
        structured(parameters, None).unwrap().response_format.unwrap()
    }

    #[test]
    fn a_schema_is_taken_as_text_or_object_with_or_without_its_wrapper() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let expected = json!({"type": "json_schema", "json_schema": {"name": "llm_response", "schema": schema}});
        for given in [
            json!(schema.to_string()),
            schema.clone(),
            json!({"schema": schema}),
            json!({"schema": schema, "name": "llm_response"}).to_string().into(),
            expected.clone(),
        ] {
            assert_eq!(asked(json!({"response_format": "json_schema", "json_schema": given})), expected, "{given}");
        }
    }

    #[test]
    fn strict_and_name_are_passed_on() {
        let given = json!({"schema": {"type": "object"}, "name": "my answer", "strict": true, "description": "d"});
        let expected = json!({"schema": {"type": "object"}, "name": "my_answer", "strict": true, "description": "d"});
        assert_eq!(asked(json!({"json_schema": given}))["json_schema"], expected);
    }

    #[test]
    fn a_bad_schema_is_refused_with_its_field() {
        for (given, reason) in [
            (json!("{"), "line 1"),
            (json!("[1]"), "JSON object"),
            (json!(7), "JSON object"),
            (json!({"schema": "x", "name": "n"}), "schema"),
            (json!({"type": "json_schema"}), "inside"),
            (json!(" "), "missing"),
        ] {
            let error = structured(json!({"response_format": "json_schema", "json_schema": given}), None).unwrap_err();
            assert!(error.message.starts_with("[higress] json_schema ") && error.message.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_hosts_schema_counts_when_the_parameters_have_none() {
        let host = Some(json!({"type": "object"}));
        let structured = |parameters| structured(parameters, host.as_ref()).unwrap();
        assert!(structured(json!({})).wants_object);
        let format = structured(json!({})).response_format.unwrap();
        assert_eq!(format["json_schema"]["schema"], json!({"type": "object"}));
        assert_eq!(structured(json!({"response_format": "text"})).response_format, Some(json!({"type": "text"})));
    }

    #[test]
    fn other_formats_are_passed_on() {
        assert_eq!(asked(json!({"response_format": "json_object"})), json!({"type": "json_object"}));
        assert_eq!(structured(json!({}), None).unwrap(), Structured::default());
    }

    #[test]
    fn a_model_without_support_is_not_sent_the_field_but_its_object_is_read() {
        let structured = Structured::new(&Parameters::default(), Some(&json!({"type": "object"})), false).unwrap();
        assert_eq!(structured, Structured { response_format: None, wants_object: true });
    }
}
