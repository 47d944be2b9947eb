//! Embeddings: texts and pictures in, one vector each out, as the gateway wrote them.

mod batches;
mod inputs;
mod request;

use self::batches::Batches;
use self::request::Requests;
use super::credentials::EmbeddingCredentials;
use super::errors::{TAG, validation_failed};
use super::exchange::{VALIDATION_TIMEOUT, exchange};
use crate::gateway::Deadline;
use crate::gateway::embeddings::{self, Input};
use crate::runtime::entities::{
    Credentials, EmbeddingResult, InputType, ModelRef, MultimodalEmbeddingRequest, TextEmbeddingRequest,
    TextTokensRequest,
};
use crate::runtime::{Context, InvokeError, pricing, tokens};

/// Vectors of texts. No texts, no call.
///
/// # Errors
///
/// As [`EmbeddingCredentials::read`]; a bad request when the vectors are larger than Dify takes in one message; else a
/// failure of the gateway that is for good, or vectors of different lengths, under Dify's name for it.
pub async fn invoke_text(cx: &Context, request: TextEmbeddingRequest) -> Result<EmbeddingResult, InvokeError> {
    let credentials = EmbeddingCredentials::read(cx, &request.model, &request.credentials)?;
    let texts = inputs::texts(&credentials, request.texts, request.input_type).await;
    let inputs: Vec<Input<'_>> = texts.iter().map(|text| Input::Text(text.into())).collect();
    run(cx, &credentials, request.model, &inputs).await
}

/// Vectors of texts and pictures. A text gets the vector that [`invoke_text`] gives it.
///
/// # Errors
///
/// As [`invoke_text`], and a bad request when there is a picture and the protocol embeds texts only.
pub async fn invoke_multimodal(
    cx: &Context,
    request: MultimodalEmbeddingRequest,
) -> Result<EmbeddingResult, InvokeError> {
    let credentials = EmbeddingCredentials::read(cx, &request.model, &request.credentials)?;
    let documents = inputs::documents(&credentials, &request.documents, request.input_type).await?;
    run(cx, &credentials, request.model, &documents).await
}

/// Checks a model as it is saved: one vector of one word, with the request that calls make.
///
/// # Errors
///
/// [`CredentialsValidateFailed`](crate::runtime::ErrorKind::CredentialsValidateFailed), whatever failed: reading the
/// credentials, the call, or reading the one vector.
pub async fn validate(cx: &Context, model: &ModelRef) -> Result<Credentials, InvokeError> {
    let check = async {
        let credentials = EmbeddingCredentials::read(cx, &model.model, &model.credentials)?;
        let mut call = Requests::new(cx, &credentials).check("ping")?;
        call.deadline = Some(Deadline::fixed(cx.started, VALIDATION_TIMEOUT));
        let body = exchange(cx, &credentials.common, &credentials.upstream_model, call).await?;
        embeddings::decode(&body, 1)?;
        Ok(())
    };
    check.await.map(|()| model.credentials.clone()).map_err(validation_failed)
}

/// How many tokens each text has, by GPT-2's vocabulary: an estimate, and the one Dify is used to.
pub async fn count_tokens(request: TextTokensRequest) -> Vec<u64> {
    tokens::count_texts(request.texts).await
}

async fn run(
    cx: &Context,
    credentials: &EmbeddingCredentials,
    model: String,
    inputs: &[Input<'_>],
) -> Result<EmbeddingResult, InvokeError> {
    let vectors = Batches::new(cx, credentials, inputs).run().await?;
    let estimated = vectors.tokens.is_none() && !inputs.is_empty();
    let tokens = match vectors.tokens {
        Some(tokens) => tokens,
        None => inputs::estimate(inputs).await,
    };
    cx.record(|record| {
        record.prompt_tokens = Some(tokens);
        record.tokens_estimated = estimated;
    });
    let usage = pricing::embedding_usage(tokens, credentials.common.options.price.as_ref(), cx.started.elapsed());
    Ok(EmbeddingResult { model, embeddings: vectors.embeddings, usage })
}
