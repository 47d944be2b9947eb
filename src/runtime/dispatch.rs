//! From a request to its handler, and from the handler's result to lines.

use super::entities::LlmRequest;
use super::lane::Lane;
use super::protocol::envelope::RequestLine;
use super::protocol::outbound;
use super::protocol::request::{Request, decode};
use super::protocol::response::{NumTokens, Polling, SchemaAnswer, Validated};
use super::{Context, ErrorKind, InvokeError, LlmOutput, Provider};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What the log line of a call needs of its request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) cx: Context,
    pub(crate) model: Option<String>,
}

/// The fields that choose the handler.
#[derive(Deserialize)]
struct Head {
    r#type: Option<String>,
    action: Option<String>,
    user_id: Option<String>,
    model: Option<String>,
}

/// Serves one request; all its output but the end goes to `lane`. `call` is filled as soon as the request is known.
pub(crate) async fn serve<P: Provider>(
    provider: Arc<P>,
    lane: Arc<Lane>,
    request: RequestLine,
    arrived: Instant,
    call: Arc<OnceLock<Call>>,
) -> Result<(), InvokeError> {
    let RequestLine { session_id, app_id, data } = request;
    let head: Head = serde_json::from_slice(&data)
        .map_err(|error| InvokeError::bad_request(format!("the request cannot be read: {error}")))?;
    let action = head.action.unwrap_or_default();
    let mut cx = Context::new(session_id, action);
    cx.user_id = head.user_id.filter(|user| !user.is_empty());
    cx.app_id = app_id;
    cx.started = arrived;
    call.get_or_init(|| Call { cx: cx.clone(), model: head.model });
    if let Some(kind) = head.r#type.filter(|kind| kind != "model") {
        let kind: String = kind.chars().take(64).collect();
        return Err(InvokeError::bad_request(format!("this plugin serves calls of type \"model\", not {kind:?}")));
    }
    let raw: &RawValue = serde_json::from_slice(&data)
        .map_err(|error| InvokeError::bad_request(format!("the request cannot be read: {error}")))?;
    let request = decode(&cx.action, raw)?;
    // A request may hold megabytes of pictures; from here on only its decoded form is kept.
    drop(data);
    handle(&*provider, &cx, &lane, request).await
}

async fn handle<P: Provider>(
    provider: &P,
    cx: &Context,
    lane: &Arc<Lane>,
    request: Request,
) -> Result<(), InvokeError> {
    match request {
        Request::ValidateProviderCredentials(credentials) => {
            let credentials = provider.validate_provider_credentials(cx, credentials).await?;
            answer(lane, &Validated::new(&credentials))
        }
        Request::ValidateModelCredentials(model) => {
            let credentials = provider.validate_model_credentials(cx, model).await?;
            answer(lane, &Validated::new(&credentials))
        }
        Request::GetAiModelSchemas(model) => answer(lane, &SchemaAnswer(&provider.model_schema(cx, model).await?)),
        Request::InvokeLlm(request) => invoke_llm(provider, cx, lane, *request).await,
        Request::GetLlmNumTokens(request) => {
            answer(lane, &NumTokens { num_tokens: provider.count_llm_tokens(cx, request).await? })
        }
        Request::StartPolling(request) => {
            let model = request.model.clone();
            answer(lane, &Polling { model: &model, answer: &provider.start_polling(cx, *request).await? })
        }
        Request::CheckPolling(request) => {
            let model = request.model.clone();
            answer(lane, &Polling { model: &model, answer: &provider.check_polling(cx, request).await? })
        }
        Request::InvokeTextEmbedding(request) => answer(lane, &provider.invoke_text_embedding(cx, request).await?),
        Request::GetTextEmbeddingNumTokens(request) => {
            answer(lane, &NumTokens { num_tokens: provider.count_text_embedding_tokens(cx, request).await? })
        }
        Request::InvokeMultimodalEmbedding(request) => {
            answer(lane, &provider.invoke_multimodal_embedding(cx, request).await?)
        }
        Request::InvokeRerank(request) => answer(lane, &provider.invoke_rerank(cx, request).await?),
        Request::InvokeMultimodalRerank(request) => {
            answer(lane, &provider.invoke_multimodal_rerank(cx, request).await?)
        }
    }
}

async fn invoke_llm<P: Provider>(
    provider: &P,
    cx: &Context,
    lane: &Arc<Lane>,
    request: LlmRequest,
) -> Result<(), InvokeError> {
    let output = LlmOutput::new(Arc::clone(lane), cx, &request.model, request.stream)?;
    let finished = output.finished();
    provider.invoke_llm(cx, request, output).await?;
    if finished.load(Ordering::Acquire) {
        Ok(())
    } else {
        // Without this an answer without usage would look complete.
        Err(InvokeError::new(ErrorKind::ServerUnavailable, "internal error: the answer was not finished"))
    }
}

/// Sends the only result of an action that does not stream.
fn answer(lane: &Arc<Lane>, result: &impl Serialize) -> Result<(), InvokeError> {
    lane.result(outbound::stream(lane.session_id(), result)?);
    Ok(())
}
