//! From an action to the provider's method and back to a line.

use super::lane::Lane;
use super::protocol::outbound;
use super::protocol::request::Request;
use super::protocol::response::{NumTokens, Polling, SchemaAnswer, Validated};
use super::{Context, ErrorKind, InvokeError, LlmOutput, Provider};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Runs one request and queues its result.
pub(crate) async fn dispatch<P: Provider>(
    provider: &P,
    cx: &Context,
    lane: &Arc<Lane>,
    request: Request,
) -> Result<(), InvokeError> {
    match request {
        Request::ValidateProviderCredentials(credentials) => {
            let accepted = provider.validate_provider_credentials(cx, credentials).await?;
            result(lane, &Validated::new(&accepted))
        }
        Request::ValidateModelCredentials(model) => {
            let accepted = provider.validate_model_credentials(cx, model).await?;
            result(lane, &Validated::new(&accepted))
        }
        Request::GetAiModelSchemas(model) => result(lane, &SchemaAnswer(&provider.model_schema(cx, model).await?)),
        Request::InvokeLlm(request) => {
            let out = LlmOutput::new(Arc::clone(lane), cx, &request.model, request.stream)?;
            let finished = out.finished();
            provider.invoke_llm(cx, *request, out).await?;
            if finished.load(Ordering::Acquire) {
                return Ok(());
            }
            Err(InvokeError::new(ErrorKind::ServerUnavailable, "the plugin ended the answer without finishing it"))
        }
        Request::GetLlmNumTokens(request) => {
            result(lane, &NumTokens { num_tokens: provider.count_llm_tokens(cx, request).await? })
        }
        Request::StartPolling(request) => {
            let model = request.model.clone();
            let answer = provider.start_polling(cx, *request).await?;
            result(lane, &Polling { model: &model, answer: &answer })
        }
        Request::CheckPolling(request) => {
            let model = request.model.clone();
            let answer = provider.check_polling(cx, request).await?;
            result(lane, &Polling { model: &model, answer: &answer })
        }
        Request::InvokeTextEmbedding(request) => result(lane, &provider.invoke_text_embedding(cx, request).await?),
        Request::GetTextEmbeddingNumTokens(request) => {
            result(lane, &NumTokens { num_tokens: provider.count_text_embedding_tokens(cx, request).await? })
        }
        Request::InvokeMultimodalEmbedding(request) => {
            result(lane, &provider.invoke_multimodal_embedding(cx, request).await?)
        }
        Request::InvokeRerank(request) => result(lane, &provider.invoke_rerank(cx, request).await?),
        Request::InvokeMultimodalRerank(request) => {
            result(lane, &provider.invoke_multimodal_rerank(cx, request).await?)
        }
    }
}

fn result(lane: &Arc<Lane>, result: &impl Serialize) -> Result<(), InvokeError> {
    lane.result(outbound::stream(lane.session_id(), result)?);
    Ok(())
}
