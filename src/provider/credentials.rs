//! The form's values, typed. Missing keys mean what the Python plugin did: see the variants' docs.

pub(super) mod fields;
mod form;
pub(super) mod names;

use super::errors::{TAG, refused};
use super::headers;
use super::options::AdvancedOptions;
use crate::gateway::auth::KeyPlacement;
use crate::gateway::{Auth, Endpoint, Route};
use crate::runtime::entities::Credentials;
use crate::runtime::{Context, InvokeError};
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use std::str::FromStr;
use std::sync::Arc;

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
        let signed_headers = headers::add_metadata(fields::request_metadata(credentials)?, cx, &mut headers);
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
            context_size: fields::context_size(credentials)?,
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
        let makes_pictures = fields::makes_pictures(credentials)?;
        let common = Common::read(cx, credentials)?;
        if makes_pictures {
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
        Ok(Self {
            protocol: fields::text_protocol(credentials)?,
            tools: fields::tools(credentials)?,
            thinking: fields::thinking(credentials)?,
            thinking_style: fields::thinking_style(credentials, &upstream_model)?,
            multimodal: fields::multimodal(credentials)?,
            multimodal_format: fields::multimodal_format(credentials, &upstream_model)?,
            max_tokens_to_sample: fields::max_tokens_to_sample(credentials)?,
            token_param: fields::token_param(credentials)?,
            structured_output: fields::structured_output(credentials)?,
            upstream_model,
            common,
        })
    }
}

impl ImageCredentials {
    fn read(common: Common, model: &str, credentials: &Credentials) -> Result<Self, InvokeError> {
        let protocol = fields::image_protocol(credentials)?;
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
        let common = Common::read(cx, credentials)?;
        Ok(Self {
            upstream_model: common.effective_name(model),
            protocol: fields::embedding_protocol(credentials)?,
            max_chunks: fields::max_chunks(credentials)?,
            dimensions: fields::dimensions(credentials)?,
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
        let common = Common::read(cx, credentials)?;
        let (upstream_model, protocol) = fields::rerank(credentials, model)?;
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
