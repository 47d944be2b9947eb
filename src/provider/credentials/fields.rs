//! The form's fields, one by one: what each may hold, and what a model saved without it means.

use super::{
    EmbeddingProtocol, ImageProtocol, MultimodalFormat, RerankProtocol, TextProtocol, ThinkingMode, ThinkingStyle,
    TokenParam, ToolMode, form, names,
};
use crate::provider::headers::RequestMetadata;
use crate::runtime::InvokeError;
use crate::runtime::entities::Credentials;

/// Most texts of one embedding request: the limit of OpenAI's API.
const MAX_CHUNKS: u64 = 2048;

/// Texts of one embedding request unless the form says otherwise: `DashScope` takes ten.
const DEFAULT_CHUNKS: usize = 10;

/// `llm_usage_scenario`: whether the LLM draws instead of writing.
pub(in crate::provider) fn makes_pictures(credentials: &Credentials) -> Result<bool, InvokeError> {
    form::choice(credentials, "llm_usage_scenario", &[("text_generation", false), ("image_generation", true)], false)
}

/// `text_model_protocol`
pub(in crate::provider) fn text_protocol(credentials: &Credentials) -> Result<TextProtocol, InvokeError> {
    let options = [("openai_compatible", TextProtocol::Chat), ("openai_completions", TextProtocol::Completions)];
    form::choice(credentials, "text_model_protocol", &options, TextProtocol::Chat)
}

/// `function_calling_type`; completions know no tools.
pub(in crate::provider) fn tools(credentials: &Credentials) -> Result<ToolMode, InvokeError> {
    let options = [("no_call", ToolMode::None), ("function_call", ToolMode::Functions), ("tool_call", ToolMode::Tools)];
    let tools = form::choice(credentials, "function_calling_type", &options, ToolMode::None)?;
    Ok(if is_chat(credentials)? { tools } else { ToolMode::None })
}

/// `agent_thought_support`
pub(in crate::provider) fn thinking(credentials: &Credentials) -> Result<ThinkingMode, InvokeError> {
    let options = [
        ("not_supported", ThinkingMode::NotSupported),
        ("only_thinking_supported", ThinkingMode::Only),
        ("supported", ThinkingMode::Supported),
    ];
    form::choice(credentials, "agent_thought_support", &options, ThinkingMode::NotSupported)
}

/// `thinking_param_style`; a model saved before the field existed goes on as it was.
pub(in crate::provider) fn thinking_style(
    credentials: &Credentials,
    upstream_model: &str,
) -> Result<ThinkingStyle, InvokeError> {
    let options = [
        ("auto", None),
        ("legacy", Some(ThinkingStyle::Legacy)),
        ("enable_thinking", Some(ThinkingStyle::EnableThinking)),
        ("chat_template_kwargs", Some(ThinkingStyle::ChatTemplateKwargs)),
        ("thinking_type", Some(ThinkingStyle::ThinkingType)),
        ("reasoning_effort", Some(ThinkingStyle::ReasoningEffort)),
        ("none", Some(ThinkingStyle::None)),
    ];
    let style = form::choice(credentials, "thinking_param_style", &options, Some(ThinkingStyle::Legacy))?;
    Ok(style.unwrap_or_else(|| names::thinking_style(upstream_model)))
}

/// Whether files are sent: `multimodal_support`, or what an early form called `vision_support`. Completions take none.
pub(in crate::provider) fn multimodal(credentials: &Credentials) -> Result<bool, InvokeError> {
    let options = [("support", true), ("not_support", false)];
    let old = form::choice(credentials, "vision_support", &options, false)?;
    Ok(form::choice(credentials, "multimodal_support", &options, old)? && is_chat(credentials)?)
}

/// `multimodal_format`
pub(in crate::provider) fn multimodal_format(
    credentials: &Credentials,
    upstream_model: &str,
) -> Result<MultimodalFormat, InvokeError> {
    let options =
        [("auto", None), ("openai", Some(MultimodalFormat::OpenAi)), ("dashscope", Some(MultimodalFormat::DashScope))];
    let format = form::choice(credentials, "multimodal_format", &options, None)?;
    Ok(format.unwrap_or_else(|| names::multimodal_format(upstream_model)))
}

/// `structured_output_support`; completions know no response format.
pub(in crate::provider) fn structured_output(credentials: &Credentials) -> Result<bool, InvokeError> {
    let options = [("not_supported", false), ("supported", true)];
    Ok(form::choice(credentials, "structured_output_support", &options, false)? && is_chat(credentials)?)
}

/// `max_tokens_to_sample`, in tokens.
pub(in crate::provider) fn max_tokens_to_sample(credentials: &Credentials) -> Result<Option<u64>, InvokeError> {
    form::count(credentials, "max_tokens_to_sample")
}

/// `token_param_name`
pub(in crate::provider) fn token_param(credentials: &Credentials) -> Result<TokenParam, InvokeError> {
    let options = [
        ("auto", TokenParam::Auto),
        ("max_tokens", TokenParam::MaxTokens),
        ("max_completion_tokens", TokenParam::MaxCompletionTokens),
    ];
    form::choice(credentials, "token_param_name", &options, TokenParam::Auto)
}

/// `image_model_protocol`
pub(in crate::provider) fn image_protocol(credentials: &Credentials) -> Result<ImageProtocol, InvokeError> {
    let options = [
        ("dashscope_image_generation", ImageProtocol::DashScope),
        ("dashscope_async", ImageProtocol::DashScopeAsync),
        ("openai_images", ImageProtocol::OpenAiImages),
    ];
    form::choice(credentials, "image_model_protocol", &options, ImageProtocol::DashScope)
}

/// `embedding_model_protocol`
pub(in crate::provider) fn embedding_protocol(credentials: &Credentials) -> Result<EmbeddingProtocol, InvokeError> {
    form::choice(credentials, "embedding_usage_scenario", &[("embedding", ())], ())?;
    let options = [
        ("openai_compatible", EmbeddingProtocol::OpenAi),
        ("openai_multimodal", EmbeddingProtocol::OpenAiMultimodal),
        ("dashscope_multimodal", EmbeddingProtocol::DashScopeMultimodal),
    ];
    form::choice(credentials, "embedding_model_protocol", &options, EmbeddingProtocol::OpenAi)
}

/// `max_chunks`
pub(in crate::provider) fn max_chunks(credentials: &Credentials) -> Result<usize, InvokeError> {
    let chunks = form::whole(credentials, "max_chunks", 1..=MAX_CHUNKS)?;
    Ok(chunks.and_then(|chunks| usize::try_from(chunks).ok()).unwrap_or(DEFAULT_CHUNKS))
}

/// `dimensions`
pub(in crate::provider) fn dimensions(credentials: &Credentials) -> Result<Option<u64>, InvokeError> {
    form::count(credentials, "dimensions")
}

/// `rerank_model_protocol` of a model named `model` in Dify, and the name to send.
pub(in crate::provider) fn rerank(
    credentials: &Credentials,
    model: &str,
) -> Result<(String, RerankProtocol), InvokeError> {
    form::choice(credentials, "rerank_usage_scenario", &[("rerank", ())], ())?;
    let options = [("dashscope_rerank", false), ("openai_rerank", true)];
    let configured = gateway_model_name(credentials);
    if form::choice(credentials, "rerank_model_protocol", &options, false)? {
        return Ok((configured.unwrap_or_else(|| model.to_owned()), RerankProtocol::OpenAi));
    }
    let name = names::rerank(configured.as_deref(), model);
    let flat = names::rerank_is_flat(&name);
    Ok((name, if flat { RerankProtocol::DashScopeFlat } else { RerankProtocol::DashScopeNested }))
}

/// `gateway_model_name`
pub(in crate::provider) fn gateway_model_name(credentials: &Credentials) -> Option<String> {
    credentials.text("gateway_model_name")
}

/// `context_size`, in tokens.
pub(in crate::provider) fn context_size(credentials: &Credentials) -> Result<Option<u64>, InvokeError> {
    form::count(credentials, "context_size")
}

/// `enable_request_metadata`
pub(in crate::provider) fn request_metadata(credentials: &Credentials) -> Result<RequestMetadata, InvokeError> {
    let options = [
        ("disabled", RequestMetadata::Disabled),
        ("enabled", RequestMetadata::App),
        ("app_and_user", RequestMetadata::AppAndUser),
    ];
    form::choice(credentials, "enable_request_metadata", &options, RequestMetadata::Disabled)
}

fn is_chat(credentials: &Credentials) -> Result<bool, InvokeError> {
    Ok(text_protocol(credentials)? == TextProtocol::Chat)
}
