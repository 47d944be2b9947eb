//! OpenAI's text completions on the wire: one prompt, one continuation. Replies have the shape of
//! [`ChatChunk`](super::chat::ChatChunk), with the text in [`Choice::text`](super::chat::Choice::text).

use super::chat::request::StreamOptions;
use serde::Serialize;
use serde_json::{Map, Value};

/// Where text completions are, below a route's base.
pub const PATH: &str = "/v1/completions";

/// The body of a text completion.
#[derive(Debug, Clone, Serialize)]
pub struct CompletionRequest<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// What to continue.
    pub prompt: &'a str,
    /// Whether the answer should come in pieces.
    pub stream: bool,
    /// Whether a stream should end with its usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// The longest answer, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub stop: &'a [String],
    /// The shape of the answer, for servers that take it here too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// Sampling parameters.
    #[serde(flatten)]
    pub parameters: Map<String, Value>,
}
