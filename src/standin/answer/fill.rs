//! Fills a JSON Schema from a question: arguments of a tool call, and structured answers.

use super::words;
use serde_json::{Map, Value, json};

/// Nested deeper, everything is null.
const DEPTH: usize = 8;

/// A value that fits `schema`, made from the question's words.
pub(super) fn fill(schema: &Value, question: &str) -> Value {
    fill_at(schema, question, DEPTH)
}

fn fill_at(schema: &Value, question: &str, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") | None => object(schema, question, depth),
        Some("array") => json!([fill_at(&schema["items"], question, depth - 1)]),
        Some("integer" | "number") => json!(number(question)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some(_) => json!(subject(question)),
    }
}

/// All properties of an object; a schema without properties gives an empty one.
fn object(schema: &Value, question: &str, depth: usize) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let filled = properties.map(|(name, property)| (name.clone(), fill_at(property, question, depth - 1)));
    Value::Object(filled.collect::<Map<_, _>>())
}

/// What a question is about: its last word with a capital letter, else the whole question.
fn subject(question: &str) -> String {
    let words = question.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .skip(1)
        .filter(|word| word.chars().next().is_some_and(char::is_uppercase))
        .last()
        .unwrap_or_else(|| question.trim())
        .to_owned()
}

/// The first number of a question, else how many words it has.
fn number(question: &str) -> u64 {
    question
        .split(|letter: char| !letter.is_ascii_digit())
        .find_map(|digits| digits.parse().ok())
        .unwrap_or_else(|| u64::try_from(words::tokens(question)).unwrap_or_default())
}
