//! Documents by relevance, in the three shapes gateways speak.

use super::{Ask, words};
use crate::standin::reply::{Reply, request_id};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// `/v1/rerank`, as Cohere, Jina and vLLM answer it.
pub(super) fn openai(ask: &Ask<'_>, body: &Value) -> Reply {
    match ranked(body, body, body["return_documents"] == true) {
        Some((results, tokens)) => Reply::ok(&json!({
            "id": request_id(ask.number), "model": body["model"], "results": results,
            "usage": {"total_tokens": tokens},
        })),
        None => Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_parameter_error", MISSING),
    }
}

/// `/v1/reranks`, Qwen's compatible form.
pub(super) fn flat(ask: &Ask<'_>, body: &Value) -> Reply {
    match ranked(body, body, body["return_documents"] == true) {
        Some((results, tokens)) => Reply::ok(&json!({
            "object": "list", "id": request_id(ask.number), "model": body["model"], "results": results,
            "usage": {"total_tokens": tokens},
        })),
        None => refuse(ask),
    }
}

/// DashScope's text-rerank: nested, and flat for `qwen3-rerank`.
pub(super) fn dashscope(ask: &Ask<'_>, body: &Value) -> Reply {
    let flat = body["model"].as_str().is_some_and(|model| model.starts_with("qwen3-rerank"));
    let (input, parameters) = if flat { (body, body) } else { (&body["input"], &body["parameters"]) };
    match ranked(input, parameters, parameters["return_documents"] == true) {
        Some((results, tokens)) => Reply::ok(&json!({
            "output": {"results": results}, "usage": {"total_tokens": tokens}, "request_id": request_id(ask.number),
        })),
        None => refuse(ask),
    }
}

const MISSING: &str = "query or documents are missing or empty";

fn refuse(ask: &Ask<'_>) -> Reply {
    Reply::dashscope_error(StatusCode::BAD_REQUEST, "InvalidParameter", MISSING, ask.number)
}

/// The results, best first, and the tokens read.
fn ranked(input: &Value, parameters: &Value, with_documents: bool) -> Option<(Vec<Value>, usize)> {
    let query = text(&input["query"]).filter(|query| !query.is_empty())?;
    let documents = input["documents"].as_array().filter(|documents| !documents.is_empty())?;
    let texts: Vec<String> = documents.iter().map(|document| text(document).unwrap_or_default()).collect();
    let mut scored: Vec<(usize, f64)> =
        texts.iter().enumerate().map(|(index, text)| (index, words::relevance(&query, text))).collect();
    scored.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let most = parameters["top_n"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let results = scored.into_iter().take(most).map(|(index, score)| {
        let mut result = json!({"index": index, "relevance_score": score});
        if with_documents {
            result["document"] = json!({"text": texts.get(index)});
        }
        result
    });
    let tokens = words::tokens(&query) + texts.iter().map(|text| words::tokens(text)).sum::<usize>();
    Some((results.collect(), tokens))
}

/// A text as it is, or in an object under `text`, or a picture's address.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value["text"].as_str()).or_else(|| value["image"].as_str());
    text.map(str::to_owned)
}
