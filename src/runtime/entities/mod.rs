//! Dify's vocabulary for models: what a request carries and what an answer holds.

pub mod credentials;
pub mod embedding;
pub mod llm;
pub mod message;
pub mod polling;
pub mod rerank;
pub mod schema;
pub mod usage;

pub use credentials::Credentials;
pub use embedding::{
    EmbeddingResult, InputType, MultimodalContent, MultimodalEmbeddingRequest, TextEmbeddingRequest, TextTokensRequest,
};
pub use llm::{LlmRequest, LlmTokensRequest, ToolChoice, ToolDefinition};
pub use message::{Content, ContentPart, ImageDetail, Media, MediaKind, PromptMessage, Role, ToolCall};
pub use polling::{CheckPollingRequest, PollingAnswer};
pub use rerank::{MultimodalRerankRequest, RerankDocument, RerankRequest, RerankResult};
pub use schema::{
    FormOption, I18n, ModelRef, ModelSchema, ModelType, ParameterRule, ParameterType, PriceConfig, ShowOn,
};
pub use usage::{EmbeddingUsage, LlmUsage};
