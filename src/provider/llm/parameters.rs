//! The parameters of a call, sorted by what becomes of them.

use crate::provider::errors::refused;
use crate::runtime::InvokeError;
use serde_json::{Map, Value};

/// What an app set, checked by the model's rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parameters {
    pub(super) max_tokens: Option<u64>,
    pub(super) enable_thinking: Option<bool>,
    pub(super) thinking_budget: Option<u64>,
    pub(super) reasoning_effort: Option<String>,
    pub(super) response_format: Option<String>,
    /// JSON text, or the object itself.
    pub(super) json_schema: Option<Value>,
    pub(super) web_search: bool,
    pub(super) search_context_size: Option<String>,
    /// JSON text.
    pub(super) extra_headers: Option<String>,
    /// What is sent under its own name.
    pub(super) sampling: Map<String, Value>,
}

impl Parameters {
    /// Sorts checked parameters.
    pub(super) fn new(mut given: Map<String, Value>) -> Result<Self, InvokeError> {
        let mut take = |name: &str| given.remove(name).filter(|value| !value.is_null());
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            _ => None,
        };
        let count = |name: &str, value: Option<Value>| match value {
            None => Ok(None),
            Some(value) => {
                value.as_u64().map(Some).ok_or_else(|| refused(name, "must be a whole number of at least 0"))
            }
        };
        Ok(Self {
            max_tokens: count("max_tokens", take("max_tokens"))?,
            enable_thinking: take("enable_thinking").and_then(|value| value.as_bool()),
            thinking_budget: count("thinking_budget", take("thinking_budget"))?,
            reasoning_effort: text(take("reasoning_effort")),
            response_format: text(take("response_format")),
            json_schema: take("json_schema"),
            web_search: take("enable_web_search").and_then(|value| value.as_bool()).unwrap_or_default(),
            search_context_size: text(take("search_context_size")),
            extra_headers: text(take("extra_headers")),
            sampling: given,
        })
    }
}
