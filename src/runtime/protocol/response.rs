//! Answers, in the exact shape and field order of the `dify_plugin` SDK.

mod llm;
mod polling;
mod schema;

pub use llm::{ChunkContent, LlmChunk};
pub use polling::Polling;
pub use schema::SchemaAnswer;

use super::super::entities::Credentials;
use serde::Serialize;

/// The answer of the two `validate_*` actions: the credentials were accepted. A refusal is an error, never `false`,
/// for Dify ignores the boolean.
#[derive(Debug, Serialize)]
pub struct Validated<'a> {
    result: bool,
    credentials: &'a Credentials,
}

impl<'a> Validated<'a> {
    /// The credentials as Dify should save them: it merges them over what the person typed.
    pub const fn new(credentials: &'a Credentials) -> Self {
        Self { result: true, credentials }
    }
}

/// The answer of the two counting actions: a number for a conversation, a list for texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NumTokens<T> {
    /// `u64`, or `Vec<u64>` with one number per text.
    pub num_tokens: T,
}
