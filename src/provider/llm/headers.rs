//! Headers of one text call.

use crate::provider::credentials::TextCredentials;
use crate::provider::headers::{LLM_MODEL, llm_model};
use crate::runtime::InvokeError;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Asks Higress' ai-cache plugin to stay out.
const SKIP_AI_CACHE: HeaderName = HeaderName::from_static("x-higress-skip-ai-cache");
/// Asks Higress' response-cache plugin to stay out.
const SKIP_RESPONSE_CACHE: HeaderName = HeaderName::from_static("x-higress-skip-response-cache");

/// The parameter `extra_headers`, and what the options ask for.
///
/// # Errors
///
/// A bad request for headers that may not be set, and for a model's name that is no header.
pub(super) fn of(credentials: &TextCredentials, extra: Option<&str>) -> Result<HeaderMap, InvokeError> {
    let common = &credentials.common;
    let mut headers = extra.map_or_else(|| Ok(HeaderMap::new()), |extra| common.call_headers(extra))?;
    if common.options.cache_bypass {
        headers.insert(SKIP_AI_CACHE, HeaderValue::from_static("on"));
        headers.insert(SKIP_RESPONSE_CACHE, HeaderValue::from_static("on"));
    }
    if common.options.llm_model_header {
        headers.insert(LLM_MODEL, llm_model(&credentials.upstream_model)?);
    }
    Ok(headers)
}
