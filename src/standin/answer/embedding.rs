//! Vectors: OpenAI's embeddings, vLLM's multimodal form of them, and DashScope's multimodal embedding.

use super::{Ask, question, words};
use crate::standin::reply::{Reply, request_id};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// Longer vectors are refused.
const MOST_DIMENSIONS: u64 = 4096;

/// `/v1/embeddings`
pub(super) fn openai(_: &Ask<'_>, body: &Value) -> Reply {
    let texts = match (&body["input"], &body["messages"]) {
        (Value::String(text), _) => vec![text.clone()],
        (Value::Array(texts), _) => texts.iter().map(content).collect(),
        (_, Value::Array(messages)) => vec![messages.iter().map(content).collect::<Vec<_>>().join("\n")],
        _ => return refuse("input is missing"),
    };
    if texts.is_empty() {
        return refuse("input is empty");
    }
    let model = body["model"].as_str().unwrap_or_default();
    if let Some(limit) = model.strip_prefix("batch-limit-").and_then(|limit| limit.parse::<usize>().ok())
        && texts.len() > limit
    {
        return refuse(&format!("batch size is invalid, it should not be larger than {limit}.: input.contents"));
    }
    let dimensions = match body["dimensions"].as_u64() {
        None => words::DIMENSIONS,
        Some(0 | MOST_DIMENSIONS..) => return refuse("dimensions is out of range"),
        Some(dimensions) => usize::try_from(dimensions).unwrap_or(words::DIMENSIONS),
    };
    let base64 = body["encoding_format"] == "base64";
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = words::vector(text, dimensions);
            let vector = if base64 { json!(packed(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    let tokens: usize = texts.iter().map(|text| words::tokens(text)).sum();
    Reply::ok(&json!({
        "object": "list", "model": model, "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

/// `/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding`
pub(super) fn dashscope(ask: &Ask<'_>, body: &Value) -> Reply {
    let Some(contents) = body["input"]["contents"].as_array().filter(|contents| !contents.is_empty()) else {
        let message = "input.contents is missing or empty";
        return Reply::dashscope_error(StatusCode::BAD_REQUEST, "InvalidParameter", message, ask.number);
    };
    let embeddings: Vec<Value> = contents
        .iter()
        .enumerate()
        .map(|(index, content)| {
            let (kind, text) = match content["text"].as_str() {
                Some(text) => ("text", text),
                None => ("image", content["image"].as_str().unwrap_or_default()),
            };
            json!({"index": index, "type": kind, "embedding": words::vector(text, words::DIMENSIONS)})
        })
        .collect();
    let texts = contents.iter().filter_map(|content| content["text"].as_str());
    let tokens: usize = texts.map(words::tokens).sum();
    let images = contents.iter().filter(|content| content["image"].is_string()).count();
    Reply::ok(&json!({
        "output": {"embeddings": embeddings},
        "usage": {"input_tokens": tokens, "image_count": images},
        "request_id": request_id(ask.number),
    }))
}

/// What an element holds: itself, or its content's texts and picture addresses.
fn content(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => {
            let parts = value["content"].as_array().into_iter().flatten();
            let pictures: Vec<&str> = parts.filter_map(|part| part["image_url"]["url"].as_str()).collect();
            format!("{}{}", question::text(&value["content"]), pictures.join("\n"))
        }
    }
}

/// Little-endian 32-bit floats in Base64.
fn packed(vector: &[f64]) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for a number")]
    let bytes: Vec<u8> = vector.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect();
    BASE64.encode(bytes)
}

fn refuse(message: &str) -> Reply {
    Reply::openai_error(StatusCode::BAD_REQUEST, "invalid_parameter_error", message)
}
