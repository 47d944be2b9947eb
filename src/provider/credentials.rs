//! The form's values, typed. Missing keys mean what the Python plugin did: see the variants' docs.

use super::options::AdvancedOptions;
use crate::gateway::Route;
use crate::runtime::entities::{Credentials, MediaKind};
use crate::runtime::{Context, InvokeError};
use serde_json::Value;

/// What all scenarios share.
#[derive(Debug, Clone)]
pub struct Common {
    /// Address, consumer, headers (extra headers, then request metadata), time-outs. See [`Common::read`].
    pub route: Route,
    /// `gateway_model_name`.
    pub gateway_model_name: Option<String>,
    /// `display_name`.
    pub display_name: Option<String>,
    /// `context_size`.
    pub context_size: Option<u64>,
    /// `advanced_options`.
    pub options: AdvancedOptions,
}

/// How tools are offered: `function_calling_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolMode {
    /// `no_call` (default)
    None,
    /// `function_call`
    Functions,
    /// `tool_call`
    Tools,
}

/// `agent_thought_support`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingMode {
    /// `not_supported` (default)
    NotSupported,
    /// `only_thinking_supported`
    Only,
    /// `supported`
    Supported,
}

/// `thinking_param_style`; a missing key is `Legacy`, `auto` is resolved by the effective model name when read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// `legacy`: the Python plugin's fields.
    Legacy,
    /// `enable_thinking`
    EnableThinking,
    /// `chat_template_kwargs`
    ChatTemplateKwargs,
    /// `thinking_type`: `thinking: {type: enabled|disabled}`
    ThinkingType,
    /// `reasoning_effort`
    ReasoningEffort,
    /// `none`
    None,
}

/// `text_model_protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextProtocol {
    /// `openai_compatible`: `/v1/chat/completions`
    Chat,
    /// `openai_completions`: `/v1/completions`
    Completions,
}

/// `multimodal_format`, resolved by the effective model name when `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultimodalFormat {
    /// OpenAI's parts.
    OpenAi,
    /// DashScope's variants of them.
    DashScope,
}

/// `token_param_name`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenParam {
    /// By model name, and by what the upstream said before.
    Auto,
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// Scenario `text_generation` of an LLM.
#[derive(Debug, Clone)]
pub struct TextCredentials {
    /// Shared fields.
    pub common: Common,
    /// What is sent as `model`: `gateway_model_name`, else Dify's name.
    pub upstream_model: String,
    /// Chat or completions.
    pub protocol: TextProtocol,
    /// Tools.
    pub tools: ToolMode,
    /// Thinking.
    pub thinking: ThinkingMode,
    /// Which fields switch thinking.
    pub thinking_style: ThinkingStyle,
    /// `multimodal_support`, or the old `vision_support`.
    pub multimodal: bool,
    /// How files are sent.
    pub multimodal_format: MultimodalFormat,
    /// `max_tokens_to_sample`
    pub max_tokens_to_sample: Option<u64>,
    /// Which parameter limits the length.
    pub token_param: TokenParam,
    /// `structured_output_support`
    pub structured_output: bool,
}

/// `image_model_protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageProtocol {
    /// `dashscope_image_generation`
    DashScope,
    /// `dashscope_async`
    DashScopeAsync,
    /// `openai_images`
    OpenAiImages,
}

/// Scenario `image_generation` of an LLM.
#[derive(Debug, Clone)]
pub struct ImageCredentials {
    /// Shared fields.
    pub common: Common,
    /// What is sent as `model`, by the rule that keeps old routes working.
    pub upstream_model: String,
    /// Which API.
    pub protocol: ImageProtocol,
}

/// An LLM is text or pictures, by `llm_usage_scenario`.
#[derive(Debug, Clone)]
pub enum LlmCredentials {
    /// `text_generation` (default)
    Text(Box<TextCredentials>),
    /// `image_generation`
    Image(Box<ImageCredentials>),
}

/// `embedding_model_protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingProtocol {
    /// `openai_compatible`
    OpenAi,
    /// `openai_multimodal`: vLLM's `messages` on `/v1/embeddings`
    OpenAiMultimodal,
    /// `dashscope_multimodal`
    DashScopeMultimodal,
}

/// A text-embedding model.
#[derive(Debug, Clone)]
pub struct EmbeddingCredentials {
    /// Shared fields.
    pub common: Common,
    /// What is sent as `model`.
    pub upstream_model: String,
    /// Which API.
    pub protocol: EmbeddingProtocol,
    /// `max_chunks`, default 10.
    pub max_chunks: usize,
    /// `dimensions`
    pub dimensions: Option<u64>,
    /// `document_prefix`
    pub document_prefix: Option<String>,
    /// `query_prefix`
    pub query_prefix: Option<String>,
}

/// `rerank_model_protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RerankProtocol {
    /// `dashscope_rerank`, nested at `/api/v1/services/rerank/text-rerank/text-rerank`
    DashScopeNested,
    /// `dashscope_rerank`, flat at `/v1/reranks` (names that start with `qwen3-rerank`)
    DashScopeFlat,
    /// `openai_rerank`: `/v1/rerank`
    OpenAi,
}

/// A rerank model.
#[derive(Debug, Clone)]
pub struct RerankCredentials {
    /// Shared fields.
    pub common: Common,
    /// What is sent as `model`.
    pub upstream_model: String,
    /// Which API and shape.
    pub protocol: RerankProtocol,
}

impl LlmCredentials {
    /// Reads the form of an LLM named `model` in Dify.
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let _ = (cx, model, credentials, Value::Null, MediaKind::Image);
        unimplemented!()
    }
}

impl EmbeddingCredentials {
    /// Reads the form of an embedding model named `model` in Dify.
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let _ = (cx, model, credentials);
        unimplemented!()
    }
}

impl RerankCredentials {
    /// Reads the form of a rerank model named `model` in Dify.
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let _ = (cx, model, credentials);
        unimplemented!()
    }
}
