//! The JSON of `advanced_options`, checked and typed.

use std::time::Duration;

use crate::runtime::InvokeError;
use crate::runtime::output::Merging;

/// Everything an operator may set beyond the form. Unknown keys are refused, by name. Times are seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct AdvancedOptions {
    /// `connect_timeout`, `first_byte_timeout`, `idle_timeout`, `total_timeout`, `retries`, `tls_verify`, `ca_pem`, `proxy`.
    pub transport: crate::gateway::TransportOptions,
    /// Whether `retries` was set: an embedding batch answered 429 goes again up to 3 times when it was not.
    pub retries_set: bool,
    /// `key_header`: send the API key in this header instead of `Authorization: Bearer`.
    pub key_header: Option<String>,
    /// `key_query`: send the API key as this query parameter.
    pub key_query: Option<String>,
    /// `hmac_algorithm` (HmacSHA256, HmacSHA1), `content_md5`, `hmac_dialect` (ca, apisix), `nonce`.
    pub hmac: crate::gateway::auth::HmacScheme,
    /// `include_usage`: ask for usage in streams.
    pub include_usage: bool,
    /// `send_user`: send Dify's user id as `user`.
    pub send_user: bool,
    /// `reasoning_history`: what happens to thinking in the history.
    pub reasoning_history: ReasoningHistory,
    /// `guardrail`: what a guardrail's answer becomes.
    pub guardrail: Guardrail,
    /// `cache_bypass`: ask the gateway's caches to stay out.
    pub cache_bypass: bool,
    /// `llm_model_header`: send `x-higress-llm-model`.
    pub llm_model_header: bool,
    /// `concurrency`: parallel embedding batches per endpoint.
    pub concurrency: usize,
    /// `encoding_format` of embeddings.
    pub encoding_format: EncodingFormat,
    /// `image_system_prompt`: put the system prompt in front of an image prompt.
    pub image_system_prompt: bool,
    /// `polling`: announce Dify's polling on asynchronous image models.
    pub polling: bool,
    /// `merge_window_ms`: 0 merges what is waiting, −1 merges nothing, more waits that long.
    pub merging: Merging,
    /// `input_price`, `output_price`, `price_unit`, `currency`.
    pub price: Option<crate::runtime::entities::PriceConfig>,
}

/// What happens to thinking in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningHistory {
    /// `strip`
    Strip,
    /// `reasoning_content`: passed back in the field of that name.
    ReasoningContent,
}

/// What a guardrail's answer becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guardrail {
    /// `text`: a normal answer.
    Text,
    /// `error`: a bad request error.
    Error,
}

/// How vectors travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodingFormat {
    /// `float`
    Float,
    /// `base64`: little-endian f32, decoded here.
    Base64,
    /// `not_set`: the field is not sent.
    NotSet,
}

impl AdvancedOptions {
    /// Reads the field; `None` gives the defaults.
    pub fn parse(text: Option<&str>) -> Result<Self, InvokeError> {
        let _ = (text, Duration::ZERO);
        unimplemented!()
    }
}
