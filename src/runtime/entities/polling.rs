//! Answers that take minutes: started, then asked for.

use super::{ContentPart, Credentials, LlmUsage};
use serde_json::{Map, Value};

/// `check_polling`.
#[derive(Debug, Clone)]
pub struct CheckPollingRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// What the previous answer held; the check may run in another process.
    pub plugin_state: Map<String, Value>,
}

/// The answer to `start_polling` and `check_polling`.
#[derive(Debug, Clone)]
pub enum PollingAnswer {
    /// Not done: ask again.
    Running {
        /// Not empty, self-contained, without secrets.
        plugin_state: Map<String, Value>,
        /// When to ask, in seconds.
        next_check_after_seconds: u64,
    },
    /// Done.
    Succeeded {
        /// The answer's parts.
        content: Vec<ContentPart>,
        /// What it cost.
        usage: LlmUsage,
        /// The parsed object, when the request asked for a JSON schema.
        structured_output: Option<Value>,
    },
    /// Failed for good; the text is for a person.
    Failed(String),
}
