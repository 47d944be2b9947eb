//! Where a text handler puts its answer.

use super::InvokeError;
use super::entities::{ContentPart, LlmUsage, ToolCall};
use serde_json::Value;
use std::time::Duration;

/// How text deltas of one answer may be merged before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merging {
    /// Every delta leaves as a chunk of its own.
    Off,
    /// Deltas that are already waiting leave as one chunk; a lone delta leaves at once.
    #[default]
    Waiting,
    /// As `Waiting`, and after a chunk the next waits this long for company.
    Window(Duration),
}

/// The answer of one text call. Streaming, every call becomes chunks as it is made; not streaming, everything is
/// collected and leaves as one chunk at [`finish`](Self::finish).
#[derive(Debug)]
pub struct LlmOutput {
    _private: (),
}

impl LlmOutput {
    /// Sets how text deltas are merged; [`Merging::Waiting`] until set.
    pub fn set_merging(&mut self, merging: Merging) {
        let _ = merging;
        unimplemented!()
    }

    /// A piece of text; empty text is not sent. Waits while the session has too much unsent output.
    pub async fn text(&mut self, text: &str) -> Result<(), InvokeError> {
        let _ = text;
        unimplemented!()
    }

    /// Parts other than plain text, for example pictures.
    pub async fn parts(&mut self, parts: Vec<ContentPart>) -> Result<(), InvokeError> {
        let _ = parts;
        unimplemented!()
    }

    /// Tool calls, each complete, each once.
    pub async fn tool_calls(&mut self, calls: Vec<ToolCall>) -> Result<(), InvokeError> {
        let _ = calls;
        unimplemented!()
    }

    /// The last chunk: usage, why the answer ended, and the parsed object when a JSON schema was asked for.
    pub async fn finish(
        self,
        usage: LlmUsage,
        finish_reason: Option<String>,
        structured_output: Option<Value>,
    ) -> Result<(), InvokeError> {
        let _ = (usage, finish_reason, structured_output);
        unimplemented!()
    }
}
