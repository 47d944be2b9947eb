//! Requests for vectors and their answers.

use super::{Credentials, EmbeddingUsage};
use serde::Serialize;
use serde_json::value::RawValue;

/// What the vectors are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// To be found.
    Document,
    /// To find with.
    Query,
}

/// `invoke_text_embedding`.
#[derive(Debug, Clone)]
pub struct TextEmbeddingRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// One vector each, in this order; may be empty.
    pub texts: Vec<String>,
    /// What the vectors are for.
    pub input_type: InputType,
}

/// `get_text_embedding_num_tokens`.
#[derive(Debug, Clone)]
pub struct TextTokensRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// One count each.
    pub texts: Vec<String>,
}

/// A text, or a picture in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultimodalContent {
    /// Plain text.
    Text(String),
    /// Standard base64 of a picture file.
    Image(String),
}

/// `invoke_multimodal_embedding`.
#[derive(Debug, Clone)]
pub struct MultimodalEmbeddingRequest {
    /// The model's name in Dify.
    pub model: String,
    /// The form's values.
    pub credentials: Credentials,
    /// One vector each.
    pub documents: Vec<MultimodalContent>,
    /// What the vectors are for.
    pub input_type: InputType,
}

/// Vectors, one per text, in the order of the request.
#[derive(Debug, Clone, Serialize)]
pub struct EmbeddingResult {
    /// The model's name in Dify.
    pub model: String,
    /// Each a JSON array of finite numbers, digit for digit as the upstream wrote it.
    pub embeddings: Vec<Box<RawValue>>,
    /// What it cost.
    pub usage: EmbeddingUsage,
}
