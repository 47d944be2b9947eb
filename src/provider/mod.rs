//! The Higress model provider: Dify entities in, gateway calls out.
//!
//! The form and the parameter rules it serves are data: `provider/higress.yaml` and `models/` at the top of the tree.
//! Each kind of model has a folder; [`credentials`] says what the form means, [`schema`] what a model announces,
//! [`errors`] how a gateway's failure becomes one of Dify's six.

pub mod credentials;
mod declaration;
pub mod embedding;
pub mod errors;
mod exchange;
pub mod headers;
pub mod image;
pub mod llm;
pub mod options;
pub mod rerank;
pub mod schema;

pub use declaration::declaration;

use crate::runtime::entities::{
    CheckPollingRequest, Credentials, EmbeddingResult, LlmRequest, LlmTokensRequest, ModelRef, ModelSchema, ModelType,
    MultimodalEmbeddingRequest, MultimodalRerankRequest, PollingAnswer, RerankRequest, RerankResult,
    TextEmbeddingRequest, TextTokensRequest,
};
use crate::runtime::{Context, InvokeError, LlmOutput, Provider};

/// The provider. It holds nothing: every call brings its credentials, and what calls share (connections, what was
/// learned of a route, limits) belongs to the gateway's side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Higress;

impl Provider for Higress {
    /// There are no credentials above the model's.
    async fn validate_provider_credentials(
        &self,
        _cx: &Context,
        credentials: Credentials,
    ) -> Result<Credentials, InvokeError> {
        Ok(credentials)
    }

    async fn validate_model_credentials(&self, cx: &Context, model: ModelRef) -> Result<Credentials, InvokeError> {
        match model.model_type {
            ModelType::Llm => llm::validate(cx, &model).await,
            ModelType::TextEmbedding => embedding::validate(cx, &model).await,
            ModelType::Rerank => rerank::validate(cx, &model).await,
        }
    }

    async fn model_schema(&self, _cx: &Context, model: ModelRef) -> Result<ModelSchema, InvokeError> {
        schema::model_schema(&model)
    }

    async fn invoke_llm(&self, cx: &Context, request: LlmRequest, out: LlmOutput) -> Result<(), InvokeError> {
        llm::invoke(cx, request, out).await
    }

    async fn count_llm_tokens(&self, cx: &Context, request: LlmTokensRequest) -> Result<u64, InvokeError> {
        llm::count_tokens(cx, request).await
    }

    async fn start_polling(&self, cx: &Context, request: LlmRequest) -> Result<PollingAnswer, InvokeError> {
        Ok(image::start_polling(cx, request).await)
    }

    async fn check_polling(&self, cx: &Context, request: CheckPollingRequest) -> Result<PollingAnswer, InvokeError> {
        Ok(image::check_polling(cx, request).await)
    }

    async fn invoke_text_embedding(
        &self,
        cx: &Context,
        request: TextEmbeddingRequest,
    ) -> Result<EmbeddingResult, InvokeError> {
        embedding::invoke_text(cx, request).await
    }

    async fn count_text_embedding_tokens(
        &self,
        _cx: &Context,
        request: TextTokensRequest,
    ) -> Result<Vec<u64>, InvokeError> {
        Ok(embedding::count_tokens(request).await)
    }

    async fn invoke_multimodal_embedding(
        &self,
        cx: &Context,
        request: MultimodalEmbeddingRequest,
    ) -> Result<EmbeddingResult, InvokeError> {
        embedding::invoke_multimodal(cx, request).await
    }

    async fn invoke_rerank(&self, cx: &Context, request: RerankRequest) -> Result<RerankResult, InvokeError> {
        rerank::invoke(cx, request).await
    }

    async fn invoke_multimodal_rerank(
        &self,
        cx: &Context,
        request: MultimodalRerankRequest,
    ) -> Result<RerankResult, InvokeError> {
        rerank::invoke_multimodal(cx, request).await
    }
}
