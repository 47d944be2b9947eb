//! Requests to order documents and their answers.

use super::{Credentials, MultimodalContent};
use serde::Serialize;

/// `invoke_rerank`.
#[derive(Debug, Clone)]
pub struct RerankRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// What to look for.
    pub query: String,
    /// Where to look.
    pub docs: Vec<String>,
    /// Lowest score to keep. The host turns "not set" into 0, so 0 arrives as `None`.
    pub score_threshold: Option<f64>,
    /// How many to keep. The host turns "not set" into 0, so 0 and less arrive as `None`.
    pub top_n: Option<u64>,
}

/// `invoke_multimodal_rerank`.
#[derive(Debug, Clone)]
pub struct MultimodalRerankRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// What to look for.
    pub query: MultimodalContent,
    /// Where to look.
    pub docs: Vec<MultimodalContent>,
    /// Lowest score to keep; see [`RerankRequest::score_threshold`].
    pub score_threshold: Option<f64>,
    /// How many to keep; see [`RerankRequest::top_n`].
    pub top_n: Option<u64>,
}

/// The documents that remain, best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RerankResult {
    /// The model's name in Dify.
    pub model: String,
    /// Best first.
    pub docs: Vec<RerankDocument>,
}

/// One document of the answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RerankDocument {
    /// Its position in the request.
    pub index: usize,
    /// Its text, from the request.
    pub text: String,
    /// As the upstream gave it.
    pub score: f64,
}
