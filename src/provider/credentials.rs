//! The form's values, typed. Missing keys mean what the Python plugin did: see the variants' docs.

mod form;
mod names;

use super::errors::{TAG, refused};
use super::headers::{self, RequestMetadata};
use super::options::AdvancedOptions;
use crate::gateway::auth::KeyPlacement;
use crate::gateway::{Auth, Endpoint, Route};
use crate::runtime::entities::Credentials;
use crate::runtime::{Context, InvokeError};
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use std::str::FromStr;
use std::sync::Arc;

/// Most texts of one embedding request: the limit of OpenAI's API.
const MAX_CHUNKS: u64 = 2048;

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

impl Common {
    /// Reads what all scenarios share. `cx` says who is calling, for the request metadata.
    ///
    /// # Errors
    ///
    /// A bad request that names the field: an endpoint that is no address, an authorisation mode without its key or
    /// secret (never sent unsigned), an unknown option, a number that is none, JSON that does not fit.
    pub fn read(cx: &Context, credentials: &Credentials) -> Result<Self, InvokeError> {
        let options = AdvancedOptions::parse(credentials.text("advanced_options").as_deref())?;
        let auth = auth(credentials, &options)?;
        let extra = credentials.text("extra_headers").unwrap_or_default();
        let mut headers = headers::parse_extra_headers(&extra, &auth)?;
        let signed_headers = headers::add_metadata(metadata(credentials)?, cx, &mut headers);
        let route = Route {
            endpoint: endpoint(credentials)?,
            auth,
            headers,
            signed_headers,
            options: Arc::new(options.transport.clone()),
        };
        Ok(Self {
            route,
            gateway_model_name: credentials.text("gateway_model_name"),
            display_name: credentials.text("display_name"),
            context_size: form::count(credentials, "context_size")?,
            options,
        })
    }

    /// The headers of one call, from the parameter `extra_headers`. They cannot change who is calling.
    ///
    /// # Errors
    ///
    /// As [`headers::parse_extra_headers`].
    pub fn call_headers(&self, extra_headers: &str) -> Result<HeaderMap, InvokeError> {
        let mut parsed = headers::parse_extra_headers(extra_headers, &self.route.auth)?;
        if self.route.signed_headers.contains(&headers::SOURCE) {
            headers::remove_metadata(&mut parsed);
        }
        Ok(parsed)
    }

    /// `gateway_model_name`, else Dify's name.
    fn effective_name(&self, model: &str) -> String {
        self.gateway_model_name.clone().unwrap_or_else(|| model.to_owned())
    }
}

impl LlmCredentials {
    /// Reads the form of an LLM named `model` in Dify.
    ///
    /// # Errors
    ///
    /// As [`Common::read`].
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let pictures = form::choice(
            credentials,
            "llm_usage_scenario",
            &[("text_generation", false), ("image_generation", true)],
            false,
        )?;
        let common = Common::read(cx, credentials)?;
        if pictures {
            ImageCredentials::read(common, model, credentials).map(|image| Self::Image(Box::new(image)))
        } else {
            TextCredentials::read(common, model, credentials).map(|text| Self::Text(Box::new(text)))
        }
    }

    /// What both scenarios share.
    pub fn common(&self) -> &Common {
        match self {
            Self::Text(text) => &text.common,
            Self::Image(image) => &image.common,
        }
    }
}

impl TextCredentials {
    fn read(common: Common, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let upstream_model = common.effective_name(model);
        let protocol = form::choice(
            credentials,
            "text_model_protocol",
            &[("openai_compatible", TextProtocol::Chat), ("openai_completions", TextProtocol::Completions)],
            TextProtocol::Chat,
        )?;
        let tools = form::choice(
            credentials,
            "function_calling_type",
            &[("no_call", ToolMode::None), ("function_call", ToolMode::Functions), ("tool_call", ToolMode::Tools)],
            ToolMode::None,
        )?;
        let thinking = form::choice(
            credentials,
            "agent_thought_support",
            &[
                ("not_supported", ThinkingMode::NotSupported),
                ("only_thinking_supported", ThinkingMode::Only),
                ("supported", ThinkingMode::Supported),
            ],
            ThinkingMode::NotSupported,
        )?;
        Ok(Self {
            protocol,
            tools,
            thinking,
            thinking_style: thinking_style(credentials, &upstream_model)?,
            multimodal: multimodal(credentials)?,
            multimodal_format: multimodal_format(credentials, &upstream_model)?,
            max_tokens_to_sample: form::count(credentials, "max_tokens_to_sample")?,
            token_param: form::choice(
                credentials,
                "token_param_name",
                &[
                    ("auto", TokenParam::Auto),
                    ("max_tokens", TokenParam::MaxTokens),
                    ("max_completion_tokens", TokenParam::MaxCompletionTokens),
                ],
                TokenParam::Auto,
            )?,
            structured_output: form::choice(
                credentials,
                "structured_output_support",
                &[("not_supported", false), ("supported", true)],
                false,
            )?,
            upstream_model,
            common,
        })
    }
}

impl ImageCredentials {
    fn read(common: Common, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let protocol = form::choice(
            credentials,
            "image_model_protocol",
            &[
                ("dashscope_image_generation", ImageProtocol::DashScope),
                ("dashscope_async", ImageProtocol::DashScopeAsync),
                ("openai_images", ImageProtocol::OpenAiImages),
            ],
            ImageProtocol::DashScope,
        )?;
        let upstream_model = match protocol {
            ImageProtocol::DashScope => names::image(common.gateway_model_name.as_deref(), model),
            ImageProtocol::DashScopeAsync | ImageProtocol::OpenAiImages => common.effective_name(model),
        };
        Ok(Self { common, upstream_model, protocol })
    }
}

impl EmbeddingCredentials {
    /// Reads the form of an embedding model named `model` in Dify.
    ///
    /// # Errors
    ///
    /// As [`Common::read`].
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        form::choice(credentials, "embedding_usage_scenario", &[("embedding", ())], ())?;
        let common = Common::read(cx, credentials)?;
        let max_chunks = form::whole(credentials, "max_chunks", 1..=MAX_CHUNKS)?.unwrap_or(10);
        Ok(Self {
            upstream_model: common.effective_name(model),
            protocol: form::choice(
                credentials,
                "embedding_model_protocol",
                &[
                    ("openai_compatible", EmbeddingProtocol::OpenAi),
                    ("openai_multimodal", EmbeddingProtocol::OpenAiMultimodal),
                    ("dashscope_multimodal", EmbeddingProtocol::DashScopeMultimodal),
                ],
                EmbeddingProtocol::OpenAi,
            )?,
            max_chunks: usize::try_from(max_chunks).unwrap_or(10),
            dimensions: form::count(credentials, "dimensions")?,
            document_prefix: form::verbatim(credentials, "document_prefix"),
            query_prefix: form::verbatim(credentials, "query_prefix"),
            common,
        })
    }
}

impl RerankCredentials {
    /// Reads the form of a rerank model named `model` in Dify.
    ///
    /// # Errors
    ///
    /// As [`Common::read`].
    pub fn read(cx: &Context, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        form::choice(credentials, "rerank_usage_scenario", &[("rerank", ())], ())?;
        let common = Common::read(cx, credentials)?;
        let openai = form::choice(
            credentials,
            "rerank_model_protocol",
            &[("dashscope_rerank", false), ("openai_rerank", true)],
            false,
        )?;
        if openai {
            return Ok(Self { upstream_model: common.effective_name(model), common, protocol: RerankProtocol::OpenAi });
        }
        let upstream_model = names::rerank(common.gateway_model_name.as_deref(), model);
        let flat = names::rerank_is_flat(&upstream_model);
        let protocol = if flat { RerankProtocol::DashScopeFlat } else { RerankProtocol::DashScopeNested };
        Ok(Self { common, upstream_model, protocol })
    }
}

/// The address of the route.
fn endpoint(credentials: &Credentials) -> Result<Endpoint, InvokeError> {
    let text = credentials.text("endpoint_url").ok_or_else(|| refused("endpoint_url", "is empty"))?;
    Endpoint::parse(&text).map_err(|error| InvokeError::bad_request(format!("{TAG}endpoint_url: {error}")))
}

/// The consumer. A mode without its key or secret is an error: an unsigned call would go out as nobody.
fn auth(credentials: &Credentials, options: &AdvancedOptions) -> Result<Auth, InvokeError> {
    let mode = form::choice(
        credentials,
        "consumer_auth_mode",
        &[("disabled", "disabled"), ("api_key", "api_key"), ("hmac", "hmac")],
        "disabled",
    )?;
    Ok(match mode {
        "api_key" => Auth::ApiKey { key: form::secret(credentials, "api_key", mode)?, placement: placement(options) },
        "hmac" => Auth::Hmac {
            access_key: form::secret(credentials, "hmac_key", mode)?.expose_secret().to_owned(),
            secret: form::secret(credentials, "hmac_secret", mode)?,
            scheme: options.hmac,
        },
        _ => Auth::Disabled,
    })
}

/// Where the API key goes; the options hold at most one place, its name checked.
fn placement(options: &AdvancedOptions) -> KeyPlacement {
    let header = options.key_header.as_deref().and_then(|name| HeaderName::from_str(name).ok());
    match (header, &options.key_query) {
        (Some(name), _) => KeyPlacement::Header(name),
        (None, Some(name)) => KeyPlacement::Query(name.clone()),
        (None, None) => KeyPlacement::Bearer,
    }
}

fn metadata(credentials: &Credentials) -> Result<RequestMetadata, InvokeError> {
    form::choice(
        credentials,
        "enable_request_metadata",
        &[
            ("disabled", RequestMetadata::Disabled),
            ("enabled", RequestMetadata::App),
            ("app_and_user", RequestMetadata::AppAndUser),
        ],
        RequestMetadata::Disabled,
    )
}

fn thinking_style(credentials: &Credentials, upstream_model: &str) -> Result<ThinkingStyle, InvokeError> {
    let style = form::choice(
        credentials,
        "thinking_param_style",
        &[
            ("auto", None),
            ("legacy", Some(ThinkingStyle::Legacy)),
            ("enable_thinking", Some(ThinkingStyle::EnableThinking)),
            ("chat_template_kwargs", Some(ThinkingStyle::ChatTemplateKwargs)),
            ("thinking_type", Some(ThinkingStyle::ThinkingType)),
            ("reasoning_effort", Some(ThinkingStyle::ReasoningEffort)),
            ("none", Some(ThinkingStyle::None)),
        ],
        Some(ThinkingStyle::Legacy),
    )?;
    Ok(style.unwrap_or_else(|| names::thinking_style(upstream_model)))
}

/// Whether files are sent: `multimodal_support`, or what an early form called `vision_support`.
fn multimodal(credentials: &Credentials) -> Result<bool, InvokeError> {
    let options = [("support", true), ("not_support", false)];
    let old = form::choice(credentials, "vision_support", &options, false)?;
    form::choice(credentials, "multimodal_support", &options, old)
}

fn multimodal_format(credentials: &Credentials, upstream_model: &str) -> Result<MultimodalFormat, InvokeError> {
    let format = form::choice(
        credentials,
        "multimodal_format",
        &[("auto", None), ("openai", Some(MultimodalFormat::OpenAi)), ("dashscope", Some(MultimodalFormat::DashScope))],
        None,
    )?;
    Ok(format.unwrap_or_else(|| names::multimodal_format(upstream_model)))
}
