//! Requests for text.

use super::{Credentials, PromptMessage};
use serde_json::{Map, Value};

/// `invoke_llm` and `start_polling`.
#[derive(Debug, Clone)]
pub struct LlmRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// The conversation.
    pub prompt_messages: Vec<PromptMessage>,
    /// What the app set; unfiltered.
    pub model_parameters: Map<String, Value>,
    /// Tools the model may call.
    pub tools: Vec<ToolDefinition>,
    /// What the app says about using them.
    pub tool_choice: Option<ToolChoice>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// A schema for the answer, from hosts that send it beside the parameters.
    pub json_schema: Option<Value>,
    /// Whether the answer should come in pieces.
    pub stream: bool,
}

/// `get_llm_num_tokens`.
#[derive(Debug, Clone)]
pub struct LlmTokensRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// What to count.
    pub prompt_messages: Vec<PromptMessage>,
    /// What to count as well.
    pub tools: Vec<ToolDefinition>,
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments; `{}` when the host sent none.
    pub parameters: Value,
}

/// How tools are to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No tool.
    None,
    /// Some tool.
    Required,
    /// This tool.
    Tool(String),
}
