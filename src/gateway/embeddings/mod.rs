//! Embeddings: `OpenAI`'s `/v1/embeddings`, vLLM's `messages` form of it, and `DashScope`'s multimodal API.
//!
//! Requests are written here, replies are read by [`decode`], vectors are checked in [`vector`]. All pure.

mod refusal;
mod reply;
pub mod vector;

#[cfg(test)]
mod tests;

use super::images::Picture;
use super::{Error, json};
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;

pub use refusal::{counts_inputs, is_batch_too_large, is_text_too_long};
pub use reply::{Reply, decode, different_lengths};

/// Where `OpenAI`'s form goes, with texts or with messages.
pub const OPENAI_PATH: &str = "/v1/embeddings";

/// Where `DashScope`'s multimodal form goes.
pub const DASHSCOPE_MULTIMODAL_PATH: &str = "/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding";

/// What a vector is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Plain text.
    Text(Cow<'a, str>),
    /// A picture.
    Picture(Picture<'a>),
}

/// What every request of one call repeats.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Common<'a> {
    /// The upstream's name of the model.
    pub model: &'a str,
    /// On whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// `float` or `base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<&'a str>,
    /// The length of the vectors, where a model can choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u64>,
}

/// `OpenAI`'s request for a batch of texts.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>, common: &Common<'_>) -> Result<Bytes, Error> {
    #[derive(Serialize)]
    struct Request<'a> {
        input: Vec<&'a str>,
        #[serde(flatten)]
        common: &'a Common<'a>,
    }
    json::body(&Request { input: texts.into_iter().collect(), common })
}

/// `OpenAI`'s request for a single text that is not in a list, as the Python plugin checks a model with.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn single_text(text: &str, common: &Common<'_>) -> Result<Bytes, Error> {
    #[derive(Serialize)]
    struct Request<'a> {
        input: &'a str,
        #[serde(flatten)]
        common: &'a Common<'a>,
    }
    json::body(&Request { input: text, common })
}

/// vLLM's request: a conversation of one message, hence one vector.
/// Source: vLLM, "OpenAI-compatible server", multimodal inputs of the embeddings API.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn message(input: &Input<'_>, common: &Common<'_>) -> Result<Bytes, Error> {
    #[derive(Serialize)]
    struct Request<'a> {
        messages: [Message<'a>; 1],
        #[serde(flatten)]
        common: &'a Common<'a>,
    }
    #[derive(Serialize)]
    struct Message<'a> {
        role: &'static str,
        content: [super::images::OpenAiPart<'a>; 1],
    }
    let part = match input {
        Input::Text(text) => super::images::OpenAiPart::text(text),
        Input::Picture(picture) => super::images::OpenAiPart::picture(*picture),
    };
    json::body(&Request { messages: [Message { role: "user", content: [part] }], common })
}

/// `DashScope`'s request: each content gets a vector of its own.
///
/// # Errors
///
/// [`ErrorKind::Config`](super::ErrorKind::Config) when the request cannot be written as JSON.
pub fn dashscope_contents<'a>(
    inputs: impl IntoIterator<Item = &'a Input<'a>>,
    common: &Common<'_>,
) -> Result<Bytes, Error> {
    #[derive(Serialize)]
    struct Request<'a> {
        model: &'a str,
        input: Contents<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parameters: Option<Parameters>,
    }
    #[derive(Serialize)]
    struct Contents<'a> {
        contents: Vec<Content<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Content<'a> {
        Text(&'a str),
        Image(Picture<'a>),
    }
    #[derive(Serialize)]
    struct Parameters {
        dimension: u64,
    }
    let contents = inputs
        .into_iter()
        .map(|input| match input {
            Input::Text(text) => Content::Text(text),
            Input::Picture(picture) => Content::Image(*picture),
        })
        .collect();
    json::body(&Request {
        model: common.model,
        input: Contents { contents },
        parameters: common.dimensions.map(|dimension| Parameters { dimension }),
    })
}
