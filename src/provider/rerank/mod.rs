//! Rerank: documents in, the relevant ones out, best first.

use super::credentials::{RerankCredentials, RerankProtocol};
use super::errors::{TAG, validation_failed};
use super::exchange::{VALIDATION_TIMEOUT, exchange};
use crate::gateway::images::Picture;
use crate::gateway::rerank::{self, Form, Item, Reply, Request};
use crate::gateway::{Call, Deadline, Error, ErrorKind};
use crate::runtime::entities::{
    Credentials, ModelRef, MultimodalContent, MultimodalRerankRequest, RerankDocument, RerankRequest, RerankResult,
};
use crate::runtime::{Context, InvokeError};

/// Orders texts.
///
/// # Errors
///
/// As [`RerankCredentials::read`]; else a failure of the gateway, under Dify's name for it.
pub async fn invoke(cx: &Context, request: RerankRequest) -> Result<RerankResult, InvokeError> {
    let credentials = RerankCredentials::read(cx, &request.model, &request.credentials)?;
    let documents: Vec<Item<'_>> = request.docs.iter().map(|text| Item::Text(text)).collect();
    let task = Task {
        query: Item::Text(&request.query),
        documents: &documents,
        top_n: request.top_n,
        score_threshold: request.score_threshold,
        typed_documents: false,
    };
    let deadline = Deadline::total(cx.started, credentials.common.options.transport.total_timeout);
    let docs = task.run(cx, &credentials, deadline).await?;
    Ok(RerankResult { model: request.model, docs })
}

/// Orders texts and pictures. A call without a picture is the same as [`invoke`], which every model serves.
///
/// # Errors
///
/// As [`invoke`], and a bad request when there is a picture and the model is known to read texts only.
pub async fn invoke_multimodal(cx: &Context, request: MultimodalRerankRequest) -> Result<RerankResult, InvokeError> {
    let credentials = RerankCredentials::read(cx, &request.model, &request.credentials)?;
    let query = item(&request.query);
    let documents: Vec<Item<'_>> = request.docs.iter().map(item).collect();
    let has_picture = documents.iter().chain([&query]).any(|item| matches!(item, Item::Picture(_)));
    if has_picture {
        refuse_if_text_only(&credentials)?;
    }
    let task = Task {
        query,
        documents: &documents,
        top_n: request.top_n,
        score_threshold: request.score_threshold,
        typed_documents: has_picture,
    };
    let deadline = Deadline::total(cx.started, credentials.common.options.transport.total_timeout);
    let docs = task.run(cx, &credentials, deadline).await?;
    Ok(RerankResult { model: request.model, docs })
}

/// Checks a model as it is saved: a question whose answer is known, as the Python plugin asks it. Any ordering is fine.
///
/// # Errors
///
/// [`CredentialsValidateFailed`](crate::runtime::ErrorKind::CredentialsValidateFailed), whatever failed: reading the
/// credentials, the call, or reading the scores.
pub async fn validate(cx: &Context, model: &ModelRef) -> Result<Credentials, InvokeError> {
    const DOCUMENTS: [Item<'_>; 2] = [
        Item::Text(
            "Carson City is the capital city of the American state of Nevada. At the 2010 United States Census, \
             Carson City had a population of 55,274.",
        ),
        Item::Text(
            "The Commonwealth of the Northern Mariana Islands is a group of islands in the Pacific Ocean that are a \
             political division controlled by the United States. Its capital is Saipan.",
        ),
    ];
    let task = Task {
        query: Item::Text("What is the capital of the United States?"),
        documents: &DOCUMENTS,
        top_n: None,
        score_threshold: Some(0.8),
        typed_documents: false,
    };
    let check = async {
        let credentials = RerankCredentials::read(cx, &model.model, &model.credentials)?;
        task.run(cx, &credentials, Deadline::fixed(cx.started, VALIDATION_TIMEOUT)).await
    };
    check.await.map(|_| model.credentials.clone()).map_err(validation_failed)
}

fn item(content: &MultimodalContent) -> Item<'_> {
    match content {
        MultimodalContent::Text(text) => Item::Text(text),
        MultimodalContent::Image(base64) => Item::Picture(Picture(base64)),
    }
}

/// Some models are known to read texts only: better a clear error than whatever the upstream makes of a picture.
fn refuse_if_text_only(credentials: &RerankCredentials) -> Result<(), InvokeError> {
    let model = &credentials.upstream_model;
    let text_only = credentials.protocol == RerankProtocol::DashScopeFlat
        || (credentials.protocol == RerankProtocol::DashScopeNested && model.starts_with("gte-rerank"));
    if text_only {
        return Err(InvokeError::bad_request(format!(
            "{TAG}the rerank model {model} orders texts only, but the call holds a picture. Choose a model that sees \
             pictures, for example qwen3-vl-rerank, as gateway_model_name, or the protocol openai_rerank."
        )));
    }
    Ok(())
}

/// What to order and what to keep of it.
struct Task<'a> {
    query: Item<'a>,
    documents: &'a [Item<'a>],
    top_n: Option<u64>,
    score_threshold: Option<f64>,
    typed_documents: bool,
}

impl Task<'_> {
    async fn run(
        &self,
        cx: &Context,
        credentials: &RerankCredentials,
        deadline: Deadline,
    ) -> Result<Vec<RerankDocument>, InvokeError> {
        if self.documents.is_empty() {
            return Ok(Vec::new());
        }
        let (form, other) = forms(credentials);
        let mut reply = self.ask(cx, credentials, form, deadline).await;
        if let (Err(error), Some(other)) = (&reply, other)
            && self.typed_documents
            && matches!(error.status, Some(400 | 422))
        {
            tracing::info!(
                model = credentials.upstream_model,
                "rerank: pictures refused in one form, trying the other"
            );
            cx.record(|record| record.retries = record.retries.saturating_add(1));
            reply = self.ask(cx, credentials, other, deadline).await;
        }
        let reply = reply.map_err(|error| with_hint(error, credentials.protocol))?;
        if reply.out_of_range > 0 || reply.repeated > 0 {
            tracing::warn!(
                model = credentials.upstream_model,
                out_of_range = reply.out_of_range,
                repeated = reply.repeated,
                "rerank: results left out"
            );
        }
        if let Some(tokens) = reply.total_tokens {
            cx.record(|record| record.prompt_tokens = Some(tokens));
        }
        Ok(self.keep(&reply))
    }

    async fn ask(
        &self,
        cx: &Context,
        credentials: &RerankCredentials,
        form: Form,
        deadline: Deadline,
    ) -> Result<Reply, Error> {
        let request = Request {
            model: &credentials.upstream_model,
            query: self.query,
            documents: self.documents,
            top_n: self.top_n(),
            typed_documents: self.typed_documents,
        };
        let mut call = Call::post_json(form.path(), rerank::encode(form, &request)?);
        call.deadline = Some(deadline);
        let body = exchange(cx, &credentials.common, &credentials.upstream_model, call).await?;
        rerank::decode(&body, self.documents.len())
    }

    /// How many to ask for and to keep: no more than there are, and 0 means as many as there are.
    fn top_n(&self) -> Option<usize> {
        let wanted = self.top_n.filter(|wanted| *wanted > 0)?;
        Some(usize::try_from(wanted).unwrap_or(usize::MAX).min(self.documents.len()))
    }

    /// The documents worth keeping, best first; equal scores stay in the order of the answer.
    fn keep(&self, reply: &Reply) -> Vec<RerankDocument> {
        let threshold = self.score_threshold.filter(|threshold| *threshold != 0.0).unwrap_or(f64::NEG_INFINITY);
        let mut scores = reply.scores.clone();
        scores.retain(|scored| scored.score >= threshold);
        scores.sort_by(|left, right| right.score.total_cmp(&left.score));
        scores.truncate(self.top_n().unwrap_or(usize::MAX));
        scores
            .into_iter()
            .map(|scored| RerankDocument {
                index: scored.index,
                text: match self.documents.get(scored.index) {
                    Some(Item::Text(text)) => (*text).to_owned(),
                    Some(Item::Picture(_)) | None => String::new(),
                },
                score: scored.score,
            })
            .collect()
    }
}

/// The form to ask in, and the one to try when pictures are refused in it: behind `/v1/rerank` may be Jina's API or
/// vLLM, which agree on texts and differ on pictures.
fn forms(credentials: &RerankCredentials) -> (Form, Option<Form>) {
    match credentials.protocol {
        RerankProtocol::DashScopeNested => (Form::DashScopeNested, None),
        RerankProtocol::DashScopeFlat => (Form::DashScopeFlat, None),
        RerankProtocol::OpenAi if credentials.upstream_model.starts_with("jina-") => (Form::Jina, Some(Form::Vllm)),
        RerankProtocol::OpenAi => (Form::Vllm, Some(Form::Jina)),
    }
}

/// Higress's AI proxy answers 500 `unsupported API name` where the provider type of the route does not serve the path:
/// then the other protocol is likely the right one.
fn with_hint(mut error: Error, protocol: RerankProtocol) -> Error {
    let unsupported = error.message.contains("unsupported API name");
    if unsupported || (error.kind == ErrorKind::BadRequest && error.status == Some(404)) {
        let (path, other) = match protocol {
            RerankProtocol::OpenAi => (Form::Vllm.path(), "dashscope_rerank"),
            RerankProtocol::DashScopeFlat => (Form::DashScopeFlat.path(), "openai_rerank"),
            RerankProtocol::DashScopeNested => (Form::DashScopeNested.path(), "openai_rerank"),
        };
        let advice = format!("This route does not seem to serve {path}: try rerank_model_protocol {other}.");
        error.advice = Some(match error.advice.take() {
            Some(first) if !unsupported => format!("{}. {advice}", first.trim_end_matches('.')),
            _ => advice,
        });
    }
    error
}
