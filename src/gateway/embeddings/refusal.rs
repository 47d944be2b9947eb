//! What upstreams say when a batch or a text of it is too large. There is no code for it that all of them use.

use super::super::{Error, ErrorKind};

/// How upstreams say that one request holds too many texts, or too much of them in all: `DashScope`, Text Embeddings
/// Inference, Mistral, Gemini and Voyage by the word "batch", then `OpenAI`, Azure, Cohere, Jina and Zhipu.
const TOO_MANY: [&str; 11] = [
    "batch",
    "too many inputs",
    "number of inputs",
    "array too long",
    "inputs per request",
    "tokens per request",
    "input array must",
    "too many texts",
    "number of texts",
    "list should have at most",
    "数组最大",
];

/// How they say that one text is too long.
const TOO_LONG: [&str; 10] = [
    "context length",
    "context_length",
    "input length",
    "maximum length",
    "max length",
    "max_seq",
    "too long",
    "too many tokens",
    "maximum input",
    "must have less than",
];

/// Whether a smaller batch may be accepted.
pub fn is_batch_too_large(error: &Error) -> bool {
    counts_inputs(error) || (error.status == Some(413) && !is_text_too_long(error))
}

/// Whether that is because of how many texts there are, which is the same for the next batch. A body of too many bytes
/// (413) is not.
pub fn counts_inputs(error: &Error) -> bool {
    is_refusal(error) && says(error, &TOO_MANY)
}

/// Whether a text of the batch is longer than the model reads.
pub fn is_text_too_long(error: &Error) -> bool {
    is_refusal(error) && says(error, &TOO_LONG)
}

fn is_refusal(error: &Error) -> bool {
    error.kind == ErrorKind::BadRequest
}

fn says(error: &Error, phrases: &[&str]) -> bool {
    let words = format!("{} {}", error.code.as_deref().unwrap_or_default(), error.message).to_ascii_lowercase();
    phrases.iter().any(|phrase| words.contains(phrase))
}
