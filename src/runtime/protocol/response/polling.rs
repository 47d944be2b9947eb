//! Answers of `start_polling` and `check_polling`.

use super::super::super::entities::{ContentPart, LlmUsage, PollingAnswer};
use super::llm::{AssistantMessage, ChunkContent};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A polling answer on the wire, which names the model in its result.
#[derive(Debug, Clone, Copy)]
pub struct Polling<'a> {
    /// The model's name in Dify.
    pub model: &'a str,
    /// What to send.
    pub answer: &'a PollingAnswer,
}

#[derive(Serialize)]
struct Wire<'a> {
    status: &'static str,
    plugin_state: Option<&'a Map<String, Value>>,
    result: Option<LlmResult<'a>>,
    error: Option<&'a str>,
    next_check_after_seconds: Option<u64>,
    expires_after_seconds: Option<u64>,
    max_attempts: Option<u64>,
}

#[derive(Serialize)]
struct LlmResult<'a> {
    model: &'a str,
    prompt_messages: [(); 0],
    message: AssistantMessage<'a>,
    usage: &'a LlmUsage,
    system_fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structured_output: Option<&'a Value>,
}

impl Serialize for Polling<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            status: "running",
            plugin_state: None,
            result: None,
            error: None,
            next_check_after_seconds: None,
            expires_after_seconds: None,
            max_attempts: None,
        };
        let text;
        match self.answer {
            PollingAnswer::Running { plugin_state, next_check_after_seconds } => {
                wire.plugin_state = Some(plugin_state);
                // The host takes positive numbers only.
                wire.next_check_after_seconds = Some((*next_check_after_seconds).max(1));
            }
            PollingAnswer::Succeeded { content, usage, structured_output } => {
                wire.status = "succeeded";
                text = plain_text(content);
                let content = text.as_deref().map_or(ChunkContent::Parts(content), ChunkContent::Text);
                wire.result = Some(LlmResult {
                    model: self.model,
                    prompt_messages: [],
                    message: AssistantMessage::new(content, &[]),
                    usage,
                    system_fingerprint: None,
                    structured_output: structured_output.as_ref(),
                });
            }
            PollingAnswer::Failed(reason) => {
                wire.status = "failed";
                // The host refuses a blank reason, and the session would then hang.
                wire.error = Some(if reason.trim().is_empty() { "the upstream gave no reason" } else { reason });
            }
        }
        wire.serialize(serializer)
    }
}

/// The text of parts that are nothing but text: apps read the answer as one string.
fn plain_text(parts: &[ContentPart]) -> Option<String> {
    let texts = parts.iter().map(|part| match part {
        ContentPart::Text(text) => Some(text.as_str()),
        ContentPart::Media(_) => None,
    });
    texts.collect()
}
