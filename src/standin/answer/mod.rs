//! The provider behind the gateway: scripted, deterministic answers.

mod chat;
mod embedding;
mod fault;
mod fill;
pub(super) mod image;
mod load;
mod png;
mod question;
mod rerank;
pub(super) mod tasks;
mod words;

use super::reply::Reply;
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use tasks::Tasks;

/// A request that authentication let in.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    /// Its number, which makes its ids.
    pub(super) number: u64,
    /// The path below the route's prefix.
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
    pub(super) piece_delay: Duration,
    pub(super) tasks: &'a Tasks,
}

impl Ask<'_> {
    /// The value of a header that is text.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where the caller reaches this gateway.
    fn host(&self) -> &str {
        self.header("host").unwrap_or("localhost")
    }
}

/// What `SPECIAL_MODELS` of the stand-in shows.
pub(super) const SPECIAL_MODELS: &[(&str, &str)] = &[
    ("flood-<n>", "n chunks as fast as they go; the text is `0 1 2 … `"),
    ("pace-<d>ms-<n>", "n chunks, one every d milliseconds"),
    ("batch-limit-<n>", "embeddings of at most n texts a call, more are refused"),
    ("fault-401", "the provider refuses the gateway's key"),
    ("fault-400", "the provider refuses the request"),
    ("fault-context-length", "the conversation is too long"),
    ("fault-403-quota", "the consumer's quota is used up"),
    ("fault-404-model", "the provider does not know the model"),
    ("fault-404-empty", "no route: an empty 404"),
    ("fault-413", "the gateway refuses the body's size"),
    ("fault-429", "the provider's rate limit, with Retry-After"),
    ("fault-429-tokens", "the gateway's token limit, with X-TokenRateLimit-Reset"),
    ("fault-500", "the provider fails, in JSON"),
    ("fault-500-api", "the gateway does not map this API"),
    ("fault-500-html", "the provider fails, in HTML"),
    ("fault-503", "the gateway has no healthy upstream"),
    ("fault-504", "the gateway waited too long"),
    ("fault-empty", "200 and nothing"),
    ("fault-not-json", "200 and HTML"),
    ("fault-bad-json", "200 and half a JSON object"),
    ("fault-200-error", "200 and an error in JSON"),
    ("fault-stall", "no answer at all, until the caller leaves"),
    ("fault-stall-stream", "a stream that stops in the middle, the connection stays"),
    ("fault-cut", "a stream that breaks off in the middle"),
    ("fault-cut-first", "a stream that breaks off before its first event"),
    ("fault-stream-error", "an OpenAI error in the middle of a stream"),
    ("fault-stream-dashscope", "a DashScope error event in the middle of a stream"),
    ("fault-no-done", "a whole stream without [DONE]"),
    ("fault-no-finish", "a stream that ends cleanly without finish_reason and [DONE]"),
    ("fault-crlf", "a whole stream with CRLF, comments and id lines"),
    ("fault-guard", "the security guard's answer"),
    ("fault-masked", "the data masking plugin's answer"),
    ("fault-cache", "an answer from the cache plugin: one event"),
    ("fault-task-failed", "an asynchronous task that fails"),
];

/// The names `GET /v1/models` lists.
const MODELS: [&str; 6] =
    ["qwen3-max", "qwen-vl-max", "qwen-image-plus", "text-embedding-v4", "gte-rerank-v2", "qwen3-rerank"];

/// Answers a request by its path.
pub(super) fn answer(method: &Method, ask: &Ask<'_>) -> Reply {
    if *method == Method::GET {
        return match ask.path.strip_prefix("/api/v1/tasks/") {
            Some(id) => ask.tasks.show(id, ask),
            None if ask.path == "/v1/models" => Reply::ok(&models()),
            None => Reply::empty(StatusCode::NOT_FOUND),
        };
    }
    if ask.path == "/v1/images/edits" && *method == Method::POST {
        return image::edit(ask);
    }
    let Some(serve) = api(ask.path) else { return Reply::empty(StatusCode::NOT_FOUND) };
    if *method != Method::POST {
        return Reply::openai_error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only POST is served here");
    }
    let Ok(body) = serde_json::from_slice::<Value>(ask.body) else {
        return Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_json", "the body is not valid JSON");
    };
    let stream = body["stream"] == true;
    match body["model"].as_str().and_then(|model| fault::reply(model, stream, ask)) {
        Some(reply) => reply,
        None => serve(ask, &body),
    }
}

/// What serves a path.
fn api(path: &str) -> Option<fn(&Ask<'_>, &Value) -> Reply> {
    let serve: fn(&Ask<'_>, &Value) -> Reply = match path {
        "/v1/chat/completions" => chat::chat,
        "/v1/completions" => chat::completions,
        "/v1/embeddings" => embedding::openai,
        "/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding" => embedding::dashscope,
        "/v1/rerank" => rerank::openai,
        "/v1/reranks" => rerank::flat,
        "/api/v1/services/rerank/text-rerank/text-rerank" => rerank::dashscope,
        "/v1/images/generations" => image::openai,
        "/api/v1/services/aigc/multimodal-generation/generation" => image::dashscope,
        "/api/v1/services/aigc/text2image/image-synthesis"
        | "/api/v1/services/aigc/image2image/image-synthesis"
        | "/api/v1/services/aigc/image-generation/generation" => image::start_task,
        _ => return None,
    };
    Some(serve)
}

fn models() -> Value {
    let data: Vec<Value> = MODELS
        .iter()
        .map(|id| serde_json::json!({"id": id, "object": "model", "created": 0, "owned_by": "stand-in"}))
        .collect();
    serde_json::json!({"object": "list", "data": data})
}
