//! What a model provider implements, and what it is given for each call.

use super::entities::{
    CheckPollingRequest, Credentials, EmbeddingResult, LlmRequest, LlmTokensRequest, ModelRef, ModelSchema,
    MultimodalEmbeddingRequest, MultimodalRerankRequest, PollingAnswer, RerankRequest, RerankResult,
    TextEmbeddingRequest, TextTokensRequest,
};
use super::{InvokeError, LlmOutput};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A model provider. Every method has a default that answers "not supported", so a provider writes only what it
/// serves. A call is cancelled by dropping its future: at an await point, without notice.
pub trait Provider: Send + Sync + 'static {
    /// Checks credentials of the provider as a whole; returns them, possibly normalised.
    fn validate_provider_credentials(
        &self,
        cx: &Context,
        credentials: Credentials,
    ) -> impl Future<Output = Result<Credentials, InvokeError>> + Send {
        let _ = credentials;
        unsupported(cx)
    }

    /// Checks credentials of one model ("Save"); returns them, possibly normalised.
    fn validate_model_credentials(
        &self,
        cx: &Context,
        model: ModelRef,
    ) -> impl Future<Output = Result<Credentials, InvokeError>> + Send {
        let _ = model;
        unsupported(cx)
    }

    /// Features, properties and parameters of a model: a pure function of its input, for the host caches it.
    fn model_schema(
        &self,
        cx: &Context,
        model: ModelRef,
    ) -> impl Future<Output = Result<ModelSchema, InvokeError>> + Send {
        let _ = model;
        unsupported(cx)
    }

    /// Text, in pieces or whole: `out` does both from the same calls. Must end with [`LlmOutput::finish`].
    fn invoke_llm(
        &self,
        cx: &Context,
        request: LlmRequest,
        out: LlmOutput,
    ) -> impl Future<Output = Result<(), InvokeError>> + Send {
        let _ = (request, out);
        unsupported(cx)
    }

    /// How many tokens a conversation has.
    fn count_llm_tokens(
        &self,
        cx: &Context,
        request: LlmTokensRequest,
    ) -> impl Future<Output = Result<u64, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Starts an answer that takes minutes.
    fn start_polling(
        &self,
        cx: &Context,
        request: LlmRequest,
    ) -> impl Future<Output = Result<PollingAnswer, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Asks for an answer that was started, perhaps by another process.
    fn check_polling(
        &self,
        cx: &Context,
        request: CheckPollingRequest,
    ) -> impl Future<Output = Result<PollingAnswer, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Vectors of texts.
    fn invoke_text_embedding(
        &self,
        cx: &Context,
        request: TextEmbeddingRequest,
    ) -> impl Future<Output = Result<EmbeddingResult, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// How many tokens each text has.
    fn count_text_embedding_tokens(
        &self,
        cx: &Context,
        request: TextTokensRequest,
    ) -> impl Future<Output = Result<Vec<u64>, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Vectors of texts and pictures.
    fn invoke_multimodal_embedding(
        &self,
        cx: &Context,
        request: MultimodalEmbeddingRequest,
    ) -> impl Future<Output = Result<EmbeddingResult, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Documents by relevance.
    fn invoke_rerank(
        &self,
        cx: &Context,
        request: RerankRequest,
    ) -> impl Future<Output = Result<RerankResult, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }

    /// Texts and pictures by relevance.
    fn invoke_multimodal_rerank(
        &self,
        cx: &Context,
        request: MultimodalRerankRequest,
    ) -> impl Future<Output = Result<RerankResult, InvokeError>> + Send {
        let _ = request;
        unsupported(cx)
    }
}

fn unsupported<T: Send>(cx: &Context) -> impl Future<Output = Result<T, InvokeError>> + Send + use<T> {
    let error = InvokeError::bad_request(format!("this plugin does not support the action {}", cx.action));
    std::future::ready(Err(error))
}

/// What a handler knows about its call.
#[derive(Debug, Clone)]
pub struct Context {
    /// The session of the call.
    pub session_id: String,
    /// The action, for example `invoke_llm`.
    pub action: String,
    /// The person on whose behalf Dify calls, if known.
    pub user_id: Option<String>,
    /// The Dify app the call comes from, on hosts that say so.
    pub app_id: Option<String>,
    /// When the call arrived.
    pub started: Instant,
    record: Arc<Mutex<CallRecord>>,
}

/// What the operator's one log line says about a call. The handler fills in what it learns; the runtime adds action,
/// model, outcome, duration and time to first chunk.
#[derive(Debug, Clone, Default)]
pub struct CallRecord {
    /// Where the call went, without its query.
    pub endpoint: Option<String>,
    /// The upstream's name of the model.
    pub upstream_model: Option<String>,
    /// The upstream's HTTP status.
    pub status: Option<u16>,
    /// Who answered, for example `gateway` or `provider`.
    pub origin: Option<&'static str>,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    /// Until the first piece of the answer left for the host.
    pub time_to_first_chunk: Option<Duration>,
    /// Tokens read.
    pub prompt_tokens: Option<u64>,
    /// Tokens written.
    pub completion_tokens: Option<u64>,
    /// Whether the counts are an estimate.
    pub tokens_estimated: bool,
    /// How often the call was sent again.
    pub retries: u32,
}

impl Context {
    /// A context for a call that begins now.
    pub fn new(session_id: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            session_id: session_id.into(),
            action: action.into(),
            user_id: None,
            app_id: None,
            started: Instant::now(),
            record: Arc::default(),
        }
    }

    /// Notes something for the call's log line.
    pub fn record(&self, note: impl FnOnce(&mut CallRecord)) {
        note(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What has been noted so far.
    pub fn recorded(&self) -> CallRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
